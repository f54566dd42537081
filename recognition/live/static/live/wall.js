/** The wall: 1 to 16 tiles, of which one may be large. Only tiles that somebody can see ask the
 * server for pictures. */

import { byId, inside } from "../web/element.js";
import { Tile } from "./tile.js";

/** @import { Source, TileListeners } from "./tile.js" */

export const MOST_TILES = 16;
/** @type {Record<string, (columns: number) => number>} By how many places a key moves. */
const MOVES = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };

export class Wall {
  #root = byId("wall", HTMLElement);
  #first = inside(this.#root, ".stage", HTMLElement);
  /** @type {Tile[]} */
  #tiles = [];
  /** @type {Tile | null} */
  #large = null;
  #engine = "ok";
  #on;
  #onFront;
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      this.#tiles.find(({ root }) => root === target)?.setOnScreen(isIntersecting);
    }
  });

  /**
   * @param {Omit<TileListeners, "canPick"> & {canPick: TileListeners["canPick"]}} on
   * @param {() => void} onFront Another tile is in front now, or none.
   */
  constructor(on, onFront) {
    this.#on = { ...on, canPick: (/** @type {any} */ face) => this.front !== null && on.canPick(face) };
    this.#onFront = onFront;
    this.#root.addEventListener("click", (event) => this.#clicked(event));
    this.#root.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("visibilitychange", () => this.#tiles.forEach((tile) => tile.resize()));
  }

  /** The tile that has the place for itself: the only one, or the large one. */
  get front() {
    return this.#tiles.length === 1 ? this.#tiles[0] : this.#large;
  }

  get isRunning() {
    return this.#tiles.some(({ isRunning }) => isRunning);
  }

  /** Show these cameras, stopped. @param {Source[]} sources */
  show(sources) {
    for (const tile of this.#tiles) tile.leave();
    this.#observer.disconnect();
    // Copies first: what the first one shows is of the tile before.
    const roots = sources.map((_, index) => (index ? copyOf(this.#first) : this.#first));
    this.#root.replaceChildren(...roots);
    this.#tiles = sources.map((source, index) => new Tile(roots[index], source, this.#on, this.#engine));
    for (const { root, source } of this.#tiles) {
      inside(root, ".stage-name", HTMLElement).textContent = source.name;
      this.#observer.observe(root);
    }
    this.#enlarge(null);
  }

  start() {
    for (const tile of this.#tiles) tile.start();
  }

  stop() {
    for (const tile of this.#tiles) tile.stop();
  }

  /** @param {string} state */
  engineIs(state) {
    this.#engine = state;
    for (const tile of this.#tiles) tile.engineIs(state);
  }

  /** Each tile that is not running says the same. @param {Parameters<Tile["showMessage"]>[0]} message */
  showMessage(message) {
    const isOne = this.#tiles.length === 1;
    for (const tile of this.#tiles) tile.showMessage(isOne ? message : { title: tile.source.name, text: "Stopped" });
  }

  /** @param {Tile | null} tile Null: all are of one size. */
  #enlarge(tile) {
    this.#large = tile;
    const count = this.#tiles.length;
    const isGrid = count > 1 && !tile;
    this.#root.dataset.mode = isGrid ? "grid" : tile ? "large" : "one";
    this.#root.style.setProperty("--columns", `${isGrid ? Math.ceil(Math.sqrt(count)) : 1}`);
    this.#root.style.setProperty("--columns-narrow", `${isGrid && count > 2 ? 2 : 1}`);
    for (const one of this.#tiles) {
      one.root.hidden = tile !== null && one !== tile;
      const name = inside(one.root, ".stage-name", HTMLButtonElement);
      name.hidden = count === 1;
      name.setAttribute("aria-pressed", String(one === tile));
      name.title = tile ? "Back to the wall (Esc)" : "Show it large";
    }
    this.#onFront();
  }

  /** @param {MouseEvent} event */
  #clicked({ target }) {
    const name = target instanceof Element ? target.closest(".stage-name") : null;
    const tile = this.#tiles.find(({ root }) => name && root.contains(name));
    if (tile) this.#enlarge(tile === this.#large ? null : tile);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Escape" && this.#large) {
      const { root } = this.#large;
      this.#enlarge(null);
      return inside(root, ".stage-name", HTMLElement).focus();
    }
    const at = this.#tiles.findIndex(({ root }) => root.contains(document.activeElement));
    if (!(event.key in MOVES) || at < 0 || this.front) return;
    const columns = getComputedStyle(this.#root).gridTemplateColumns.split(" ").length;
    const to = this.#tiles[at + MOVES[event.key](columns)];
    if (!to) return;
    event.preventDefault();
    inside(to.root, ".stage-name", HTMLElement).focus();
  }
}

/** @param {HTMLElement} first */
function copyOf(first) {
  const copy = /** @type {HTMLElement} */ (first.cloneNode(true));
  for (const node of [copy, ...copy.querySelectorAll("[id]")]) node.removeAttribute("id");
  return copy;
}
