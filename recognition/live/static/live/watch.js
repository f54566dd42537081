/** A camera of the server is watched: each preview comes just before the faces in it. */

import { ReconnectingSocket } from "../web/socket.js";

/** @import { FacesMessage, StreamListeners, StreamMessage } from "../web/types.js" */
/**
 * @typedef {object} ShowsPreviews
 * @property {(picture: ImageBitmap, message: FacesMessage) => void} faces
 */

const LARGEST_PX = 1920;

export class CameraWatch {
  #on;
  #socket;
  /** @type {Promise<ImageBitmap> | null} */
  #preview = null; // promise of the newest preview, whose faces have not come yet
  #isStopped = false;
  #sidePx;

  /**
   * @param {string} cameraId
   * @param {number} sidePx See `resize`.
   * @param {StreamListeners & ShowsPreviews} on
   */
  constructor(cameraId, sidePx, on) {
    this.#on = on;
    this.#sidePx = sidePx;
    this.#socket = new ReconnectingSocket(`/ws/cameras/${cameraId}/`, {
      open: () => {
        this.#tellSize();
        this.#on.live();
      },
      message: (data) => (typeof data === "string" ? this.#heard(JSON.parse(data)) : this.#keep(data)),
      lost: () => {
        this.#drop();
        this.#on.lost();
      },
      refused: (refusal) => this.#on.refused(refusal),
    });
    this.#socket.open();
  }

  /** The longer side of the picture in pixels; 0: nobody looks. @param {number} sidePx */
  resize(sidePx) {
    if (sidePx === this.#sidePx) return;
    this.#sidePx = sidePx;
    this.#tellSize();
  }

  #tellSize() {
    this.#socket.send(JSON.stringify({ type: "preview.size", side_px: Math.min(this.#sidePx, LARGEST_PX) }));
  }

  stop() {
    this.#isStopped = true;
    this.#drop();
    this.#socket.close();
  }

  /** @param {ArrayBuffer} jpeg */
  #keep(jpeg) {
    this.#drop();
    this.#preview = createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    this.#preview.catch(() => {}); // told where it is awaited
  }

  #drop() {
    this.#preview?.then((bitmap) => bitmap.close(), () => {});
    this.#preview = null;
  }

  /** @param {StreamMessage} message */
  #heard(message) {
    if (message.type === "faces") this.#show(message);
    else if (message.type === "event") this.#on.event(message.event);
    else if (message.type === "status") this.#on.status(message);
    else if (message.type === "error") this.#on.problem(message);
  }

  /** @param {FacesMessage} message */
  async #show(message) {
    const preview = this.#preview;
    this.#preview = null;
    const bitmap = await preview?.catch(() => null);
    if (!bitmap) return;
    if (!this.#isStopped) this.#on.faces(bitmap, message);
    bitmap.close();
  }
}
