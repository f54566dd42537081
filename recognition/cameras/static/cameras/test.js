/** The Test button of a camera's form: a picture, or the reason in words, before anything is saved. */

import { api, messageOf } from "../web/api.js";
import { element, inside } from "../web/element.js";

/** @import { CameraTest } from "../web/types.js" */

const FIELDS = ["kind", "address", "node", "username", "password"];
// Their stored values are not in the form: empty means as stored.
const HIDDEN = ["username", "password"];

/** @param {HTMLElement} section */
function values(section) {
  /** @type {Record<string, string>} */
  const sent = {};
  for (const name of FIELDS) {
    const field = document.getElementById(`id_${name}`);
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) continue;
    if (field.value || !HIDDEN.includes(name)) sent[name] = field.value;
  }
  const forgets = document.getElementById("id_forgets_login");
  if (forgets instanceof HTMLInputElement && forgets.checked) {
    for (const name of HIDDEN) sent[name] ??= "";
  }
  if (section.dataset.camera) sent.camera = section.dataset.camera;
  return sent;
}

/** @param {CameraTest} answer */
function words({ is_playable, message, size, took_ms }) {
  if (!is_playable) return message;
  return `${size?.join(" x ")} pixels, the first picture after ${(took_ms / 1000).toFixed(1)} s.`;
}

const section = document.getElementById("camera-test");
if (section) {
  const button = inside(section, "button", HTMLButtonElement);
  const state = inside(section, "[role=status]", HTMLElement);
  button.addEventListener("click", async () => {
    button.disabled = true;
    section.querySelector("img")?.remove();
    state.textContent = "Looking at the camera…";
    try {
      /** @type {CameraTest} */
      const answer = await api("cameras/test", { method: "POST", body: values(section) });
      state.textContent = words(answer);
      if (answer.picture) {
        section.append(element("img", { src: `data:image/jpeg;base64,${answer.picture}`, alt: "The camera's picture" }));
      }
    } catch (error) {
      state.textContent = messageOf(error);
    }
    button.disabled = false;
  });
}
