/** The line in the list of visits above which those stand that came while nobody looked at the
 * page: in another tab, or before it was opened. */

import { element } from "../web/element.js";

const TITLE = document.title;

export class Unseen {
  #list;
  #key = "";
  #newest = ""; // start of the newest visit that is known
  #seenUntil = ""; // start of the newest one when the page was last looked at
  /** @type {Set<string>} Ids of visits that began since. */
  #missed = new Set();
  #mark = element("li", { class: "feed-mark" }, "New since you looked");

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#left() : this.#back()));
  }

  /** @param {string} user Who looks. */
  start(user) {
    this.#key = `facerec.live.looked:${user}`;
    this.#seenUntil = localStorage.getItem(this.#key) ?? "";
  }

  /**
   * A visit is told of, in the list or not. isOld: it was read from the list of visits.
   *
   * @param {string} id
   * @param {string} startedAt
   * @param {boolean} isOld
   */
  hear(id, startedAt, isOld) {
    const isNewest = startedAt > this.#newest;
    if (isNewest) this.#newest = startedAt;
    if (!document.hidden) return localStorage.setItem(this.#key, this.#newest);
    if (isNewest && !isOld) this.#missed.add(id);
    if (this.#missed.size) document.title = `(${this.#missed.size}) ${TITLE}`;
  }

  /** Put the line where it belongs, or away. */
  place() {
    const cards = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(":scope > :not(.feed-mark)")]);
    const at = cards.findIndex((card) => (card.dataset.startedAt ?? "") <= this.#seenUntil);
    const isNeeded = this.#seenUntil && at !== 0 && cards.length;
    if (!isNeeded) return this.#mark.remove();
    const next = at < 0 ? null : cards[at];
    if (this.#mark.nextElementSibling !== next || !this.#mark.isConnected) this.#list.insertBefore(this.#mark, next);
  }

  #left() {
    this.#seenUntil = this.#newest;
    this.place();
  }

  #back() {
    this.#missed.clear();
    document.title = TITLE;
    if (this.#newest) localStorage.setItem(this.#key, this.#newest);
  }
}
