// Photos in the admin: dropped or chosen, they are sent at once. Without this, the form's button
// sends what was chosen.

import { inside } from "../web/element.js";

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

  function send() {
    const files = [...(input.files ?? [])];
    if (!files.length) return;
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > most || bytes > mostBytes) {
      say(`That is too much for one go: at most ${most} photos and ${form.dataset.mostMb} MB.`, true);
      input.value = "";
      return;
    }
    say(files.length === 1 ? "Looking at the photo…" : `Looking at ${files.length} photos…`);
    form.classList.add("fr-drop-busy");
    form.submit();
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
}

for (const form of forms("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) event.preventDefault();
  });
}

// Back from the next page, a form must not look busy.
window.addEventListener("pageshow", () => {
  for (const form of forms(".fr-drop-busy")) {
    form.classList.remove("fr-drop-busy");
    inside(form, "input[type=file]", HTMLInputElement).value = "";
    inside(form, ".fr-drop-state", HTMLElement).hidden = true;
  }
});
