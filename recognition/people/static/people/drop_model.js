// A model's file that is dropped on the form is chosen, and its name is shown. Without this script the
// browser's own button chooses it.

import { inside } from "../web/element.js";

const form = inside(document, "form.fr-model", HTMLFormElement);
const input = inside(form, "input[type=file]", HTMLInputElement);
const chosen = inside(form, "[data-chosen]", HTMLElement);
const zone = inside(form, ".fr-drop", HTMLElement);

function show() {
  const file = input.files?.[0];
  if (!file) return;
  chosen.textContent = `${file.name}, ${(file.size / 2 ** 20).toFixed(1)} MB`;
  const name = inside(form, "input[name=name]", HTMLInputElement);
  if (!name.value) name.value = file.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "_").slice(0, 64);
}

zone.classList.add("fr-drop-live");
input.addEventListener("change", show);
zone.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("fr-drop-over");
});
for (const name of ["dragleave", "drop"]) {
  zone.addEventListener(name, () => zone.classList.remove("fr-drop-over"));
}
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer) input.files = event.dataTransfer.files;
  show();
});
