/** Which visits the list shows: of one camera, of unknown people only, of people with a label. */

import { byId, element } from "../web/element.js";

/** @import { Camera, Visit } from "../web/types.js" */

const TYPING_PAUSE_MS = 300;

export class Filters {
  onChange = () => {};
  #camera = byId("filter-camera", HTMLSelectElement);
  #label = byId("filter-label", HTMLInputElement);
  #labels = byId("filter-labels", HTMLDataListElement);
  #unknown = byId("filter-unknown", HTMLInputElement);
  /** @type {number | undefined} */
  #typing;

  constructor() {
    const form = byId("filters", HTMLFormElement);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.onChange(), TYPING_PAUSE_MS);
    });
  }

  /** @param {Camera[]} cameras */
  fill(cameras) {
    const options = cameras.map(({ id, name }) => element("option", { value: id }, name));
    this.#camera.append(...options);
    this.#camera.hidden = !cameras.length;
  }

  /** For `GET events`. */
  get query() {
    return { camera: this.#camera.value, label: this.#label.value.trim(), decision: this.#unknown.checked ? "unknown" : null };
  }

  get isOn() {
    return Object.values(this.query).some(Boolean);
  }

  /** Does it belong into the list? @param {Visit} visit */
  accepts(visit) {
    const { camera, label, decision } = this.query;
    return (!camera || visit.camera?.id === camera)
      && (!label || Boolean(visit.person?.labels.includes(label)))
      && (!decision || visit.decision === decision);
  }

  /** Labels that people have are offered. @param {Visit} visit */
  learn({ person }) {
    for (const label of person?.labels ?? []) {
      const isKnown = [...this.#labels.options].some(({ value }) => value === label);
      if (!isKnown) this.#labels.append(element("option", { value: label }));
    }
  }
}
