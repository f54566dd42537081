/** The dialog that chooses the cameras of the wall. */

import { byId, element, inside } from "../web/element.js";
import { MOST_TILES } from "./wall.js";

/** @typedef {{value: string, name: string}} Choice */

export class Chooser {
  #dialog = byId("chooser", HTMLDialogElement);
  #list = byId("chooser-list", HTMLElement);
  #hint = byId("chooser-hint", HTMLElement);
  #onChosen;

  /** @param {(values: string[]) => void} onChosen */
  constructor(onChosen) {
    this.#onChosen = onChosen;
    this.#list.addEventListener("change", () => this.#follow());
    inside(this.#dialog, "[data-close]", HTMLElement).addEventListener("click", () => this.#dialog.close());
    inside(this.#dialog, "[data-all]", HTMLElement).addEventListener("click", () => this.#chooseAll());
    inside(this.#dialog, "form", HTMLFormElement).addEventListener("submit", () => this.#onChosen(this.#chosen()));
  }

  /** @param {Choice[]} choices @param {string[]} chosen Values. */
  open(choices, chosen) {
    this.#list.replaceChildren(...choices.map(({ value, name }) => {
      const box = element("input", { type: "checkbox", value, checked: chosen.includes(value) });
      return element("li", {}, element("label", {}, box, name));
    }));
    this.#follow();
    this.#dialog.showModal();
  }

  get #boxes() {
    return [...this.#list.querySelectorAll("input")];
  }

  #chosen() {
    return this.#boxes.filter(({ checked }) => checked).map(({ value }) => value);
  }

  #chooseAll() {
    // The first one is this device's.
    this.#boxes.slice(1).forEach((box, index) => (box.checked = index < MOST_TILES));
    this.#follow();
  }

  #follow() {
    const { length } = this.#chosen();
    for (const box of this.#boxes) box.disabled = !box.checked && length >= MOST_TILES;
    inside(this.#dialog, "[type=submit]", HTMLButtonElement).disabled = length === 0;
    this.#hint.textContent = length >= MOST_TILES ? `${MOST_TILES} cameras at most` : `${length} of ${MOST_TILES}`;
  }
}
