/** The page of an event: the box on the frame, the dialog to enrol the face, keyboard keys, and a clip
 * that comes or becomes playable while the page is open. */

import { EnrolDialog, enrolVisit } from "../people/enrol.js";
import { api } from "../web/api.js";
import { element, inside } from "../web/element.js";
import { ReconnectingSocket } from "../web/socket.js";

/** @import { FeedMessage, Visit } from "../web/types.js" */

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

/** @param {Visit} event Also an old state of it: then the page that is fetched shows nothing new. */
async function showClip({ clip }) {
  const shown = review.querySelector(".fr-clip");
  if (!clip || !(shown instanceof HTMLElement) || shown.dataset.clip === `${clip.state} ${clip.bytes}`) return;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".fr-clip");
  if (fresh) shown.replaceWith(document.adoptNode(fresh));
}

if (review.querySelector(".fr-clip")) {
  const id = review.dataset.event ?? "";
  new ReconnectingSocket("/ws/events/", {
    // Each time: the clip may have come before the connection.
    open: async () => showClip(await api(`events/${id}`)),
    message: (data) => {
      /** @type {FeedMessage} */
      const message = JSON.parse(data);
      if (message.type !== "event" || message.event.kind === "deleted") return;
      if (message.event.id === id) showClip(message.event);
    },
  }).open();
}
