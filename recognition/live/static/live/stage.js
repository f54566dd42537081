/** The picture area: a picture with its faces, drawn together; or words where there is none. */

import { drawFaces, fit } from "./drawing.js";
import { ICONS, element, icon } from "../web/element.js";

export class Stage {
  #root = document.getElementById("stage");
  #view = document.getElementById("view");
  #picture = document.getElementById("picture");
  #boxes = document.getElementById("boxes");
  #message = document.getElementById("stage-message");
  #faces = [];
  #size = [4, 3];
  #canPick;

  /** `canPick(face)`: may this face be clicked? `onPick(face)`: it was. */
  constructor({ canPick, onPick }) {
    this.#canPick = canPick;
    this.#view.addEventListener("pointermove", (event) => {
      this.#view.classList.toggle("is-clickable", this.#pickable(event) !== undefined);
    });
    this.#view.addEventListener("click", (event) => {
      const face = event.target === this.#boxes ? this.#pickable(event) : undefined;
      if (face) onPick(face);
    });
    new ResizeObserver(() => this.#drawBoxes()).observe(this.#view);
  }

  /** Show a picture (canvas or bitmap) with the faces found in it; `size` is what boxes refer to. */
  showResult(picture, size, faces) {
    this.#faces = faces;
    this.#size = size;
    if (this.#picture.width !== picture.width) this.#picture.width = picture.width;
    if (this.#picture.height !== picture.height) this.#picture.height = picture.height;
    this.#picture.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
    this.setRatio(picture.width, picture.height);
    this.#shows("result");
    this.#drawBoxes();
  }

  /** The camera's own picture, before answers come or while they stay away; maybe with words over it. */
  showCamera(message = null) {
    this.#faces = [];
    this.#setMessage(message);
    this.#shows("camera");
  }

  /** {icon, title, text, isBusy, isBad, action: {label, run}} */
  showMessage(message) {
    this.#faces = [];
    this.#setMessage(message);
    this.#shows("message");
  }

  setRatio(width, height) {
    if (width && height) this.#root.style.setProperty("--ratio", `${width} / ${height}`);
  }

  /** A canvas with the face cut out of the picture that is shown, with room around it. */
  crop(face) {
    const [x, y, width, height] = face.box;
    const scale = this.#picture.width / this.#size[0];
    const side = Math.max(width, height) * 1.5 * scale;
    const canvas = element("canvas", { width: 224, height: 224 });
    const left = (x + width / 2) * scale - side / 2;
    const top = (y + height / 2) * scale - side / 2;
    canvas.getContext("2d").drawImage(this.#picture, left, top, side, side, 0, 0, 224, 224);
    return canvas;
  }

  #shows(what) {
    if (this.#root.dataset.shows !== what) this.#root.dataset.shows = what;
  }

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
    const context = this.#boxes.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, area.width, area.height);
    if (!this.#faces.length) return;
    const place = fit(this.#size, area.width, area.height);
    drawFaces(context, this.#faces, place, area);
  }

  #pickable(event) {
    if (!this.#faces.length || this.#root.dataset.shows !== "result") return undefined;
    const area = this.#area();
    const { scale, left, top } = fit(this.#size, area.width, area.height);
    const bounds = this.#view.getBoundingClientRect();
    const x = (event.clientX - bounds.left - left) / scale;
    const y = (event.clientY - bounds.top - top) / scale;
    const isInside = ([left, top, wide, high]) => x >= left && x <= left + wide && y >= top && y <= top + high;
    return this.#faces.find((face) => isInside(face.box) && this.#canPick(face));
  }
}
