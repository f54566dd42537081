/** The page to try a photo: one is searched for everybody in it, two are compared. */

import { api, ApiError, isAbort, isSignedOut, messageOf, rows, signIn } from "../web/api.js";
import { EnrolDialog, enrolPhoto } from "../people/enrol.js";
import { faceCard, summary, verdict } from "./answers.js";
import { CROWD } from "./drawing.js";
import { byId, copyText, element, toast } from "../web/element.js";
import { ENGINE_WORDS, engineState, untilEngineReady } from "./engine.js";
import { Photo } from "./photo.js";

/** @import { Collection, IdentifiedFace, IdentifyAnswer, Me, VerifyAnswer } from "../web/types.js" */

const form = byId("try-form", HTMLFormElement);
const collection = byId("collection", HTMLSelectElement);
const result = byId("result", HTMLElement);
const json = byId("json", HTMLElement);
const jsonText = byId("json-text", HTMLElement);
const note = byId("engine-note", HTMLElement);
const maxImageMb = Number(form.dataset.maxImageMb);
/** @type {Photo[]} */
let photos = [];
/** @type {AbortController | null} */
let request = null; // of the call under way
const enrol = new EnrolDialog();
let mayEnrol = false;

begin();

/** In a crowd only one card shows everything. @param {HTMLElement} card */
function showWhole(card) {
  for (const other of result.querySelectorAll(".is-whole")) other.classList.remove("is-whole");
  card.classList.add("is-whole");
}

async function begin() {
  bindInputs();
  try {
    /** @type {Collection[]} */
    const collections = await rows("collections");
    /** @type {Me} */
    const me = await api("me");
    mayEnrol = me.scopes.includes("enrol");
    collection.replaceChildren(...collections.map(({ id, name }) => element("option", { value: id }, name)));
    byId("collection-control", HTMLElement).hidden = collections.length < 2;
  } catch (error) {
    if (isSignedOut(error)) return signIn();
    showError(messageOf(error));
  }
  const state = await engineState();
  if (state && state !== "ok") untilEngineReady(engineIs);
}

function bindInputs() {
  const files = byId("files", HTMLInputElement);
  const takeChosen = () => {
    take([...(files.files ?? [])]);
    files.value = ""; // the same photo may be chosen again
  };
  files.addEventListener("change", takeChosen);
  takeChosen(); // photos that were chosen while this script was on its way
  addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("is-over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) form.classList.remove("is-over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("is-over");
    take([...(event.dataTransfer?.files ?? [])]);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  collection.addEventListener("change", () => {
    if (photos.length === 1) ask();
  });
  byId("copy-json", HTMLButtonElement).addEventListener("click", () => copyText(jsonText));
}

/** @param {File[]} files */
async function take(files) {
  if (!files.length) return;
  if (files.length > 2) return showError("Choose one photo, or two to compare.");
  const tooLarge = files.find((file) => file.size > maxImageMb * 2 ** 20);
  if (tooLarge) return showError(`${tooLarge.name} has more than ${maxImageMb} MB.`);
  await use(await Promise.all(files.map((file) => Photo.read(file))));
}

/** @param {Photo[]} taken */
async function use(taken) {
  for (const photo of photos) if (!taken.includes(photo)) photo.close();
  photos = taken;
  await ask();
}

async function ask() {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  setBusy(true);
  try {
    if (photos.length === 2) showComparison(await send("verify", { image: photos[0], other_image: photos[1] }, signal));
    else showFaces(await send("identify", { image: photos[0], collection: collection.value }, signal));
  } catch (error) {
    if (isAbort(error)) return;
    if (isSignedOut(error)) return signIn();
    if (error instanceof ApiError && error.code === "engine_warming_up") return askWhenReady(signal);
    showError(messageOf(error));
  }
  setBusy(false);
}

/**
 * @param {string} path
 * @param {Record<string, Photo | string>} fields Empty ones are left out.
 * @param {AbortSignal} signal
 */
function send(path, fields, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Photo) body.append(name, value.file);
    else if (value) body.append(name, value);
  }
  return api(path, { method: "POST", body, signal });
}

/** @param {AbortSignal} signal @returns {Promise<void>} */
async function askWhenReady(signal) {
  await untilEngineReady(engineIs);
  if (!signal.aborted) await ask();
}

/** @param {string} state */
function engineIs(state) {
  note.hidden = state === "ok";
  note.classList.toggle("notice-bad", state === "failed");
  note.textContent = ENGINE_WORDS[state] ?? "";
}

