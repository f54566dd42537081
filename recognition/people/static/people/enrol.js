/** The dialog that gives a face to an enrolled or a new person. All pages use it. */

import { api, messageOf, query } from "../web/api.js";
import { byId, contextOf, element, inside } from "../web/element.js";

/** @import { Box, Named, Page, Person } from "../web/types.js" */
/** @typedef {{person: string} | {name: string}} Who */
/**
 * @typedef {object} Subject
 * @property {string | null} collection Where to look for people; null: everywhere.
 * @property {Node} picture The face.
 * @property {(who: Who) => Promise<unknown>} save Gives the face to a person: see the functions below.
 * @property {(name: string) => void} done Called after it was saved.
 * @property {Named | null} [person] Chosen already.
 * @property {string} [title]
 */

const TYPING_PAUSE_MS = 150;
const MOST_OPTIONS = 6;

/** `save` for the face of a visit. @param {string} event @returns {Subject["save"]} */
export function enrolVisit(event) {
  return (who) => api(`events/${event}/enrol`, { method: "POST", body: who });
}

/**
 * `save` for a face of a photo.
 *
 * @param {File} file
 * @param {Box} box
 * @param {string | null} collection
 * @returns {Subject["save"]}
 */
export function enrolPhoto(file, box, collection) {
  return (who) => {
    const body = new FormData();
    body.append("image", file);
    body.append("face", box.map((length) => length.toFixed(1)).join());
    if (collection) body.append("collection", collection);
    for (const [name, value] of Object.entries(who)) body.append(name, value);
    return api("enrol", { method: "POST", body });
  };
}

/** `save` that moves a stored photo to another person. @param {string} image @returns {Subject["save"]} */
export function moveImage(image) {
  return (who) => api(`images/${image}`, { method: "PATCH", body: who });
}

export class EnrolDialog {
  #dialog = byId("enrol", HTMLDialogElement);
  #title = byId("enrol-title", HTMLElement);
  #face = inside(this.#dialog, ".enrol-face", HTMLElement);
  #name = byId("enrol-name", HTMLInputElement);
  #options = byId("enrol-options", HTMLElement);
  #hint = inside(this.#dialog, ".enrol-hint", HTMLElement);
  #error = inside(this.#dialog, ".notice-bad", HTMLElement);
  #save = inside(this.#dialog, "[data-save]", HTMLButtonElement);
  /** @type {Subject | null} */
  #subject = null;
  /** @type {Person[]} */
  #people = [];
  /** @type {Named | null} */
  #chosen = null; // the person that was picked from the list
  #active = -1;
  /** @type {number | undefined} */
  #typing;

  constructor() {
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

  /** @param {Subject} subject */
  open(subject) {
    this.#subject = subject;
    this.#title.textContent = subject.title ?? "Enrol this face";
    this.#chosen = null;
    this.#name.value = "";
    this.#hint.textContent = "";
    this.#error.hidden = true;
    this.#showOptions([]);
    this.#face.replaceChildren(subject.picture);
    this.#setBusy(false);
    if (subject.person) this.#choose(subject.person);
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
    if (!text || !this.#subject) return this.#showOptions([]);
    try {
      const filter = query({ collection: this.#subject.collection, query: text, page_size: MOST_OPTIONS });
      /** @type {Page<Person>} */
      const { results } = await api(`persons${filter}`);
      if (text !== this.#name.value.trim() || this.#chosen) return;
      this.#showOptions(results);
      const same = results.some((person) => person.name.toLowerCase() === text.toLowerCase());
      this.#hint.textContent = same
        ? "A person with this name exists. Choose this person from the list, or save to add another one with the same name."
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
      // This runs before the field loses the focus, which hides the list.
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

  /** @param {Named} person */
  #choose(person) {
    clearTimeout(this.#typing);
    this.#chosen = person;
    this.#name.value = person.name;
    this.#hint.textContent = `The face is added to ${person.name}, who is already enrolled.`;
    this.#showOptions([]);
  }

  async #enrol() {
    const subject = this.#subject;
    if (!subject) return;
    const name = this.#name.value.trim();
    if (!name) {
      this.#name.focus();
      return this.#fail("Type a name, or choose a person from the list.");
    }
    clearTimeout(this.#typing);
    this.#showOptions([]);
    this.#setBusy(true);
    try {
      await subject.save(this.#chosen ? { person: this.#chosen.id } : { name });
      this.#dialog.close();
      subject.done(name);
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

/**
 * The face alone: a square with a small margin.
 *
 * @param {ImageBitmap | HTMLCanvasElement} picture
 * @param {Box} box In pixels of the picture.
 * @param {number} sidePx Of the result.
 */
export function faceCrop(picture, [x, y, width, height], sidePx) {
  const canvas = element("canvas", { width: sidePx, height: sidePx, class: "crop", role: "img", "aria-label": "The face" });
  const side = Math.max(width, height) * 1.35;
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, x + (width - side) / 2, y + (height - side) / 2, side, side, 0, 0, sidePx, sidePx);
  return canvas;
}
