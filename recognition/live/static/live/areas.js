/**
 * The areas of a camera, drawn on its picture: those where faces count, and those where they do
 * not. Points are moved with a mouse, a finger or the arrow keys; a point between two others is
 * made by pulling at the line between them.
 */

import { messageOf } from "../web/api.js";
import { byId, inside, toast } from "../web/element.js";
import { fit } from "./drawing.js";

/** @import { Areas, Camera, Size } from "../web/types.js" */
/** @typedef {"watch" | "ignore"} Kind */
/** @typedef {[number, number]} Point Each 0 to 1 of the picture. */
/** @typedef {{kind: Kind, points: Point[]}} Area */
/** What is chosen: an area, or one of its points. @typedef {{area: number, point: number | null}} Chosen */

const SVG = "http://www.w3.org/2000/svg";
const MOST_AREAS = 16;
const MOST_POINTS = 64;
const STEP = 0.01;
const LARGE_STEP = 0.05;
const MOST_UNDONE = 100;
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Record<Kind, string>} */
const NAMES = { watch: "Watched", ignore: "Ignored" };
/** @type {Point[]} */
const NEW_AREA = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];

export class AreaEditor {
  #view;
  #save;
  #mayEdit;
  #svg = shape("svg", { class: "areas" });
  #tools = byId("area-tools", HTMLElement);
  #words = byId("area-words", HTMLElement);
  /** @type {Size} */
  #size = [4, 3];
  /** @type {Area[]} */
  #areas;
  #saved = "";
  /** @type {string[]} States before each change. */
  #before = [];
  /** @type {Chosen | null} */
  #chosen = null;
  /** @type {{from: Point, points: Point[], isMoved: boolean} | null} */
  #pull = null;

