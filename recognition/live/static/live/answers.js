/** Answers of the API as things to look at. */

import { element } from "../web/element.js";
import { labelChips, nameOf, rateLine, score } from "./scores.js";

/** @import { Candidate, IdentifiedFace, Quality, Score, VerifyAnswer } from "../web/types.js" */

/** @type {Record<string, string>} */
const REASONS = {
  too_small: "too small",
  low_resolution: "little detail",
  blurred: "blurred",
  noisy: "grainy",
  compressed: "compressed too much",
  too_dark: "too dark",
  too_bright: "too bright",
  turned_away: "turned away",
  tilted: "tilted",
  covered: "eyes or mouth covered",
  low_detection_score: "perhaps not a face",
};

/** "3 faces: 2 named, 1 unknown". @param {IdentifiedFace[]} faces */
export function summary(faces) {
  if (!faces.length) return "No face was found in this photo";
  /** @param {IdentifiedFace["decision"]} decision */
  const count = (decision) => faces.filter((face) => face.decision === decision).length;
  const parts = [[count("match"), "named"], [count("unknown"), "unknown"], [count("ambiguous"), "not sure"]];
  const words = parts.filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"}: ${words.join(", ")}`;
}

/**
 * One identified face: name, score, who else was near, how good the picture of it is.
 *
 * @param {IdentifiedFace} face
 * @param {HTMLCanvasElement} crop
 * @param {{isOpen?: boolean, onEnrol?: (() => void) | null}} [options] onEnrol: its button was pressed.
 */
export function faceCard(face, crop, { isOpen = true, onEnrol = null } = {}) {
  const isMatch = face.decision === "match";
  const enrol = onEnrol && element("button", { class: "button button-small", type: "button", onclick: onEnrol }, isMatch ? "Add photo" : "Enrol");
  return element("article", { class: "face-card", "data-decision": face.decision },
    crop,
    element("div", { class: "face-main" },
      element("header", {}, element("h3", {}, nameOf(face)), labelChips(face), isMatch ? element("span", { class: "badge", "data-decision": "match" }, "Match") : null, enrol),
      meter(face),
      element("p", { class: "face-note" }, isMatch ? rateLine(face.false_match_rate) : ""),
      element("div", { class: "badges" }, reasons(face.quality)),
    ),
    element("details", { class: "face-more", open: isOpen },
      element("summary", {}, "Nearest people and quality"), candidates(face), quality(face.quality)),
  );
}

/** A bar from 0 to 1 with a mark at the threshold: past the mark is a match. @param {Score} answer */
export function meter({ similarity, threshold, decision }) {
  const words = similarity === null ? "Nobody is enrolled to compare with" : `Similarity ${score(similarity)}, needs ${score(threshold)}`;
  const bar = element("div", { class: "meter-bar" }, element("span", { class: "meter-fill" }), element("span", { class: "meter-mark" }));
  bar.style.setProperty("--fill", `${Math.max(0, Math.min(1, similarity ?? 0))}`);
  bar.style.setProperty("--mark", `${Math.max(0, Math.min(1, threshold))}`);
  return element("div", { class: "meter", "data-decision": decision }, element("p", {}, words), bar);
}

/** @param {{candidates: Candidate[]}} face */
function candidates(face) {
  if (!face.candidates?.length) return null;
  const rows = face.candidates.map(({ person, similarity, image }) => element("li", {},
    image ? element("img", { src: `/api/v1/images/${image}/file`, alt: "", loading: "lazy", width: 32, height: 32 }) : element("span", { class: "no-thumb" }),
    element("span", { class: "candidate-name" }, person.name),
    element("span", { class: "candidate-score" }, score(similarity)),
  ));
  return element("div", { class: "face-part" }, element("h4", {}, "Nearest people"), element("ol", { class: "candidates" }, rows));
}

/** What is wrong with the picture of a face, worst first. @param {Quality | null} parts */
function reasons(parts) {
  return (parts?.reasons ?? []).map((code) => element("span", { class: "badge badge-reason" }, REASONS[code] ?? code));
}

/** @param {Quality | null} parts */
function quality(parts) {
  if (!parts) return null;
  const numbers = [
    ["size", `${Math.round(parts.size_px)} px`],
    ["detail", `${Math.round(parts.detail_px)} px`],
    ["sharpness", parts.sharpness.toFixed(3)],
    ["noise", parts.noise.toFixed(2)],
    ["blocks", parts.blocking.toFixed(2)],
    ["brightness", Math.round(parts.brightness)],
    ["turned", `${Math.round(parts.yaw)}°`],
    ["nodding", `${Math.round(parts.pitch)}°`],
    ["tilted", `${Math.round(parts.roll)}°`],
  ];
  return element("div", { class: "face-part" },
    element("h4", {}, `Quality ${parts.score.toFixed(2)}`),
    element("dl", { class: "numbers" }, numbers.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
  );
}

/**
 * Two faces compared: both, and the verdict between them.
 *
 * @param {VerifyAnswer} answer
 * @param {HTMLCanvasElement} cropA
 * @param {HTMLCanvasElement} cropB
 */
export function verdict(answer, cropA, cropB) {
  const isSame = answer.decision === "match";
  return element("div", { class: "verdict", "data-decision": isSame ? "match" : "unknown" },
    cropA,
    element("div", { class: "verdict-words" },
      element("h2", {}, isSame ? "The same person" : "Not the same person"),
      meter({ ...answer, decision: isSame ? "match" : "unknown" }),
      element("p", { class: "face-note" }, isSame ? rateLine(answer.false_match_rate) : ""),
    ),
    cropB,
  );
}
