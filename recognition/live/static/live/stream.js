/**
 * Frames of a video go to the server, and each answer comes back with its own picture.
 *
 * There are exactly two canvases. Each holds the picture of one frame under way until its answer
 * has come, so at most two frames are unanswered and memory cannot grow, whatever happens.
 */

import { contextOf } from "../web/element.js";
import { ReconnectingSocket } from "../web/socket.js";

/** @import { ErrorMessage, FacesMessage, SessionOptions, StreamListeners, StreamMessage } from "../web/types.js" */
/**
 * @typedef {object} ShowsFrames
 * @property {(picture: HTMLCanvasElement, message: FacesMessage, latencyMs: number) => void} faces
 */

const WIDEST_PX = 960;
const JPEG_QUALITY = 0.85;
const UNDER_WAY = 2;
const SHORTEST_GAP_MS = 1000 / 30;
// The server owes no answer to a frame that it dropped just before a fault.
const LOST_AFTER_MS = 10_000;
const FAR_TOO_LARGE = 4413;
/** What kept a session from starting and may be over soon; anything else stays as it is. */
const PASSING = new Set(["engine_failed", "engine_closed", "engine_busy", "database_unavailable", "internal_error"]);

export class FrameStream {
  #video;
  #start;
  #on;
  #socket;
  #clock = new Worker(new URL("./clock.js", import.meta.url));
  /** @type {HTMLCanvasElement[]} */
  #canvases = [];
  /** @type {Map<number, {canvas: HTMLCanvasElement, sentAt: number}>} By the frame's number. */
  #underWay = new Map();
  #next = 0;
  #session = 0; // counts connections, so that a late JPEG of an old one is not sent
  #isReady = false;
  #isEncoding = false;
  #isWaiting = false;
  #watchdog = setInterval(() => this.#forgetLost(), LOST_AFTER_MS / 4);
  #sentAt = 0;
  #widest = WIDEST_PX;

  /**
   * @param {HTMLVideoElement} video
   * @param {SessionOptions} start
   * @param {StreamListeners & ShowsFrames} on
   */
  constructor(video, start, on) {
    this.#video = video;
    this.#start = start;
    this.#on = on;
    this.#clock.onmessage = () => {
      this.#isWaiting = false;
      this.#pump();
    };
    this.#socket = new ReconnectingSocket("/ws/live/", {
      open: () => this.#opened(),
      message: (data) => this.#heard(JSON.parse(data)),
      lost: (code) => this.#lost(code),
      refused: (refusal) => this.#on.refused(refusal),
    });
    this.#socket.open();
  }

  stop() {
    this.#isReady = false;
    this.#session += 1;
    this.#socket.close();
    this.#clock.terminate();
    clearInterval(this.#watchdog);
  }

  #opened() {
    this.#session += 1;
    this.#canvases = Array.from({ length: UNDER_WAY }, () => document.createElement("canvas"));
    this.#underWay.clear();
    this.#next = 0;
    this.#isEncoding = false;
    this.#socket.send(JSON.stringify({ type: "session.start", ...this.#start }));
  }

  /** @param {number} code */
  #lost(code) {
    this.#isReady = false;
    if (code === FAR_TOO_LARGE) this.#shrink();
    this.#on.lost();
  }

  #shrink() {
    this.#widest = Math.max(320, Math.round(this.#widest * 0.7));
  }

  /** @param {StreamMessage} message */
  #heard(message) {
    switch (message.type) {
      case "session.started":
        this.#isReady = true;
        this.#on.live();
        break;
      case "faces":
        this.#answered(message);
        break;
      case "event":
        this.#on.event(message.event);
        break;
      case "status":
        this.#on.status(message);
        break;
      case "error":
        this.#failed(message);
        break;
    }
    this.#pump();
  }

  /** @param {ErrorMessage} message */
  #failed(message) {
    if (typeof message.frame === "number") {
      this.#release(message.frame);
      if (message.code === "frame_too_large") this.#shrink();
      else this.#on.problem(message);
    } else if (PASSING.has(message.code)) {
      this.#on.problem(message);
      this.#socket.retry();
    } else {
      this.stop();
      this.#on.refused({ text: message.message, isSignedOut: false });
    }
  }

  /** @param {FacesMessage} message */
  #answered(message) {
    const frame = this.#underWay.get(message.frame);
    if (frame) this.#on.faces(frame.canvas, message, performance.now() - frame.sentAt);
    this.#release(message.frame);
  }

  /** Frames before an answered one were dropped by the server: free as well. @param {number} upTo */
  #release(upTo) {
    for (const [number, { canvas }] of this.#underWay) {
      if (number > upTo) break;
      this.#underWay.delete(number);
      this.#canvases.push(canvas);
    }
  }

  #forgetLost() {
    const newest = [...this.#underWay.values()].at(-1);
    if (!newest || performance.now() - newest.sentAt < LOST_AFTER_MS) return;
    this.#release(this.#next);
    this.#pump();
  }

  #pump() {
    if (!this.#isReady || this.#isEncoding || this.#isWaiting || !this.#canvases.length) return;
    const gap = this.#sentAt + SHORTEST_GAP_MS - performance.now();
    if (gap > 1) this.#wait(gap);
    else if (this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) this.#wait(100);
    else this.#send();
  }

  /** @param {number} ms */
  #wait(ms) {
    this.#isWaiting = true;
    this.#clock.postMessage(ms);
  }

  async #send() {
    const session = this.#session;
    const canvas = this.#canvases.pop();
    if (!canvas) return;
    const sentAt = performance.now();
    this.#isEncoding = true;
    this.#sentAt = sentAt;
    this.#draw(canvas);
    /** @type {Blob | null} */
    const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
    if (session !== this.#session) return;
    this.#isEncoding = false;
    if (jpeg && this.#socket.isOpen) {
      this.#underWay.set(this.#next, { canvas, sentAt });
      this.#next += 1;
      this.#socket.send(jpeg);
    } else {
      this.#canvases.push(canvas);
    }
    this.#pump();
  }

  /** @param {HTMLCanvasElement} canvas */
  #draw(canvas) {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, this.#widest / Math.max(videoWidth, videoHeight, 1));
    const width = Math.max(1, Math.round(videoWidth * scale));
    const height = Math.max(1, Math.round(videoHeight * scale));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    // Read back for the JPEG each time: faster from memory than from a graphics card.
    contextOf(canvas, { alpha: false, willReadFrequently: true }).drawImage(this.#video, 0, 0, width, height);
  }
}