/* What is shown */

/** @param {boolean} isBusy */
function setBusy(isBusy) {
  form.classList.toggle("is-small", true);
  result.setAttribute("aria-busy", String(isBusy));
  if (!isBusy) return;
  result.hidden = false;
  if (!result.childElementCount) {
    result.replaceChildren(element("div", { class: "result-wait" }, element("div", { class: "spinner" }), "Looking for faces…"));
  }
}

/** @param {HTMLElement[]} nodes */
function show(...nodes) {
  result.hidden = false;
  result.replaceChildren(...nodes);
}

/** @param {string} message */
function showError(message) {
  json.hidden = true;
  show(element("div", { class: "notice notice-bad", role: "alert" }, message));
}

/** @param {object} answer */
function showJson(answer) {
  json.hidden = false;
  jsonText.textContent = JSON.stringify(answer, null, 2);
}

/** @param {IdentifyAnswer} answer */
function showFaces(answer) {
  const [photo] = photos;
  const isOpen = answer.faces.length <= 2;
  const cards = answer.faces.map((face) => {
    const enrolThis = mayEnrol ? () => openEnrol(photo, face, answer.collection) : null;
    return faceCard(face, photo.crop(face), { isOpen, onEnrol: enrolThis });
  });
  /** @param {number} index */
  const pick = (index) => {
    point(cards[index]);
    if (mayEnrol && answer.faces[index].decision === "unknown") openEnrol(photo, answer.faces[index], answer.collection);
  };
  const figure = photo.figure({ size: answer.size, faces: answer.faces, onPick: pick });
  cards.forEach((card, index) => {
    card.addEventListener("pointerenter", () => {
      if (answer.faces.length > 1) photo.draw(index);
    });
    card.addEventListener("pointerleave", () => photo.draw());
    card.addEventListener("click", () => showWhole(card));
  });
  const isCrowd = cards.length >= CROWD;
  const list = element("div", { class: isCrowd ? "cards is-crowd" : "cards", role: "region", "aria-label": "Faces", tabindex: isCrowd ? 0 : null }, cards);
  const again = element("button", { class: "button button-small", type: "button", onclick: addSecond }, "Compare with another photo");
  const about = `${answer.model} · threshold ${answer.threshold.toFixed(2)} · ${Math.round(answer.timing_ms.total ?? 0)} ms`;
  show(
    element("header", { class: "result-head" }, element("h2", {}, summary(answer.faces)), element("p", {}, about), again),
    element("div", { class: "result-body" }, photo.isShown ? figure : cannotShow(photo), list),
  );
  photo.draw();
  showJson(answer);
}

/** @param {Photo} photo @param {IdentifiedFace} face @param {string} collectionId */
function openEnrol(photo, face, collectionId) {
  enrol.open({
    collection: collectionId,
    picture: photo.crop(face),
    person: face.decision === "match" ? face.person : null,
    save: enrolPhoto(photo.file, face.box, collectionId),
    done: (name) => {
      toast(`${name} is enrolled and will be recognised.`);
      ask();
    },
  });
}

/** @param {VerifyAnswer} answer */
function showComparison(answer) {
  const faces = [answer.face, answer.other_face];
  const [figureA, figureB] = photos.map((photo, index) => {
    const { decision, similarity, threshold } = answer;
    const decided = { ...faces[index], decision, similarity, threshold };
    return photo.isShown ? photo.figure({ faces: [decided], withLabels: false }) : cannotShow(photo);
  });
  const [cropA, cropB] = photos.map((photo, index) => photo.crop(faces[index]));
  show(verdict(answer, cropA, cropB), element("div", { class: "pair" }, figureA, figureB));
  for (const photo of photos) photo.draw();
  showJson(answer);
}

/** @param {Photo} photo */
function cannotShow(photo) {
  return element("div", { class: "notice" }, `The browser cannot show ${photo.file.name}; the server could read it.`);
}

/** @param {HTMLElement} card */
function point(card) {
  showWhole(card);
  card.scrollIntoView({ behavior: "smooth", block: "center" });
  card.classList.remove("is-pointed");
  requestAnimationFrame(() => card.classList.add("is-pointed"));
}

function addSecond() {
  const [first] = photos;
  const input = element("input", { type: "file", accept: "image/*" });
  input.addEventListener("change", async () => {
    if (input.files?.length) await use([first, await Photo.read(input.files[0])]);
  });
  input.click();
}
