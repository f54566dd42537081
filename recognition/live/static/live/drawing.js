/** Boxes with names on a canvas. All lengths are CSS pixels. */

import { nameOf, scoreLine } from "./scores.js";

/** @import { Box, LiveDecision, Named, Score, Size } from "../web/types.js" */
/** @typedef {Score & {box: Box, person?: Named | null}} DrawnFace */
/** @typedef {{width: number, height: number}} Area */
/** @typedef {{x: number, y: number, width: number, height: number}} Rectangle */
/** @typedef {{scale: number, left: number, top: number}} Place */
/** @typedef {{text: string, font: string, height: number, colour: string}} Line */
/** @typedef {{colour: string, dash: number[]}} Stroke */

const FONT = getComputedStyle(document.body).fontFamily;
/** Bright enough on any picture; each decision has its own stroke, not its own colour alone.
 * @type {Record<LiveDecision, Stroke>} */
const STYLES = {
  match: { colour: "#35d483", dash: [] },
  unknown: { colour: "#ffa64d", dash: [] },
  ambiguous: { colour: "#cf9bff", dash: [10, 6] },
  pending: { colour: "#c3cde0", dash: [3, 5] },
};
const SMALL_FACE_PX = 46;
/** In a narrower picture labels are names alone. */
const SMALL_PICTURE_PX = 340;
/** From this number of faces on, a label that finds no free place is left out. */
export const CROWD = 9;

/**
 * Where a picture stands that is fitted into an area: multiply by `scale`, then add `left`, `top`.
 *
 * @param {Size} size
 * @param {number} areaWidth
 * @param {number} areaHeight
 * @returns {Place}
 */
export function fit([width, height], areaWidth, areaHeight) {
  const scale = Math.min(areaWidth / width, areaHeight / height);
  return { scale, left: (areaWidth - width * scale) / 2, top: (areaHeight - height * scale) / 2 };
}

/**
 * @param {CanvasRenderingContext2D} context Its unit is the CSS pixel.
 * @param {DrawnFace[]} faces
 * @param {Place} place Of the picture.
 * @param {Area} area Of the canvas.
 */
export function drawFaces(context, faces, place, area, { withLabels = true } = {}) {
  const boxes = faces.map(({ box: [x, y, width, height] }) => ({
    x: x * place.scale + place.left,
    y: y * place.scale + place.top,
    width: width * place.scale,
    height: height * place.scale,
  }));
  faces.forEach((face, index) => drawBox(context, boxes[index], styleOf(face)));
  if (!withLabels) return;
  const taken = [...boxes];
  const isCrowd = faces.length >= CROWD;
  // Names first: in a crowd they take the free places.
  const order = [...faces.keys()].sort((a, b) => Number(faces[b].decision === "match") - Number(faces[a].decision === "match"));
  for (const index of order) {
    const label = drawLabel(context, faces[index], boxes[index], area, taken, isCrowd);
    if (label) taken.push(label);
  }
}

/** @param {DrawnFace} face */
function styleOf(face) {
  return STYLES[face.decision] ?? STYLES.pending;
}

/** @param {CanvasRenderingContext2D} context @param {Rectangle} box @param {Stroke} stroke */
function drawBox(context, { x, y, width, height }, { colour, dash }) {
  const radius = Math.min(16, width / 5, height / 5);
  const line = Math.min(width, height) < SMALL_FACE_PX ? 2 : 3;
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.setLineDash([]);
  context.lineWidth = line + 2.5;
  context.strokeStyle = "rgb(0 0 0 / 0.35)"; // keeps the line readable on bright ground
  context.stroke();
  context.setLineDash(dash);
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {DrawnFace} face
 * @param {Rectangle} box
 * @param {Area} area
 * @param {Rectangle[]} taken
 * @param {boolean} isCrowd
 * @returns {Rectangle | null} Of the label, if there is room for it.
 */
function drawLabel(context, face, box, area, taken, isCrowd) {
  const isSmall = isCrowd || area.width < SMALL_PICTURE_PX || Math.min(box.width, box.height) < SMALL_FACE_PX;
  const lines = [textLine(nameOf(face), 650, isSmall ? 12.5 : 15, "#fff")];
  const scores = isSmall ? "" : scoreLine(face);
  if (scores) lines.push(textLine(scores, 500, 12.5, "#d5dbe8"));
  const { label, covered } = placeLabel(box, measure(context, lines, area), area, taken);
  if (isCrowd && covered) return null;
  fillRound(context, label, 9, "rgb(8 10 16 / 0.8)");
  fillRound(context, { x: label.x + 5, y: label.y + 6, width: 3.5, height: label.height - 12 }, 2, styleOf(face).colour);
  context.textBaseline = "middle";
  let top = label.y + 5;
  for (const { text, font, height, colour } of lines) {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, label.x + 14, top + height / 2 + 0.5, label.width - 22);
    top += height;
  }
  return label;
}

/**
 * @param {string} text
 * @param {number} weight
 * @param {number} size
 * @param {string} colour
 * @returns {Line}
 */
function textLine(text, weight, size, colour) {
  return { text, font: `${weight} ${size}px ${FONT}`, height: size + 5, colour };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Rectangle} rectangle
 * @param {number} radius
 * @param {string} colour
 */
function fillRound(context, { x, y, width, height }, radius, colour) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.fillStyle = colour;
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {Line[]} lines @param {Area} area */
function measure(context, lines, area) {
  const widths = lines.map(({ text, font }) => {
    context.font = font;
    return context.measureText(text).width;
  });
  const height = lines.reduce((sum, line) => sum + line.height, 10);
  return { width: Math.min(Math.max(...widths) + 24, area.width - 8, 300), height };
}

/**
 * Above the box or below it, else within: there where it covers the least of faces and labels.
 *
 * @param {Rectangle} box
 * @param {Area} size Of the label.
 * @param {Area} area
 * @param {Rectangle[]} taken
 * @returns {{label: Rectangle, covered: number}} covered: square pixels of faces and labels.
 */
function placeLabel(box, { width, height }, area, taken) {
  const columns = [box.x, box.x + box.width - width, box.x + (box.width - width) / 2];
  const rows = [box.y - height - 6, box.y + box.height + 6, box.y + box.height - height - 6];
  const places = rows.flatMap((y) => columns.map((x) => ({
    x: Math.max(4, Math.min(x, area.width - width - 4)),
    y: Math.max(4, Math.min(y, area.height - height - 4)),
    width,
    height,
  })));
  const covered = places.map((place) => taken.reduce((sum, other) => sum + overlap(place, other), 0));
  const least = Math.min(...covered);
  return { label: places[covered.indexOf(least)], covered: least };
}

/** @param {Rectangle} a @param {Rectangle} b */
function overlap(a, b) {
  const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, wide) * Math.max(0, high);
}
