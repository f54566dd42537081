/** Buttons that copy a text from the page. */

import { copyText } from "../web/element.js";

/** @type {NodeListOf<HTMLElement>} */
const buttons = document.querySelectorAll("[data-copy]");
for (const button of buttons) {
  const source = document.getElementById(button.dataset.copy ?? "");
  if (source) button.addEventListener("click", () => copyText(source));
}
