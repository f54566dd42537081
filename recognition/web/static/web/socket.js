/** A websocket that reconnects by itself, until the server says that this is useless. */

import { api, isSignedOut } from "./api.js";

/** @import { Refusal } from "./types.js" */
/**
 * @typedef {object} Listeners
 * @property {(data: any) => void} message A string or an ArrayBuffer.
 * @property {() => void} [open]
 * @property {(code: number) => void} [lost] Called once for each loss; the next `open` ends it.
 * @property {(refusal: Refusal) => void} [refused]
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
// After a connection that lasted this long, the next loss starts from the short wait again.
const STEADY_MS = 3000;
const SIGNED_OUT = 4401;
const TOO_MANY = 4429;
/** Close code: a part of the server is away, perhaps for a while. */
export const UNAVAILABLE = 4503;
/** Close codes after which trying again is useless, with the same message for all pages.
 * @type {Record<number, string>} */
const REFUSALS = {
  [SIGNED_OUT]: "You have been signed out.",
  4403: "Your account may not watch this.",
  4404: "This no longer exists.",
  [TOO_MANY]: "Too many streams are running. Stop one, then start again.",
};

export class ReconnectingSocket {
  #path;
  #on;
  /** @type {WebSocket | null} */
  #socket = null;
  #wanted = false;
  #waitMs = FIRST_WAIT_MS;
  /** @type {number | undefined} */
  #timer;
  #failures = 0;
  #isOfNoUse = false;
  #tryNow = () => {
    if (this.#wanted && !this.#socket) this.#connect();
  };

  /**
   * @param {string} path
   * @param {Listeners} on
   */
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    addEventListener("online", this.#tryNow);
    document.addEventListener("visibilitychange", this.#tryNow);
    this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#tryNow);
    document.removeEventListener("visibilitychange", this.#tryNow);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  /** The connection is useless: close it, and open another one after the longest wait. */
  retry() {
    this.#isOfNoUse = true;
    this.#socket?.close(1000);
  }

  /** Does nothing while there is no connection. @param {string | Blob} data */
  send(data) {
    if (this.isOpen) this.#socket?.send(data);
  }

  #connect() {
    clearTimeout(this.#timer);
    const url = new URL(this.#path, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let openedAt = 0;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      openedAt = performance.now();
      this.#failures = 0;
      this.#on.open?.();
    };
    socket.onmessage = ({ data }) => socket === this.#socket && this.#on.message(data);
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (this.#isOfNoUse || code === UNAVAILABLE) this.#waitMs = LONGEST_WAIT_MS;
      else if (openedAt && performance.now() - openedAt > STEADY_MS) this.#waitMs = FIRST_WAIT_MS;
      this.#isOfNoUse = false;
      this.#closed(code, reason);
    };
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    if (code in REFUSALS) return this.#refuse(code, reason);
    this.#on.lost?.(code);
    this.#failures += 1;
    // A refused handshake looks like a server that is away. Ask the API if we are signed in.
    if (this.#failures === 2) this.#checkSignedIn();
    // A random wait, because all pages lost the server at the same time.
    this.#timer = setTimeout(this.#tryNow, this.#waitMs * (0.75 + Math.random() / 2));
    this.#waitMs = Math.min(this.#waitMs * 1.7, LONGEST_WAIT_MS);
  }

  /** @param {number} code @param {string} reason */
  #refuse(code, reason) {
    this.close();
    // Only for too many streams the reason that the server sends is better.
    const text = code === TOO_MANY && reason ? reason : REFUSALS[code];
    this.#on.refused?.({ text, isSignedOut: code === SIGNED_OUT });
  }

  async #checkSignedIn() {
    try {
      await api("me");
    } catch (error) {
      if (isSignedOut(error) && this.#wanted) this.#refuse(SIGNED_OUT, "");
    }
  }
}
