/** Decisions, similarities and times in words; the same everywhere on the pages. */

import { element } from "../web/element.js";

/** @import { LiveDecision, Named, NamedPerson, Score } from "../web/types.js" */

const RAREST = 1e-6;
/** @type {Record<LiveDecision, string>} */
const NAMES = { unknown: "Unknown", ambiguous: "Not sure", pending: "Looking…", match: "Match" };

/**
 * What to call a face or an event: the person's name if there is one.
 *
 * @param {{decision: LiveDecision, person?: Named | null, review?: string}} face
 */
export function nameOf({ decision, person, review }) {
  if (person && review === "rejected") return `Not ${person.name}`;
  if (decision === "match" && person) return person.name;
  return NAMES[decision] ?? decision;
}

/**
 * Chips with the labels of the person who is named.
 *
 * @param {{decision: LiveDecision, person?: NamedPerson | null}} face
 */
export function labelChips({ decision, person }) {
  const labels = decision === "match" && person ? person.labels : [];
  return labels.map((label) => element("span", { class: "badge badge-label" }, label));
}

/** @param {number | null | undefined} value */
export function score(value) {
  if (value === null || value === undefined) return "–";
  const rounded = Math.round(value * 100) / 100;
  return (rounded < 0 ? "−" : "") + Math.abs(rounded).toFixed(2);
}

/**
 * "0.71, needs 0.53"; nothing is claimed if there was no one to compare with, or if a user gave the
 * name of a visit.
 *
 * @param {Score} face
 */
export function scoreLine({ similarity, threshold, decision }) {
  if (decision === "match" && (similarity ?? -1) < threshold) return "named by hand";
  if (similarity === null || similarity === undefined) {
    return decision === "pending" ? "" : "nobody to compare with";
  }
  return `${score(similarity)}, needs ${score(threshold)}`;
}

/**
 * A false-match rate for people; nothing if the score says little anyway.
 *
 * @param {number | null | undefined} rate
 */
export function rateLine(rate) {
  if (rate === null || rate === undefined || rate > 0.01) return "";
  // Below this, curves go on where little was measured.
  if (rate < RAREST) return `Fewer than 1 in ${(1 / RAREST).toLocaleString()} pairs of strangers reach this`;
  return `1 in ${Number((1 / rate).toPrecision(2)).toLocaleString()} pairs of strangers reaches this`;
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** @param {string} iso */
export function timeLine(iso) {
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? TIME.format(at) : `${DAY.format(at)}, ${TIME.format(at)}`;
}

/** @param {string} from @param {string} to */
export function lasted(from, to) {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
