/** The page of an event: the box on the frame, the dialog to enrol the face, and keyboard keys. */

import { EnrolDialog, enrolVisit } from "../people/enrol.js";
import { element, inside } from "../web/element.js";

const review = inside(document, ".fr-review", HTMLElement);
const enrol = document.getElementById("enrol-event");

if (enrol) {
  const dialog = new EnrolDialog();
  enrol.addEventListener("click", () => dialog.open({
    collection: review.dataset.collection ?? null,
    picture: inside(review, "#event-face", HTMLImageElement).cloneNode(),
    save: enrolVisit(review.dataset.event ?? ""),
    done: () => location.reload(),
  }));
}

/** @type {NodeListOf<HTMLElement>} */
const marked = document.querySelectorAll(".fr-marked");
for (const frame of marked) {
  const [left, top, width, height] = (frame.dataset.box ?? "").split(",").map((part) => `${Number(part) * 100}%`);
  if (!height) continue; // not stored by older versions
  const mark = element("span", { class: "fr-mark" });
  Object.assign(mark.style, { left, top, width, height });
  frame.append(mark);
}

addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select, dialog[open]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  /** @type {HTMLElement | null} */
  const button = review.querySelector(`[aria-keyshortcuts="${event.key.length === 1 ? event.key.toLowerCase() : event.key}"]`);
  button?.click();
});