  /**
   * @param {HTMLElement} view Of the stage; the picture is fitted into it.
   * @param {Areas} areas
   * @param {{mayEdit: boolean, save(areas: Areas): Promise<Camera & {areas: Areas}>}} options
   */
  constructor(view, areas, { mayEdit, save }) {
    this.#view = view;
    this.#mayEdit = mayEdit;
    this.#save = save;
    this.#areas = listOf(areas);
    this.#saved = JSON.stringify(this.#areas);
    view.append(this.#svg);
    new ResizeObserver(() => this.#draw()).observe(view);
    if (mayEdit) this.#listen();
    this.#follow();
  }

  /** The picture has this size. @param {Size} size */
  setSize(size) {
    if (String(size) === String(this.#size)) return;
    this.#size = size;
    this.#draw();
  }

  #listen() {
    this.#svg.addEventListener("pointerdown", (event) => this.#pressed(event));
    this.#svg.addEventListener("pointermove", (event) => this.#pulled(event));
    for (const end of ["pointerup", "pointercancel"]) this.#svg.addEventListener(end, () => this.#released());
    this.#svg.addEventListener("focusin", ({ target }) => this.#choose(target));
    this.#svg.addEventListener("keydown", (event) => this.#typed(event));
    for (const button of this.#tools.querySelectorAll("[data-add]")) {
      button.addEventListener("click", () => this.#add(/** @type {HTMLElement} */ (button).dataset.add === "watch" ? "watch" : "ignore"));
    }
    this.#tool("remove").addEventListener("click", () => this.#remove());
    this.#tool("undo").addEventListener("click", () => this.#undo());
    this.#tool("save").addEventListener("click", () => this.#store());
    addEventListener("beforeunload", (event) => {
      if (this.#isChanged) event.preventDefault();
    });
  }

  /** @param {string} name */
  #tool(name) {
    return inside(this.#tools, `[data-${name}]`, HTMLButtonElement);
  }

  get #isChanged() {
    return JSON.stringify(this.#areas) !== this.#saved;
  }

  /* Changes */

  /** Keep the state before a change, for Undo. */
  #keep() {
    this.#before.push(JSON.stringify(this.#areas));
    if (this.#before.length > MOST_UNDONE) this.#before.shift();
  }

  /** @param {Kind} kind */
  #add(kind) {
    if (this.#areas.length >= MOST_AREAS) return toast(`${MOST_AREAS} areas at most`, { bad: true });
    this.#keep();
    this.#areas.push({ kind, points: structuredClone(NEW_AREA) });
    this.#changed({ area: this.#areas.length - 1, point: 0 });
  }

  /** The chosen point; with the last three points, or without a point, the area. */
  #remove() {
    if (!this.#chosen) return;
    const { area, point } = this.#chosen;
    this.#keep();
    const { points } = this.#areas[area];
    if (point === null || points.length <= 3) {
      this.#areas.splice(area, 1);
      this.#changed(null);
      this.#tool("undo").focus();
    } else {
      points.splice(point, 1);
      this.#changed({ area, point: Math.min(point, points.length - 1) });
    }
  }

  #undo() {
    const before = this.#before.pop();
    if (before === undefined) return;
    this.#areas = JSON.parse(before);
    this.#changed(null);
  }

  async #store() {
    try {
      const { areas } = await this.#save(payloadOf(this.#areas));
      this.#areas = listOf(areas);
      this.#saved = JSON.stringify(this.#areas);
      this.#before = [];
      this.#changed(null);
      toast("Saved; in force within seconds");
    } catch (error) {
      toast(messageOf(error), { bad: true });
    }
  }

  /** Move the chosen point or area. @param {Point} by @param {Point[]} from The points before. */
  #move([dx, dy], from) {
    if (!this.#chosen) return;
    const { area, point } = this.#chosen;
    const moved = from.map((one, index) => (point === null || point === index ? one : null));
    // An area keeps its form at the edge of the picture.
    const all = /** @type {Point[]} */ (moved.filter(Boolean));
    const x = within(dx, all.map(([x]) => x));
    const y = within(dy, all.map(([, y]) => y));
    this.#areas[area].points = from.map((one, index) => (moved[index] ? [round(one[0] + x), round(one[1] + y)] : one));
    this.#draw();
  }

  /** @param {Chosen | null} chosen */
  #changed(chosen) {
    this.#chosen = chosen;
    this.#draw();
    if (chosen) this.#focus();
    this.#follow();
  }

  /** What the buttons and the words say. */
  #follow() {
    this.#tool("remove").disabled = this.#chosen === null;
    this.#tool("undo").disabled = !this.#before.length;
    this.#tool("save").disabled = !this.#isChanged;
    const watched = this.#areas.filter(({ kind }) => kind === "watch").length;
    const where = watched ? "Faces count inside of the watched areas" : "Faces count everywhere";
    const but = this.#areas.length > watched ? ", but not in the ignored ones." : ".";
    const how = this.#mayEdit && this.#areas.length ? " Pull a point, or a line to make a new one; arrow keys move, Delete removes." : "";
    const words = where + but + how;
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }

  /* Mouse, finger and keys */

  /** @param {EventTarget | null} target @returns {Chosen | null} */
  #chosenAt(target) {
    if (!(target instanceof SVGElement) || target.dataset.area === undefined) return null;
    return { area: Number(target.dataset.area), point: target.dataset.point === undefined ? null : Number(target.dataset.point) };
  }

