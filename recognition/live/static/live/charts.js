/** How a camera did over time, as small charts, and the newest delays as a table. */

import { api, messageOf, query } from "../web/api.js";
import { byId, element, inside, toast } from "../web/element.js";
import { niceTop, shape, words } from "../web/svg.js";

/** @import { CameraMinute, Page } from "../web/types.js" */
/** @typedef {{at: number, value: number}} Point */
/** Times in milliseconds; the width in pixels. @typedef {{from: number, until: number, width: number}} Span */
/**
 * @typedef {object} Series
 * @property {string} name
 * @property {Point[]} points
 */

const AGAIN_MS = 60_000;
const MOST_PAGES = 25;
const PAGE = 500;
const HEIGHT = 120;
/** Room for the scale. */
const LEFT = 44;
const BOTTOM = 20;
/** A longer pause is a gap in the line. */
const GAP_MS = 150_000;
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit" });
/** @type {Record<string, string>} In the order of their work. */
const STAGES = { total: "Total", queue: "Waiting in the queue", decode: "Decoding", detect: "Finding faces", align: "Cutting faces out", embed: "Embedding", search: "Searching" };

export class MinuteCharts {
  #path;
  #hours = byId("hours", HTMLSelectElement);
  #stage = byId("stage-of-delay", HTMLSelectElement);
  #charts = byId("charts", HTMLElement);
  #table = byId("stages", HTMLTableElement);
  #empty = byId("figures-empty", HTMLElement);
  /** @type {CameraMinute[]} Oldest first. */
  #minutes = [];
  #loads = 0;
  #width = 0;

  /** @param {string} path Of the API. */
  constructor(path) {
    this.#path = path;
    this.#stage.append(...Object.entries(STAGES).map(([stage, words]) => element("option", { value: stage }, words)));
    this.#hours.addEventListener("change", () => this.#load());
    this.#stage.addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#charts.clientWidth !== this.#width && this.#draw()).observe(this.#charts);
  }

  start() {
    this.#load();
    setInterval(() => document.hidden || this.#load(), AGAIN_MS);
  }

  async #load() {
    const mine = (this.#loads += 1);
    const since = new Date(Date.now() - Number(this.#hours.value) * 3_600_000);
    try {
      const minutes = await minutesSince(this.#path, since);
      if (mine !== this.#loads) return;
      this.#minutes = minutes;
      this.#draw();
    } catch (error) {
      toast(messageOf(error), { bad: true });
    }
  }

  #draw() {
    const minutes = this.#minutes;
    this.#empty.hidden = minutes.length > 0;
    this.#table.hidden = !minutes.length;
    this.#charts.replaceChildren();
    if (!minutes.length) return;
    const stage = this.#stage.value;
    const words = STAGES[stage].toLowerCase();
    const until = Date.now();
    this.#width = this.#charts.clientWidth;
    const span = { from: until - Number(this.#hours.value) * 3_600_000, until, width: this.#width };
    this.#charts.append(
      figure("Frames a second", "", [series("answered", minutes, ({ fps }) => fps)], span),
      figure("Dropped frames a minute", "", [series("dropped", minutes, ({ dropped }) => dropped)], span),
      figure(`Delay, ${words}`, " ms", [
        series("95 of 100 frames", minutes, ({ timing_ms }) => timing_ms[stage]?.p95),
        series("half of the frames", minutes, ({ timing_ms }) => timing_ms[stage]?.p50),
      ], span),
    );
    this.#fillTable(/** @type {CameraMinute} */ (minutes.at(-1)));
  }

  /** @param {CameraMinute} minute */
  #fillTable({ timing_ms }) {
    const known = Object.entries(STAGES).filter(([stage]) => timing_ms[stage]);
    inside(this.#table, "tbody", HTMLElement).replaceChildren(...known.map(([stage, words]) =>
      element("tr", {}, element("th", { scope: "row" }, words), element("td", {}, timing_ms[stage].p50.toFixed(1)), element("td", {}, timing_ms[stage].p95.toFixed(1)))));
  }
}

/** Oldest first. @param {string} path @param {Date} since @returns {Promise<CameraMinute[]>} */
async function minutesSince(path, since) {
  const found = [];
  let address = path + query({ since: since.toISOString(), page_size: PAGE });
  for (let page = 0; page < MOST_PAGES && address; page += 1) {
    /** @type {Page<CameraMinute>} */
    const { results, next } = await api(address);
    found.push(...results);
    address = next ? path + new URL(next).search : "";
  }
  return found.reverse();
}

/**
 * @param {string} name
 * @param {CameraMinute[]} minutes
 * @param {(minute: CameraMinute) => number | undefined} valueOf
 * @returns {Series}
 */
function series(name, minutes, valueOf) {
  const points = minutes.flatMap((minute) => {
    const value = valueOf(minute);
    return value === undefined ? [] : [{ at: Date.parse(minute.at), value }];
  });
  return { name, points };
}

/**
 * @param {string} title
 * @param {string} unit
 * @param {Series[]} all
 * @param {Span} span
 */
function figure(title, unit, all, span) {
  const told = all.map(({ name, points }) => `${all.length > 1 ? `${name} ` : ""}${round(points.at(-1)?.value ?? 0)}${unit}`);
  const most = Math.max(...all.flatMap(({ points }) => points.map(({ value }) => value)), 0);
  const top = niceTop(most);
  const caption = element("figcaption", {}, element("b", {}, title), ` now ${told.join(", ")}; at most ${round(most)}${unit}`);
  return element("figure", { class: "chart" }, caption, chart(all, span, top));
}

/** @param {Series[]} all @param {Span} span @param {number} top Of the scale. */
function chart(all, { from, until, width }, top) {
  const svg = shape("svg", { width, height: HEIGHT, "aria-hidden": "true" });
  /** @param {number} at */
  const x = (at) => LEFT + ((at - from) / (until - from)) * (width - LEFT - 6);
  /** @param {number} value */
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - 8);
  for (const part of [0, 0.5, 1]) {
    svg.append(shape("line", { class: "chart-grid", x1: LEFT, x2: width - 6, y1: y(top * part), y2: y(top * part) }));
    svg.append(words(LEFT - 6, y(top * part) + 4, round(top * part), "end"));
  }
  const format = until - from > 25 * 3_600_000 ? DAY : TIME;
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const at = from + (until - from) * part;
    svg.append(words(x(at), HEIGHT - 4, format.format(at), part === 0 ? "start" : part === 1 ? "end" : "middle"));
  }
  all.forEach(({ points }, index) => svg.append(shape("path", { class: `chart-line chart-line-${index}`, d: line(points, x, y) })));
  return svg;
}

/**
 * @param {Point[]} points
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
function line(points, x, y) {
  return points.map(({ at, value }, index) => {
    const isApart = index === 0 || at - points[index - 1].at > GAP_MS;
    // A point alone is still seen: a line of no length with a round end.
    return `${isApart ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}${isApart ? "h.1" : ""}`;
  }).join("");
}

/** @param {number} value */
function round(value) {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}
