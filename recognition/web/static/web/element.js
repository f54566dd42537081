/** Builds DOM elements. Text is always set as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {string | number | boolean | null | undefined | ((event: Event) => void)} Attribute */
/** @typedef {Node | string | number | null | undefined} Child */

/**
 * element("button", {class: "button", onclick: f}, "Save"); null children are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} attributes
 * @param {(Child | Child[])[]} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/**
 * The element of the page with this id. Pages and scripts belong together, so it is an error if the
 * element is missing or of another kind.
 *
 * @template {Element} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 */
export function byId(id, kind) {
  return inside(document, `#${id}`, kind);
}

/**
 * The first element that a selector finds, like `byId`.
 *
 * @template {Element} Kind
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Kind} kind
 */
export function inside(parent, selector, kind) {
  const node = parent.querySelector(selector);
  if (node instanceof kind) return node;
  throw new TypeError(`The page has no ${kind.name} that is ${selector}.`);
}

/**
 * The 2D context of a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function contextOf(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (context) return context;
  throw new TypeError("The browser cannot draw on a canvas.");
}

/**
 * A line drawing.
 *
 * @param {string[]} paths The `d` of its strokes.
 */
export function icon(paths, viewBox = "0 0 24 24") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("aria-hidden", "true");
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

export const ICONS = {
  camera: ["M3 8a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z", "M16 11l5-3v8l-5-3"],
  noCamera: ["M3 8a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z", "M16 11l5-3v8l-5-3", "M3 3l18 18"],
  lock: ["M6 11h12v9H6z", "M9 11V8a3 3 0 0 1 6 0v3"],
  warning: ["M12 4l9 16H3z", "M12 10v4", "M12 17v.2"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4 21c0-4.4 3.6-7 8-7s8 2.6 8 7"],
};

/** A short word at the bottom of the page, gone by itself. @param {string} text */
export function toast(text, { bad = false } = {}) {
  const node = element("div", { class: bad ? "toast toast-bad" : "toast" }, text);
  toasts().append(node);
  setTimeout(() => node.remove(), bad ? 8000 : 4500);
}

/** The element for short messages. It is made if the page has none, as in the admin. */
function toasts() {
  const place = document.getElementById("toasts") ?? element("div", { id: "toasts", class: "toasts", role: "status" });
  if (!place.isConnected) document.body.append(place);
  return place;
}

/** Copy the text of an element. @param {HTMLElement} source */
export async function copyText(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    toast("Copied");
  } catch {
    // Pages that were loaded over plain HTTP may not write to the clipboard.
    getSelection()?.selectAllChildren(source);
    toast("Selected: copy it with Ctrl C");
  }
}
