/** The dialog that gives a face a name: a new one, or somebody who is enrolled already. */

import { api, query } from "../web/api.js";
import { ICONS, element, icon, toast } from "../web/element.js";

const TYPING_PAUSE_MS = 150;
const MOST_OPTIONS = 6;

export class EnrolDialog {
  #dialog = document.getElementById("enrol");
  #face = this.#dialog.querySelector(".enrol-face");
  #name = document.getElementById("enrol-name");
  #options = document.getElementById("enrol-options");
  #hint = this.#dialog.querySelector(".enrol-hint");
  #error = this.#dialog.querySelector(".notice-bad");
  #save = this.#dialog.querySelector("[data-save]");
  #event = null; // {id, collection}
  #people = [];
  #chosen = null; // the person that was picked from the list
  #active = -1;
  #typing = 0;
  #onEnrolled;

  constructor({ onEnrolled }) {
    this.#onEnrolled = onEnrolled;
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
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

  /** `event`: at least {id, collection, face_url}; `picture`: a canvas to show instead of its face. */
  open(event, picture = null) {
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
    if (!text) return this.#showOptions([]);
    try {
      const filter = query({ collection: this.#event.collection, query: text, page_size: MOST_OPTIONS });
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

  #showOptions(people) {
    this.#people = people;
    this.#active = -1;
    this.#options.replaceChildren(...people.map((person, index) => this.#option(person, index)));
    this.#options.hidden = !people.length;
    this.#name.setAttribute("aria-expanded", String(people.length > 0));
    this.#name.removeAttribute("aria-activedescendant");
  }

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

  #activate(index) {
    this.#active = index;
    [...this.#options.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
    this.#options.children[index].scrollIntoView({ block: "nearest" });
    this.#name.setAttribute("aria-activedescendant", `enrol-option-${index}`);
  }

  #choose(person) {
    clearTimeout(this.#typing);
    this.#chosen = person;
    this.#name.value = person.name;
    this.#hint.textContent = `The face is added to ${person.name}, who is enrolled already.`;
    this.#showOptions([]);
  }

  async #enrol() {
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
      const { person } = await api(`events/${this.#event.id}/enrol`, { method: "POST", body });
      this.#dialog.close();
      toast(`${person.name} is enrolled and will be recognised.`);
      this.#onEnrolled(this.#event, person);
    } catch (error) {
      this.#fail(error.message);
    } finally {
      this.#setBusy(false);
    }
  }

  #fail(text) {
    this.#error.textContent = text;
    this.#error.hidden = false;
  }

  #setBusy(isBusy) {
    this.#save.disabled = isBusy;
    this.#save.textContent = isBusy ? "Saving…" : "Save";
  }
}

function faceOf(event) {
  return event.face_url ? element("img", { src: event.face_url, alt: "" }) : icon(ICONS.person);
}
