// Photos in the admin. Dropped or chosen photos are sent at once, and the answer is shown on the same
// page, so that the user can choose a face of a photo. Without this script, the form's button sends.

import { messageOf } from "../web/api.js";
import { element, inside } from "../web/element.js";
import { EnrolDialog, enrolPhoto, faceCrop, moveImage } from "./enrol.js";

/** @import { Box } from "../web/types.js" */

const dialog = document.getElementById("enrol") && new EnrolDialog();

/** @param {string} selector @returns {NodeListOf<HTMLFormElement>} */
const forms = (selector) => document.querySelectorAll(selector);

for (const form of forms("form.fr-drop")) {
  const input = inside(form, "input[type=file]", HTMLInputElement);
  const state = inside(form, ".fr-drop-state", HTMLElement);
  const most = Number(form.dataset.mostPhotos);
  const mostBytes = Number(form.dataset.mostMb) * 2 ** 20;

  /** @param {string} text */
  function say(text, isWrong = false) {
    state.textContent = text;
    state.hidden = false;
    form.classList.toggle("fr-drop-wrong", isWrong);
  }

  async function send() {
    const files = [...(input.files ?? [])];
    if (!files.length) return;
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > most || bytes > mostBytes) {
      say(`This is too much at once: at most ${most} photos and ${form.dataset.mostMb} MB.`, true);
      input.value = "";
      return;
    }
    say(files.length === 1 ? "Looking at the photo…" : `Looking at ${files.length} photos…`);
    form.classList.add("fr-drop-busy");
    try {
      showReport(await post(form), form, files);
      state.hidden = true;
    } catch (error) {
      say(messageOf(error), true);
    }
    form.classList.remove("fr-drop-busy");
    input.value = "";
  }

  form.classList.add("fr-drop-live");
  input.addEventListener("change", send);
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("fr-drop-over");
  });
  for (const name of ["dragleave", "drop"]) {
    form.addEventListener(name, () => form.classList.remove("fr-drop-over"));
  }
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer) input.files = event.dataTransfer.files;
    send();
  });
  void send(); // photos that were chosen while this script was on its way
}

for (const form of forms("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) event.preventDefault();
  });
}

/** @type {NodeListOf<HTMLElement>} */
const movable = document.querySelectorAll(".fr-photo-move");
for (const button of movable) {
  const tile = /** @type {HTMLElement} */ (button.parentElement);
  const { collection = "" } = inside(document, "form.fr-drop", HTMLFormElement).dataset;
  button.addEventListener("click", () => dialog?.open({
    title: "Whose photo is this?",
    collection,
    picture: inside(tile, "img", HTMLImageElement).cloneNode(),
    save: moveImage(button.dataset.image ?? ""),
    done: () => location.reload(),
  }));
}

/**
 * The part of the answered page with the result of each photo.
 *
 * @param {HTMLFormElement} form
 */
async function post(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const report = page.getElementById("report");
  if (!report) throw new Error(page.querySelector("h1")?.textContent ?? `The server answered with status ${answer.status}.`);
  return report;
}

/** @param {HTMLElement} report @param {HTMLFormElement} form @param {File[]} files */
function showReport(report, form, files) {
  document.getElementById("report")?.replaceWith(report);
  /** @type {NodeListOf<HTMLElement>} */
  const previews = report.querySelectorAll("[data-faces]");
  for (const preview of previews) offerFaces(preview, form, files[Number(preview.dataset.file)]);
  report.scrollIntoView({ block: "nearest" });
}

/**
 * A button on each face of a photo that shows several people.
 *
 * @param {HTMLElement} preview
 * @param {HTMLFormElement} form
 * @param {File} file
 */
function offerFaces(preview, form, file) {
  const row = /** @type {HTMLElement} */ (preview.closest("li"));
  const { person = "", name = "", collection = "" } = form.dataset;
  const [width, height] = (preview.dataset.size ?? "").split(",").map(Number);
  inside(row, ".fr-report-text", HTMLElement).textContent = `Several people: click the face of ${name}.`;
  for (const text of (preview.dataset.faces ?? "").split(" ")) {
    const box = /** @type {Box} */ (text.split(",").map(Number));
    const choose = async () => {
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      dialog?.open({
        collection,
        picture: faceCrop(bitmap, box, 224),
        person: { id: person, name },
        save: enrolPhoto(file, box, collection),
        done: (who) => {
          row.className = "fr-ok";
          inside(row, ".fr-report-title", HTMLElement).textContent = "Added";
          inside(row, ".fr-report-text", HTMLElement).textContent = `The face is enrolled as ${who}.`;
        },
      });
    };
    const button = element("button", { class: "fr-choose", type: "button", "aria-label": "Choose this face", onclick: choose });
    button.style.left = `${(box[0] / width) * 100}%`;
    button.style.top = `${(box[1] / height) * 100}%`;
    button.style.width = `${(box[2] / width) * 100}%`;
    button.style.height = `${(box[3] / height) * 100}%`;
    preview.append(button);
  }
}
