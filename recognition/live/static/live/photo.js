/** A photo of the person's own: shown upright with its faces, whole or cut out. */

import { faceCrop } from "../people/enrol.js";
import { drawFaces, fit } from "./drawing.js";
import { contextOf, element } from "../web/element.js";

/** @import { DrawnFace } from "./drawing.js" */
/** @import { Face, Size } from "../web/types.js" */

const CROP_PX = 192;

export class Photo {
  #bitmap;
  /** @type {DrawnFace[]} */
  #faces = [];
  /** @type {Size} */
  #size;
  #canvas = element("canvas", { role: "img" });
  #withLabels = true;
  /** @type {((index: number) => void) | null} */
  #onPick = null;
  #resized = new ResizeObserver(() => this.draw());

  /**
   * @param {File} file
   * @param {ImageBitmap | null} bitmap Null for kinds that the server reads and the browser does not.
   */
  constructor(file, bitmap) {
    this.file = file;
    this.#bitmap = bitmap;
    this.#size = bitmap ? [bitmap.width, bitmap.height] : [4, 3];
    this.#canvas.addEventListener("click", (event) => this.#pick(event));
    this.#resized.observe(this.#canvas);
  }

  /**
   * The API counts pixels of the upright picture, so it must stand upright here as well.
   *
   * @param {File} file
   */
  static async read(file) {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
    return new Photo(file, bitmap);
  }

  close() {
    this.#resized.disconnect();
    this.#bitmap?.close();
    this.#bitmap = null;
  }

  get isShown() {
    return this.#bitmap !== null;
  }

  /**
   * The picture as an element that fills its place; onPick: a face was clicked.
   *
   * @param {object} shown
   * @param {Size} [shown.size] What boxes refer to, if not to the picture as it is.
   * @param {DrawnFace[]} shown.faces
   * @param {boolean} [shown.withLabels]
   * @param {((index: number) => void) | null} [shown.onPick]
   */
  figure({ size, faces, withLabels = true, onPick = null }) {
    this.#size = size ?? this.#size;
    this.#faces = faces;
    this.#withLabels = withLabels;
    this.#canvas.setAttribute("aria-label", `${this.file.name}: ${faces.length} faces`);
    this.#canvas.style.aspectRatio = `${this.#size[0]} / ${this.#size[1]}`;
    this.#onPick = onPick;
    return element("figure", { class: "photo" }, this.#canvas);
  }

  /** @param {number | null} only The index of the one face to draw; null: all. */
  draw(only = null) {
    const width = this.#canvas.clientWidth;
    const height = this.#canvas.clientHeight;
    const density = Math.min(devicePixelRatio || 1, 3);
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(height * density);
    const context = contextOf(this.#canvas);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.imageSmoothingQuality = "high";
    const place = fit(this.#size, width, height);
    if (this.#bitmap) {
      const [pictureWidth, pictureHeight] = this.#size.map((length) => length * place.scale);
      context.drawImage(this.#bitmap, place.left, place.top, pictureWidth, pictureHeight);
    }
    const faces = only === null ? this.#faces : [this.#faces[only]];
    drawFaces(context, faces, place, { width, height }, { withLabels: this.#withLabels });
  }

  /** The face alone; empty if the browser cannot show the photo. @param {Face} face */
  crop(face) {
    const picture = this.#bitmap ?? element("canvas");
    const scale = picture.width / this.#size[0];
    const [x, y, width, height] = face.box;
    return faceCrop(picture, [x * scale, y * scale, width * scale, height * scale], CROP_PX);
  }

  /** @param {MouseEvent} event */
  #pick(event) {
    if (!this.#onPick) return;
    const place = fit(this.#size, this.#canvas.clientWidth, this.#canvas.clientHeight);
    const x = (event.offsetX - place.left) / place.scale;
    const y = (event.offsetY - place.top) / place.scale;
    const index = this.#faces.findIndex(({ box: [left, top, width, height] }) =>
      x >= left && x <= left + width && y >= top && y <= top + height);
    if (index >= 0) this.#onPick(index);
  }
}
