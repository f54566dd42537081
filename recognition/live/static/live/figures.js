/** Frames a second, delay and dropped frames, as they are now. */

/** @import { FacesMessage, Timing } from "../web/types.js" */

const WINDOW_MS = 2000;
const SMOOTH = 0.15;

export class Figures {
  #node;
  /** @type {number[]} */
  #answers = []; // times of the answers within the window
  /** @type {number | null} */
  #latency = null;

  /** @param {HTMLElement} node */
  constructor(node) {
    this.#node = node;
  }

  reset() {
    this.#answers = [];
    this.#latency = null;
    this.#node.hidden = true;
  }

  /**
   * @param {FacesMessage} message
   * @param {number | null} latencyMs From the frame to its answer; null if only the server's own
   *   time is known.
   */
  add(message, latencyMs) {
    const now = performance.now();
    this.#answers.push(now);
    // Two at least: in a still room answers come more seldom.
    while (this.#answers.length > 2 && this.#answers[0] < now - WINDOW_MS) this.#answers.shift();
    const latency = latencyMs ?? message.timing_ms?.total ?? 0;
    this.#latency = this.#latency === null ? latency : this.#latency + SMOOTH * (latency - this.#latency);
    const rate = this.#rate(now);
    const told = rate === null ? [] : [`${rate.toFixed(rate < 9.95 ? 1 : 0)} fps`];
    told.push(`${Math.round(this.#latency)} ms`, `${message.dropped ?? 0} dropped`);
    this.#node.textContent = told.join(" · ");
    this.#node.title = parts(message.timing_ms);
    this.#node.hidden = false;
  }

  /**
   * @param {number} now
   * @returns {number | null} Answers a second; null after the first one.
   */
  #rate(now) {
    const gaps = this.#answers.length - 1;
    return gaps ? (gaps * 1000) / Math.max(now - this.#answers[0], 1) : null;
  }
}

/** @param {Timing} [timing] */
function parts(timing = {}) {
  const words = Object.entries(timing).map(([part, ms]) => `${part} ${Number(ms).toFixed(1)} ms`);
  return words.length ? `On the server: ${words.join(", ")}` : "";
}
