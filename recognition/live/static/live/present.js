/** Who is in the picture now, as words: one chip for each face, kept while it stays. */

import { byId, element } from "../web/element.js";
import { nameOf, scoreLine } from "./scores.js";

/** @import { LiveFace } from "../web/types.js" */
/**
 * @typedef {object} Chip
 * @property {HTMLElement} node
 * @property {HTMLElement} name
 * @property {HTMLElement} scores
 * @property {HTMLButtonElement} button
 * @property {LiveFace} face
 */

export class Present {
  #list = byId("present", HTMLElement);
  /** @type {Map<number, Chip>} By the face's track. */
  #chips = new Map();
  #canEnrol;
  #onEnrol;

  /** @param {{canEnrol(face: LiveFace): boolean, onEnrol(face: LiveFace): void}} on */
  constructor({ canEnrol, onEnrol }) {
    this.#canEnrol = canEnrol;
    this.#onEnrol = onEnrol;
    this.#nobody("");
  }

  /** @param {LiveFace[]} faces */
  show(faces) {
    const seen = new Set(faces.map((face) => face.track));
    for (const [track, chip] of this.#chips) {
      if (seen.has(track)) continue;
      chip.node.remove();
      this.#chips.delete(track);
    }
    if (!faces.length) return this.#nobody("No face in the picture");
    this.#list.querySelector(".present-nobody")?.remove();
    for (const face of faces) this.#update(face);
  }

  clear() {
    this.#chips.clear();
    this.#nobody("");
  }

  /** @param {string} text */
  #nobody(text) {
    if (this.#list.textContent === text && text) return;
    this.#list.replaceChildren(element("li", { class: "present-nobody" }, text));
  }

  /** @param {LiveFace} face */
  #update(face) {
    let chip = this.#chips.get(face.track);
    if (!chip) {
      chip = this.#make(face);
      this.#chips.set(face.track, chip);
      this.#list.append(chip.node);
    }
    chip.face = face;
    chip.node.dataset.decision = face.decision;
    setText(chip.name, nameOf(face));
    setText(chip.scores, scoreLine(face));
    chip.button.hidden = !this.#canEnrol(face);
  }

  /**
   * @param {LiveFace} face
   * @returns {Chip}
   */
  #make(face) {
    const name = element("b");
    const scores = element("small");
    const enrol = () => this.#onEnrol(chip.face);
    const button = element("button", { class: "button button-small", type: "button", hidden: true, onclick: enrol }, "Enrol");
    const node = element("li", { class: "present-face", "data-track": face.track }, name, scores, button);
    const chip = { node, name, scores, button, face };
    return chip;
  }
}

/** @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
