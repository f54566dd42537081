/** Visits beside the picture: one card for each event, changed in place while the visit lasts. */

import { api, messageOf, query } from "../web/api.js";
import { ICONS, byId, element, icon, inside } from "../web/element.js";
import { labelChips, lasted, nameOf, score, scoreLine, timeLine } from "./scores.js";
import { ReconnectingSocket, UNAVAILABLE } from "../web/socket.js";
import { Unseen } from "./unseen.js";

/** @import { Collection, FeedMessage, Page, Visit, VisitChange } from "../web/types.js" */
/**
 * Which visits are shown.
 *
 * @typedef {object} Choice
 * @property {Record<string, string | null>} query For `GET events`.
 * @property {boolean} isOn Are there visits that it leaves out?
 * @property {(visit: Visit) => boolean} accepts
 * @property {(visit: Visit) => void} learn Called for each visit.
 * @property {() => void} onChange To be set: called when another choice was made.
 */
/**
 * @typedef {object} Card
 * @property {HTMLElement} node
 * @property {Visit} event
 * @property {string} picture Address of the face that is shown; empty: none.
 * @property {HTMLElement} face
 * @property {HTMLElement} name
 * @property {HTMLElement} labels
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} scores
 * @property {HTMLElement} when
 */

const MOST_CARDS = 60;