  /** @param {EventTarget | null} target */
  #choose(target) {
    const chosen = this.#chosenAt(target);
    if (!chosen) return;
    this.#chosen = chosen;
    this.#follow();
  }

  /** @param {PointerEvent} event */
  #pressed(event) {
    const chosen = this.#chosenAt(event.target);
    if (!chosen) return;
    event.preventDefault();
    const { area } = chosen;
    const at = this.#pointAt(event);
    const line = /** @type {SVGElement} */ (event.target).dataset.line;
    this.#keep();
    if (line !== undefined && this.#areas[area].points.length < MOST_POINTS) {
      chosen.point = Number(line) + 1;
      this.#areas[area].points.splice(chosen.point, 0, at);
    }
    this.#pull = { from: at, points: structuredClone(this.#areas[area].points), isMoved: line !== undefined };
    this.#chosen = chosen;
    this.#svg.setPointerCapture(event.pointerId);
    this.#draw();
    this.#focus();
  }

  /** @param {PointerEvent} event */
  #pulled(event) {
    if (!this.#pull) return;
    const [x, y] = this.#pointAt(event);
    const { from, points } = this.#pull;
    this.#pull.isMoved ||= Math.abs(x - from[0]) + Math.abs(y - from[1]) > 0.002;
    if (this.#pull.isMoved) this.#move([x - from[0], y - from[1]], points);
  }

  #released() {
    if (!this.#pull) return;
    if (!this.#pull.isMoved) this.#before.pop();
    this.#pull = null;
    this.#focus();
    this.#follow();
  }

  /** @param {KeyboardEvent} event */
  #typed(event) {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return this.#undo();
    }
    if (!this.#chosen) return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      return this.#remove();
    }
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const step = event.shiftKey ? LARGE_STEP : STEP;
    if (!event.repeat) this.#keep();
    this.#move([arrow[0] * step, arrow[1] * step], this.#areas[this.#chosen.area].points);
    this.#follow();
  }

  /** @param {PointerEvent} event @returns {Point} */
  #pointAt(event) {
    const bounds = this.#svg.getBoundingClientRect();
    const { scale, left, top } = this.#place();
    const [width, height] = this.#size;
    const x = (event.clientX - bounds.left - left) / (width * scale);
    const y = (event.clientY - bounds.top - top) / (height * scale);
    return [round(Math.min(1, Math.max(0, x))), round(Math.min(1, Math.max(0, y)))];
  }

  /* Drawing */

  #place() {
    return fit(this.#size, this.#view.clientWidth, this.#view.clientHeight);
  }

  #focus() {
    if (!this.#chosen) return;
    const { area, point } = this.#chosen;
    const node = this.#svg.querySelector(`[data-area="${area}"]${point === null ? "polygon" : `[data-point="${point}"]`}`);
    if (node instanceof SVGElement) node.focus({ preventScroll: true });
  }

  #draw() {
    const { scale, left, top } = this.#place();
    const [width, height] = this.#size;
    /** @param {Point} point @returns {Point} */
    const onScreen = ([x, y]) => [left + x * width * scale, top + y * height * scale];
    const shapes = this.#areas.flatMap(({ kind, points }, area) => this.#shapesOf(kind, points.map(onScreen), area));
    const hasFocus = this.#svg.contains(document.activeElement);
    this.#svg.replaceChildren(hatching(), ...shapes);
    if (hasFocus) this.#focus();
  }

  /** @param {Kind} kind @param {Point[]} points On the screen. @param {number} area */
  #shapesOf(kind, points, area) {
    const name = `${NAMES[kind]} area ${area + 1}`;
    const place = { "data-area": area };
    /** @type {Record<string, string | number>} */
    const role = this.#mayEdit ? { tabindex: 0, role: "button" } : { role: "img" };
    const polygon = shape("polygon", { ...place, ...role, class: `area area-${kind}`, points: points.join(" "), "aria-label": name });
    const title = shape("text", { class: "area-name", x: points[0][0] + 8, y: points[0][1] + 18 });
    title.textContent = NAMES[kind];
    if (!this.#mayEdit) return [polygon, title];
    const lines = points.map(([x1, y1], line) => {
      const [x2, y2] = points[(line + 1) % points.length];
      return shape("line", { ...place, class: "area-line", x1, y1, x2, y2, "data-line": line });
    });
    const handles = points.map(([cx, cy], point) => shape("circle", {
      ...place, ...role, class: `area-point area-point-${kind}`, cx, cy, r: 8, "data-point": point, "aria-label": `${name}, point ${point + 1} of ${points.length}`,
    }));
    return [polygon, title, ...lines, ...handles];
  }
}

/** Ignored areas are hatched, so that they differ not by their colour alone. */
function hatching() {
  const defs = shape("defs", {});
  const pattern = shape("pattern", { id: "hatching", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(shape("rect", { class: "hatching-ground", width: 8, height: 8 }), shape("rect", { class: "hatching-line", width: 3, height: 8 }));
  defs.append(pattern);
  return defs;
}

/** A step that keeps all of these from 0 to 1. @param {number} by @param {number[]} values */
function within(by, values) {
  return Math.min(Math.max(by, -Math.min(...values)), 1 - Math.max(...values));
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 1e4) / 1e4;
}

/** @param {Areas} areas @returns {Area[]} */
function listOf({ watch, ignore }) {
  return [.../** @type {Area[]} */ (watch.map((points) => ({ kind: "watch", points }))), .../** @type {Area[]} */ (ignore.map((points) => ({ kind: "ignore", points })))];
}

/** @param {Area[]} areas @returns {Areas} */
function payloadOf(areas) {
  /** @param {Kind} kind */
  const of = (kind) => areas.filter((area) => area.kind === kind).map(({ points }) => points);
  return { watch: of("watch"), ignore: of("ignore") };
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function shape(tag, attributes) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
