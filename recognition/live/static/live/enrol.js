/** The dialog that gives a face a name: a new one, or somebody who is enrolled already. */

import { api, messageOf, query } from "../web/api.js";
import { ICONS, byId, element, icon, inside, toast } from "../web/element.js";

/** @import { EnrolAnswer, Page, Person, Visit } from "../web/types.js" */

const TYPING_PAUSE_MS = 150;
const MOST_OPTIONS = 6;

export class EnrolDialog {
  #dialog = byId("enrol", HTMLDialogElement);
  #face = inside(this.#dialog, ".enrol-face", HTMLElement);
  #name = byId("enrol-name", HTMLInputElement);
  #options = byId("enrol-options", HTMLElement);
  #hint = inside(this.#dialog, ".enrol-hint", HTMLElement);
  #error = inside(this.#dialog, ".notice-bad", HTMLElement);
  #save = inside(this.#dialog, "[data-save]", HTMLButtonElement);
  /** @type {Visit | null} */
  #event = null;
  /** @type {Person[]} */
  #people = [];
  /** @type {Person | null} */
  #chosen = null; // the person that was picked from the list
  #active = -1;
  /** @type {number | undefined} */
  #typing;
  #onEnrolled;

  /** @param {{onEnrolled(event: Visit): void}} on */
  constructor({ onEnrolled }) {
    this.#onEnrolled = onEnrolled;
    inside(this.#dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enrol();
    });
    for (const button of this.#dialog.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => this.#dialog.close());
    }
    this.#name.addEventListener("input", () => this.#typed());
    this.#name.addEventListener("keydown", (event) => this.#key(event));
    this.#name.addEventListener("blur", () => this.#showOptions([]));
  }

  /**
   * @param {Visit} event
   * @param {HTMLCanvasElement} [picture] To show instead of the event's face.
   */
  open(event, picture) {
    this.#event = event;
    this.#chosen = null;
    this.#name.value = "";
    this.#hint.textContent = "";
    this.#error.hidden = true;
    this.#showOptions([]);
    this.#face.replaceChildren(picture ?? faceOf(event));
    this.#setBusy(false);
    this.#dialog.showModal();
    this.#name.focus();
  }

  #typed() {
    this.#chosen = null;
    this.#hint.textContent = "";
    this.#error.hidden = true;
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#look(), TYPING_PAUSE_MS);
  }

  async #look() {
    const text = this.#name.value.trim();
    if (!text || !this.#event) return this.#showOptions([]);
    try {
      const filter = query({ collection: this.#event.collection, query: text, page_size: MOST_OPTIONS });
      /** @type {Page<Person>} */
      const { results } = await api(`persons${filter}`);
      if (text !== this.#name.value.trim() || this.#chosen) return;
      this.#showOptions(results);
      const same = results.some((person) => person.name.toLowerCase() === text.toLowerCase());
      this.#hint.textContent = same
        ? "Somebody has this name already. Choose them from the list, or save to add another person of that name."
        : "";
    } catch {
      this.#showOptions([]); // names can be typed without suggestions
    }
  }

  /** @param {Person[]} people */
  #showOptions(people) {
    this.#people = people;
    this.#active = -1;
    this.#options.replaceChildren(...people.map((person, index) => this.#option(person, index)));
    this.#options.hidden = !people.length;
    this.#name.setAttribute("aria-expanded", String(people.length > 0));
    this.#name.removeAttribute("aria-activedescendant");
  }

  /** @param {Person} person @param {number} index */
  #option(person, index) {
    const about = person.external_id ?? person.labels?.join(", ") ?? "";
    return element("li", {
      id: `enrol-option-${index}`,
      role: "option",
      "aria-selected": "false",
      // Before the field loses the focus and the list goes.
      onpointerdown: (event) => {
        event.preventDefault();
        this.#choose(person);
      },
    }, element("b", {}, person.name), element("small", {}, about));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const count = this.#people.length;
    if (!count) return;
    if (event.key === "ArrowDown") this.#activate((this.#active + 1) % count);
    else if (event.key === "ArrowUp") this.#activate((this.#active - 1 + count) % count);
    else if (event.key === "Enter" && this.#active >= 0) this.#choose(this.#people[this.#active]);
    else if (event.key === "Escape") this.#showOptions([]);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #activate(index) {
    this.#active = index;
    [...this.#options.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
    this.#options.children[index].scrollIntoView({ block: "nearest" });
    this.#name.setAttribute("aria-activedescendant", `enrol-option-${index}`);
  }

  /** @param {Person} person */
  #choose(person) {
    clearTimeout(this.#typing);
    this.#chosen = person;
    this.#name.value = person.name;
    this.#hint.textContent = `The face is added to ${person.name}, who is enrolled already.`;
    this.#showOptions([]);
  }

  async #enrol() {
    const event = this.#event;
    if (!event) return;
    const name = this.#name.value.trim();
    if (!name) {
      this.#name.focus();
      return this.#fail("Type a name, or choose somebody from the list.");
    }
    clearTimeout(this.#typing);
    this.#showOptions([]);
    this.#setBusy(true);
    try {
      const body = this.#chosen ? { person: this.#chosen.id } : { name };
      /** @type {EnrolAnswer} */
      const { person } = await api(`events/${event.id}/enrol`, { method: "POST", body });
      this.#dialog.close();
      toast(`${person.name} is enrolled and will be recognised.`);
      this.#onEnrolled(event);
    } catch (error) {
      this.#fail(messageOf(error));
    } finally {
      this.#setBusy(false);
    }
  }

  /** @param {string} text */
  #fail(text) {
    this.#error.textContent = text;
    this.#error.hidden = false;
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.#save.disabled = isBusy;
    this.#save.textContent = isBusy ? "Saving…" : "Save";
  }
}

/** @param {Visit} event */
function faceOf(event) {
  return event.face_url ? element("img", { src: event.face_url, alt: "" }) : icon(ICONS.person);
}
