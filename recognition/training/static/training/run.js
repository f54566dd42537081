/** Draws the curve of a training run, and follows it while the run is open. */

import { api, messageOf } from "../web/api.js";
import { byId, element, inside } from "../web/element.js";
import { niceTop, shape, words } from "../web/svg.js";

/** @import { CurvePoint, TrainingRun } from "../web/types.js" */
/** @typedef {(point: CurvePoint) => number | null} Value */
/** Of a chart; the first line is solid, the second one dashed. @typedef {{title: string, low: number, high: number, lines: [string, Value][]}} Scale */

const ASK_EVERY_MS = 2000;
const WIDTH = 420;
const HEIGHT = 200;
const LEFT = 44;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 24;

const curves = byId("curves", HTMLElement);

/** @param {TrainingRun} run */
function show(run) {
  for (const name of /** @type {const} */ (["people", "pictures", "step", "steps"])) {
    byId(name, HTMLElement).textContent = run[name].toLocaleString("en");
  }
  const { curve } = run;
  byId("curve-empty", HTMLElement).hidden = curve.length > 0;
  const table = byId("curve-figures", HTMLElement);
  table.hidden = !curve.length;
  if (!curve.length) return;
  const losses = curve.map(({ loss }) => loss ?? 0);
  // Worse than a guess: rare, and only with few people.
  const isBad = curve.some(({ auc, accuracy }) => Math.min(auc ?? 1, accuracy ?? 1) < 0.5);
  curves.replaceChildren(
    figure({ title: "", low: 0, high: niceTop(Math.max(...losses)), lines: [["Loss", ({ loss }) => loss]] }, curve),
    figure({ title: "Other people: ", low: isBad ? 0 : 0.5, high: 1, lines: [["AUC", ({ auc }) => auc], ["balanced accuracy", ({ accuracy }) => accuracy]] }, curve),
  );
  inside(table, "tbody", HTMLElement).replaceChildren(...curve.map((point) =>
    element("tr", {}, element("th", { scope: "row" }, point.step), ...[point.loss, point.auc, point.accuracy].map((value) => element("td", {}, told(value))))));
}

/** @param {Scale} scale @param {CurvePoint[]} curve */
function figure(scale, curve) {
  const last = /** @type {CurvePoint} */ (curve.at(-1));
  const signs = scale.lines.length > 1 ? [" (solid)", " (dashed)"] : [""];
  const now = scale.lines.map(([name, value], index) => `${name} ${told(value(last))}${signs[index]}`).join(", ");
  const caption = `${scale.title}${now} at step ${last.step}`;
  return element("figure", { class: "fr-curve" }, chart(scale, curve, caption), element("figcaption", {}, caption));
}

/** @param {Scale} scale @param {CurvePoint[]} curve @param {string} label */
function chart({ low, high, lines }, curve, label) {
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  const steps = /** @type {CurvePoint} */ (curve.at(-1)).step;
  /** @param {number} step */
  const x = (step) => LEFT + (step / steps) * (WIDTH - LEFT - RIGHT);
  /** @param {number} value */
  const y = (value) => HEIGHT - BOTTOM - ((Math.max(value, low) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  for (const part of [0, 0.5, 1]) {
    const value = low + (high - low) * part;
    svg.append(shape("line", { class: "fr-curve-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(words(LEFT - 6, y(value) + 4, String(Number(value.toPrecision(3))), "end"));
    svg.append(words(x(steps * part), HEIGHT - 6, String(Math.round(steps * part)), "middle"));
  }
  lines.forEach(([, value], index) => {
    const seen = curve.flatMap((point) => (value(point) === null ? [] : [`${x(point.step).toFixed(1)},${y(value(point) ?? 0).toFixed(1)}`]));
    // A point alone is still seen: a line of no length with a round end.
    svg.append(shape("polyline", { class: `fr-curve-line fr-curve-line-${index}`, points: [seen[0], ...seen].join(" ") }));
  });
  return svg;
}

/** @param {number | null} value */
function told(value) {
  return value === null ? "not a number" : value.toFixed(3);
}

async function ask() {
  try {
    /** @type {TrainingRun} */
    const run = await api(`training-runs/${curves.dataset.run}`);
    show(run);
    // The end is shown by the script of jobs, which loads the page again.
    if (run.state !== "open") return;
  } catch (error) {
    console.warn("the training run could not be read:", messageOf(error));
  }
  setTimeout(ask, ASK_EVERY_MS);
}

ask();