export class Feed {
  #list = byId("feed", HTMLElement);
  #empty = byId("feed-empty", HTMLElement);
  #state = byId("feed-state", HTMLElement);
  /** @type {Map<string, Card>} By the event's id. */
  #cards = new Map();
  /** @type {Map<string, string>} Names by id, if there are several. */
  #collections = new Map();
  #canEnrol;
  #onEnrol;
  #filters;
  #unseen = new Unseen(this.#list);
  #loads = 0; // an answer to the choice before is late
  #socket = new ReconnectingSocket("/ws/events/", {
    // Each time: what happened while the line was down is in the list.
    open: () => this.#load(),
    message: (data) => {
      /** @type {FeedMessage} */
      const message = JSON.parse(data);
      if (message.type === "event") this.hear(message.event);
    },
    lost: (code) => this.#say(code === UNAVAILABLE ? "live notices are away; trying again…" : "reconnecting…"),
    refused: ({ text }) => this.#say(text),
  });

  /** @param {{canEnrol(event: Visit): boolean, onEnrol(event: Visit): void, filters: Choice}} on */
  constructor({ canEnrol, onEnrol, filters }) {
    this.#canEnrol = canEnrol;
    this.#onEnrol = onEnrol;
    this.#filters = filters;
    filters.onChange = () => this.#choose();
  }

  /**
   * Load what was, and follow what comes.
   *
   * @param {string} user Who looks; of a page of its own, with its name.
   * @param {Collection[]} collections Named on cards if there are several.
   */
  start(user, collections) {
    this.#unseen.start(user);
    if (collections.length > 1) this.#collections = new Map(collections.map(({ id, name }) => [id, name]));
    this.#socket.open();
  }

  /** @param {string} id */
  eventOf(id) {
    return this.#cards.get(id)?.event;
  }

  /**
   * Add an event, or change its card. isOld: from a list, not to overwrite what came since.
   *
   * @param {Visit} event
   * @param {{isOld?: boolean}} [options]
   */
  put(event, { isOld = false } = {}) {
    this.#filters.learn(event);
    this.#unseen.hear(event.id, event.started_at, isOld);
    if (!this.#filters.accepts(event)) return this.#drop(event.id);
    const card = this.#cards.get(event.id);
    if (card && isOld && card.event.ended_at > event.ended_at) return;
    if (card) this.#fill(card, event);
    else this.#insert(event, isOld);
    this.#showEmpty();
  }

  /** @param {VisitChange | FeedMessage["event"]} event */
  hear(event) {
    if (event.kind === "deleted") this.#drop(event.id);
    else this.put(event);
  }

  /** @param {string} id */
  #drop(id) {
    this.#cards.get(id)?.node.remove();
    this.#cards.delete(id);
    this.#unseen.place();
    this.#showEmpty();
  }

  #showEmpty() {
    this.#empty.hidden = this.#cards.size > 0;
    const words = inside(this.#empty, "p", HTMLElement);
    words.textContent = this.#filters.isOn ? "No visit is like that." : words.dataset.empty ?? "";
  }

  #choose() {
    this.#cards.clear();
    this.#list.replaceChildren();
    this.#load();
  }

  async #load() {
    const mine = (this.#loads += 1);
    try {
      /** @type {Page<Visit>} */
      const { results } = await api(`events${query({ page_size: MOST_CARDS, ...this.#filters.query })}`);
      if (mine !== this.#loads) return;
      // A server whose notices are away opens the socket only to say so.
      if (this.#socket.isOpen) this.#say("");
      for (const event of results.reverse()) this.put(event, { isOld: true });
      this.#showEmpty();
    } catch (error) {
      this.#say(messageOf(error));
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#state.textContent = text;
  }

  /** @param {Visit} event @param {boolean} isOld */
  #insert(event, isOld) {
    const card = this.#make(event);
    this.#cards.set(event.id, card);
    this.#fill(card, event);
    if (!isOld) card.node.classList.add("is-new");
    const cards = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".visit")]);
    const later = cards.find((node) => (node.dataset.startedAt ?? "") <= event.started_at);
    this.#list.insertBefore(card.node, later ?? null);
    while (this.#cards.size > MOST_CARDS) {
      const last = /** @type {HTMLElement} */ ([...this.#list.querySelectorAll(".visit")].at(-1));
      this.#cards.delete(last.dataset.event ?? "");
      last.remove();
    }
    this.#unseen.place();
  }

  /**
   * @param {Visit} event
   * @returns {Card}
   */
  #make(event) {
    const href = `${this.#list.dataset.eventUrl}${event.id}/change/`;
    const face = element("div", { class: "visit-face" }, icon(ICONS.person));
    const name = element("a", { href });
    const labels = element("span", { class: "visit-labels" });
    const enrol = () => this.#onEnrol(card.event);
    const button = element("button", { class: "button button-small", type: "button", hidden: true, onclick: enrol }, "Enrol");
    const scores = element("div", { class: "visit-score" });
    const when = element("div", { class: "visit-when" });
    const node = element("li", { class: "visit", "data-event": event.id },
      face, element("div", { class: "visit-name" }, name, labels), button, scores, when);
    const card = { node, event, picture: "", face, name, labels, button, scores, when };
    return card;
  }

  /** @param {Card} card @param {Visit} event */
  #fill(card, event) {
    card.event = event;
    card.node.dataset.decision = event.review === "rejected" ? "unknown" : event.decision;
    card.node.dataset.startedAt = event.started_at;
    card.node.classList.toggle("is-open", event.is_open);
    card.name.textContent = nameOf(event);
    card.labels.replaceChildren(...labelChips(event));
    card.scores.replaceChildren(...scoreWords(event));
    card.when.replaceChildren(...this.#whenLine(event));
    card.button.hidden = !this.#canEnrol(event);
    this.#showFace(card, event);
  }

  /** @param {Visit} event */
  #whenLine(event) {
    const duration = event.is_open ? "here now" : lasted(event.started_at, event.ended_at);
    const collection = this.#collections.get(event.collection);
    const { camera } = event;
    const where = camera ? element("a", { href: `/cameras/${camera.id}/` }, camera.name) : "a browser";
    return [`${timeLine(event.started_at)} · ${duration} · `, where, collection ? ` · ${collection}` : ""];
  }

  /**
   * Each look at a picture is recorded, so it is fetched again only if it must have changed.
   *
   * @param {Card} card
   * @param {Visit} event
   */
  #showFace(card, event) {
    const picture = event.face_url ? `${event.face_url}?of=${event.decision}-${event.is_open}` : "";
    if (picture === card.picture) return;
    card.picture = picture;
    // It was erased with the person.
    if (!picture) return card.face.replaceChildren(icon(ICONS.person));
    const image = element("img", { alt: "", loading: "lazy", decoding: "async", width: 64, height: 64 });
    image.addEventListener("load", () => {
      if (card.picture === picture) card.face.replaceChildren(image);
    }, { once: true });
    image.src = picture;
    if (!card.face.querySelector("img")) card.face.replaceChildren(image);
  }
}

/** @param {Visit} event */
function scoreWords(event) {
  if (event.similarity === null || (event.decision === "match" && event.similarity < event.threshold)) return [scoreLine(event)];
  return [element("b", {}, score(event.similarity)), `, needs ${score(event.threshold)}`];
}
