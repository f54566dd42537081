/** The picture area: a picture with its faces, drawn together; or words where there is none. */

import { drawFaces, fit } from "./drawing.js";
import { ICONS, contextOf, element, icon, inside } from "../web/element.js";

/** @import { LiveFace, Size } from "../web/types.js" */
/**
 * What stands in place of a picture, or over it.
 *
 * @typedef {object} Message
 * @property {string} title
 * @property {string} [text]
 * @property {keyof typeof ICONS} [icon]
 * @property {boolean} [isBusy]
 * @property {boolean} [isBad]
 * @property {{label: string, run: () => void} | null} [action]
 */

export class Stage {
  #root;
  #view;
  #picture;
  #boxes;
  #message;
  /** @type {LiveFace[]} */
  #faces = [];
  /** @type {Size} */
  #size = [4, 3];
  #canPick;
  #observer;
  #listening = new AbortController();

  /**
   * canPick: may this face be clicked? onPick: it was. onSize: its place has another size.
   *
   * @param {HTMLElement} root
   * @param {{canPick(face: LiveFace): boolean, onPick(face: LiveFace): void, onSize(): void}} on
   */
  constructor(root, { canPick, onPick, onSize }) {
    this.#root = root;
    this.#view = inside(root, ".stage-view", HTMLElement);
    this.#picture = inside(root, ".stage-picture", HTMLCanvasElement);
    this.#boxes = inside(root, ".stage-boxes", HTMLCanvasElement);
    this.#message = inside(root, ".stage-message", HTMLElement);
    this.#canPick = canPick;
    this.#view.addEventListener("pointermove", (event) => {
      this.#view.classList.toggle("is-clickable", this.#pickable(event) !== undefined);
    }, { signal: this.#listening.signal });
    this.#view.addEventListener("click", (event) => {
      const face = event.target === this.#boxes ? this.#pickable(event) : undefined;
      if (face) onPick(face);
    }, { signal: this.#listening.signal });
    this.#observer = new ResizeObserver(() => {
      this.#drawBoxes();
      onSize();
    });
    this.#observer.observe(this.#view);
  }

  /** The element shows something else from now on. */
  leave() {
    this.#observer.disconnect();
    this.#listening.abort();
  }

  /** The longer side of the picture as it is shown, in pixels of the screen. */
  get sidePx() {
    const { width, height } = this.#area();
    const side = Math.max(...this.#size) * fit(this.#size, width, height).scale;
    return Math.round(side * Math.min(devicePixelRatio || 1, 3));
  }

  /**
   * Show a picture with the faces found in it.
   *
   * @param {HTMLCanvasElement | ImageBitmap} picture
   * @param {Size} size What boxes refer to.
   * @param {LiveFace[]} faces
   */
  showResult(picture, size, faces) {
    this.#faces = faces;
    this.#size = size;
    if (this.#picture.width !== picture.width) this.#picture.width = picture.width;
    if (this.#picture.height !== picture.height) this.#picture.height = picture.height;
    contextOf(this.#picture, { alpha: false }).drawImage(picture, 0, 0);
    this.setRatio(picture.width, picture.height);
    this.#shows("result");
    this.#drawBoxes();
  }

  /**
   * The camera's own picture, before answers come or while they stay away; maybe with words over it.
   *
   * @param {Message} [message]
   */
  showCamera(message) {
    this.#faces = [];
    this.#setMessage(message);
    this.#shows("camera");
  }

  /** @param {Message} message */
  showMessage(message) {
    this.#faces = [];
    this.#setMessage(message);
    this.#shows("message");
  }

  /** @param {number} width @param {number} height */
  setRatio(width, height) {
    if (width && height) this.#root.style.setProperty("--ratio", `${width} / ${height}`);
  }

  /**
   * The face cut out of the picture that is shown, with room around it.
   *
   * @param {LiveFace} face
   */
  crop(face) {
    const [x, y, width, height] = face.box;
    const scale = this.#picture.width / this.#size[0];
    const side = Math.max(width, height) * 1.5 * scale;
    const canvas = element("canvas", { width: 224, height: 224 });
    const left = (x + width / 2) * scale - side / 2;
    const top = (y + height / 2) * scale - side / 2;
    contextOf(canvas).drawImage(this.#picture, left, top, side, side, 0, 0, 224, 224);
    return canvas;
  }

  /** @param {"result" | "camera" | "message"} what */
  #shows(what) {
    if (this.#root.dataset.shows !== what) this.#root.dataset.shows = what;
  }

  /** @param {Message} [message] */
  #setMessage(message) {
    this.#message.replaceChildren();
    if (!message) return;
    this.#message.dataset.tone = message.isBad ? "bad" : "";
    this.#message.append(
      message.isBusy ? element("div", { class: "spinner" }) : icon(ICONS[message.icon ?? "camera"]),
      element("h2", {}, message.title),
      element("p", {}, message.text ?? ""),
    );
    if (message.action) {
      const { label, run } = message.action;
      const button = element("button", { class: "button button-main button-large", type: "button", onclick: run }, label);
      this.#message.append(button);
    }
  }

  #area() {
    return { width: this.#view.clientWidth, height: this.#view.clientHeight };
  }

  #drawBoxes() {
    const area = this.#area();
    const density = Math.min(devicePixelRatio || 1, 3);
    const width = Math.round(area.width * density);
    const height = Math.round(area.height * density);
    if (this.#boxes.width !== width) this.#boxes.width = width;
    if (this.#boxes.height !== height) this.#boxes.height = height;
    const context = contextOf(this.#boxes);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, area.width, area.height);
    if (!this.#faces.length) return;
    const place = fit(this.#size, area.width, area.height);
    drawFaces(context, this.#faces, place, area);
  }

  /** @param {MouseEvent} event */
  #pickable(event) {
    if (!this.#faces.length || this.#root.dataset.shows !== "result") return undefined;
    const area = this.#area();
    const { scale, left, top } = fit(this.#size, area.width, area.height);
    const bounds = this.#view.getBoundingClientRect();
    const x = (event.clientX - bounds.left - left) / scale;
    const y = (event.clientY - bounds.top - top) / scale;
    /** @param {LiveFace["box"]} box */
    const isInside = ([left, top, wide, high]) => x >= left && x <= left + wide && y >= top && y <= top + high;
    return this.#faces.find((face) => isInside(face.box) && this.#canPick(face));
  }
}
