/** A camera of the server is watched: each preview comes just before the faces in it. */

import { ReconnectingSocket } from "../web/socket.js";

/**
 * on.live(), on.faces(bitmap, message), on.status({state, message}): the camera's, told while no
 * picture comes; on.problem(message), on.lost(), on.refused({text, isSignedOut})
 */
export class CameraWatch {
  #on;
  #socket;
  #preview = null; // promise of the newest preview, whose faces have not come yet
  #isStopped = false;

  constructor(cameraId, on) {
    this.#on = on;
    this.#socket = new ReconnectingSocket(`/ws/cameras/${cameraId}/`, {
      open: () => this.#on.live({}),
      message: (data) => (typeof data === "string" ? this.#heard(JSON.parse(data)) : this.#keep(data)),
      lost: () => {
        this.#drop();
        this.#on.lost();
      },
      refused: (refusal) => this.#on.refused(refusal),
    });
    this.#socket.open();
  }

  stop() {
    this.#isStopped = true;
    this.#drop();
    this.#socket.close();
  }

  #keep(jpeg) {
    this.#drop();
    this.#preview = createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    this.#preview.catch(() => {}); // told where it is awaited
  }

  #drop() {
    this.#preview?.then((bitmap) => bitmap.close(), () => {});
    this.#preview = null;
  }

  #heard(message) {
    if (message.type === "faces") this.#show(message);
    else if (message.type === "event") this.#on.event(message.event);
    else if (message.type === "status") this.#on.status(message);
    else if (message.type === "error") this.#on.problem(message);
  }

  async #show(message) {
    const preview = this.#preview;
    this.#preview = null;
    const bitmap = await preview?.catch(() => null);
    if (!bitmap) return;
    if (!this.#isStopped) this.#on.faces(bitmap, message);
    bitmap.close();
  }
}
