/** Who is in a picture, in the few words that fit on a small one: each decision with a sign of its
 * own, so that nobody has to tell colours apart. */

import { element } from "../web/element.js";
import { nameOf } from "./scores.js";

/** @import { LiveDecision, LiveFace } from "../web/types.js" */
/** @typedef {{decision: LiveDecision, text: string, node: HTMLElement}} Sign */

/** In the order of what a guard should see first. @type {Record<LiveDecision, string>} */
const SIGNS = { unknown: "?", ambiguous: "≈", match: "✓", pending: "…" };

/**
 * One sign for each person who is named, and one for each other decision.
 *
 * @param {LiveFace[]} faces
 * @returns {Sign[]}
 */
export function signs(faces) {
  return /** @type {LiveDecision[]} */ (Object.keys(SIGNS)).flatMap((decision) => {
    const names = faces.filter((face) => face.decision === decision).map(nameOf);
    return [...new Set(names)].map((name) => sign(decision, name, names.filter((other) => other === name).length));
  });
}

/** @param {LiveDecision} decision @param {string} name @param {number} count @returns {Sign} */
function sign(decision, name, count) {
  const text = `${SIGNS[decision]} ${count > 1 ? `${count} × ` : ""}${name}`;
  return { decision, text, node: element("span", { class: "badge", "data-decision": decision }, text) };
}
