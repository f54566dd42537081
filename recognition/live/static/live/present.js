/** Who is in the picture now, as words: one chip for each face, kept while it stays. */

import { element } from "../web/element.js";
import { nameOf, scoreLine } from "./scores.js";

export class Present {
  #list = document.getElementById("present");
  #chips = new Map(); // track -> {node, name, scores, button, face}
  #canEnrol;
  #onEnrol;

  constructor({ canEnrol, onEnrol }) {
    this.#canEnrol = canEnrol;
    this.#onEnrol = onEnrol;
    this.#nobody("");
  }

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

  #nobody(text) {
    if (this.#list.textContent === text && text) return;
    this.#list.replaceChildren(element("li", { class: "present-nobody" }, text));
  }

  #update(face) {
    let chip = this.#chips.get(face.track);
    if (!chip) {
      chip = this.#make(face.track);
      this.#chips.set(face.track, chip);
      this.#list.append(chip.node);
    }
    chip.face = face;
    chip.node.dataset.decision = face.decision;
    setText(chip.name, nameOf(face));
    setText(chip.scores, scoreLine(face));
    chip.button.hidden = !this.#canEnrol(face);
  }

  #make(track) {
    const name = element("b");
    const scores = element("small");
    const enrol = () => this.#onEnrol(this.#chips.get(track).face);
    const button = element("button", { class: "button button-small", type: "button", hidden: true, onclick: enrol }, "Enrol");
    const node = element("li", { class: "present-face", "data-track": track }, name, scores, button);
    return { node, name, scores, button, face: null };
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
