/** The live page: chooses a camera, streams or watches it, and keeps every part in step. */

import { api, isSignedOut, messageOf, rows, signIn } from "../web/api.js";
import { EnrolDialog, enrolVisit } from "../people/enrol.js";
import { CameraProblem, onPermissionGranted, openCamera } from "./camera.js";
import { Controls, wantedCamera } from "./controls.js";
import { ICONS, byId, element, icon, toast } from "../web/element.js";
import { ENGINE_WORDS, untilEngineReady } from "./engine.js";
import { Feed } from "./feed.js";
import { Figures } from "./figures.js";
import { Present } from "./present.js";
import { Stage } from "./stage.js";
import { FrameStream } from "./stream.js";
import { CameraWatch } from "./watch.js";

/** @import { Collection, Camera, ErrorMessage, FacesMessage, LiveFace, Me, StatusMessage, StreamListeners, Visit } from "../web/types.js" */
/** @import { Message } from "./stage.js" */
/** @typedef {{isServer: boolean, feed: FrameStream | CameraWatch | null, stream: MediaStream | null}} Run */

const video = byId("video", HTMLVideoElement);
const RUNNING = "facerec.live.running"; // of this tab: a reload goes on
const PROBLEM_AGAIN_MS = 10_000;
/** @type {Record<string, string>} */
const CAMERA_WORDS = { off: "Off", waiting: "Waiting", starting: "Starting…", running: "Connecting…", failed: "Failed" };

/** @type {Set<string>} */
let scopes = new Set();
/** @type {Run | null} */
let running = null;
let attempt = 0; // a start that was overtaken by a stop or another start gives up
let engine = "ok";
/** @type {Map<string, number>} Times by code. */
const problemToldAt = new Map();

// "Unknown" is a claim worth correcting; one that is still "pending" is not made yet.
/** @param {LiveFace | Visit} face */
const canEnrol = (face) => scopes.has("enrol") && face.decision === "unknown";
const feed = new Feed({ canEnrol, onEnrol: (event) => openEnrol(event) });
const enrol = new EnrolDialog();
/** @param {LiveFace} face */
const canEnrolFace = (face) => canEnrol(face) && Boolean(face.event);
const stage = new Stage({ canPick: canEnrolFace, onPick: enrolFace });
const present = new Present({ canEnrol: canEnrolFace, onEnrol: enrolFace });
const figures = new Figures();
const controls = new Controls({ onRun: () => (running ? stop() : start()), onChange: restart });

begin();

async function begin() {
  showIdle();
  offerFullScreen();
  try {
    /** @type {[Me, Collection[], Camera[]]} */
    const [me, collections, cameras] = await Promise.all([api("me"), rows("collections"), rows("cameras")]);
    scopes = new Set(me.scopes);
    await controls.fill(collections, cameras);
    if (scopes.has("events")) feed.start(collections);
  } catch (error) {
    if (isSignedOut(error)) return signIn();
    const action = { label: "Load again", run: () => location.reload() };
    return stage.showMessage({ icon: "warning", isBad: true, title: "The page could not be loaded", text: messageOf(error), action });
  }
  untilEngineReady(engineIs);
  if (sessionStorage.getItem(RUNNING) || wantedCamera()) start();
}

function offerFullScreen() {
  const button = byId("fullscreen", HTMLButtonElement);
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else byId("stage", HTMLElement).requestFullscreen();
  });
}

/* Start and stop */

/** @param {boolean} isRunning */
function setRunning(isRunning) {
  controls.showRunning(isRunning);
  if (isRunning) sessionStorage.setItem(RUNNING, "yes");
  else sessionStorage.removeItem(RUNNING);
}

/** @param {string} state @param {string} words */
function setState(state, words) {
  const node = byId("state", HTMLElement);
  node.dataset.state = state;
  node.textContent = words;
}

async function start() {
  tearDown();
  setRunning(true);
  controls.remember();
  setState("waiting", "Starting…");
  const mine = (attempt += 1);
  const { isServer, id } = controls.source;
  const run = { isServer, feed: null, stream: null };
  running = run;
  if (isServer) watch(run, id);
  else await stream(run, id, mine);
}

function restart() {
  if (running) start();
}

function stop() {
  tearDown();
  setRunning(false);
  showIdle();
}

function tearDown() {
  attempt += 1;
  running?.feed?.stop();
  closeCamera(running?.stream);
  running = null;
  video.srcObject = null;
  present.clear();
  figures.reset();
}

/** @param {MediaStream | null | undefined} media */
function closeCamera(media) {
  for (const track of media?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}

function showIdle() {
  setState("idle", "Stopped");
  const action = { label: "Start", run: start };
  stage.showMessage({ title: "Ready when you are", text: "Choose a camera and start. Everybody in the picture is named as they come.", action });
}

/** @param {Run} run @param {string} deviceId @param {number} mine */
async function stream(run, deviceId, mine) {
  stage.showMessage({ isBusy: true, title: "Waiting for the camera", text: "If the browser asks, allow it for this page." });
  let media;
  try {
    media = await openCamera(deviceId);
  } catch (problem) {
    if (mine === attempt) cameraFailed(problem);
    return;
  }
  if (mine !== attempt) return closeCamera(media);
  run.stream = media;
  media.getVideoTracks()[0].onended = () => cameraFailed(unplugged());
  video.srcObject = media;
  video.onresize = () => stage.setRatio(video.videoWidth, video.videoHeight);
  await video.play().catch(() => {}); // a stop in between
  if (mine !== attempt) return;
  controls.listSources();
  waitForAnswers();
  run.feed = new FrameStream(video, { ...controls.destination, options: {} }, {
    ...answers(),
    live: () => engineIs("ok"), // sessions start once it is ready
    status: ({ state }) => engineIs(state),
    faces: showFaces,
  });
}

/** @param {Run} run @param {string} cameraId */
function watch(run, cameraId) {
  const name = controls.nameOf(cameraId);
  stage.showMessage({ isBusy: true, title: name, text: "Waiting for its picture." });
  run.feed = new CameraWatch(cameraId, {
    ...answers(),
    faces: (bitmap, message) => showFaces(bitmap, message, null),
    status: (status) => cameraIs(name, status),
  });
}

/** @param {string} name @param {StatusMessage} status */
function cameraIs(name, { state, message }) {
  const isComing = state === "running" || state === "starting";
  setState(isComing ? "waiting" : "failed", CAMERA_WORDS[state] ?? state);
  present.clear();
  figures.reset();
  const title = isComing ? name : `${name} is not running`;
  const text = message || (isComing ? "Waiting for its picture." : "It is switched off, or was not started yet.");
  stage.showMessage({ isBusy: isComing, icon: "noCamera", isBad: true, title, text });
}

/** @param {unknown} problem */
function cameraFailed(problem) {
  tearDown();
  setRunning(false);
  setState("failed", "No camera");
  const known = problem instanceof CameraProblem ? problem : unplugged();
  const action = known.canRetry ? { label: "Try again", run: start } : null;
  stage.showMessage({ icon: known.icon, isBad: true, title: known.title, text: known.message, action });
  const mine = attempt;
  onPermissionGranted(() => {
    if (mine === attempt) start();
  });
}

function unplugged() {
  return new CameraProblem({ icon: "noCamera", title: "The camera is gone", text: "It was unplugged or switched off. Connect it and try again." });
}

/* What comes back */

/** @returns {Omit<StreamListeners, "status">} */
function answers() {
  return {
    live: waitForAnswers,
    event: (event) => feed.put(event),
    problem,
    lost: reconnecting,
    refused: (refusal) => refused(refusal.text, refusal.isSignedOut),
  };
}

/** Every frame may have the same problem: it is told once in a while. @param {ErrorMessage} error */
function problem({ code, message }) {
  const now = performance.now();
  if (code === "engine_busy" || now - (problemToldAt.get(code) ?? -Infinity) < PROBLEM_AGAIN_MS) return;
  problemToldAt.set(code, now);
  toast(message, { bad: true });
}

/**
 * @param {HTMLCanvasElement | ImageBitmap} picture
 * @param {FacesMessage} message
 * @param {number | null} latencyMs
 */
function showFaces(picture, message, latencyMs) {
  setState("live", "Live");
  stage.showResult(picture, message.size, message.faces);
  present.show(message.faces);
  figures.add(message, latencyMs);
}

/** Connected: the first answer changes the state to "live". @returns {void} */
function waitForAnswers() {
  if (engine !== "ok") return engineIs(engine);
  setState("waiting", "Connecting…");
  if (running && !running.isServer) stage.showCamera({ isBusy: true, title: "Connecting", text: "The first names come in a moment." });
}

function reconnecting() {
  setState("waiting", "Reconnecting…");
  present.clear();
  figures.reset();
  const words = { isBusy: true, title: "Reconnecting", text: "The server does not answer. It goes on by itself as soon as it is back." };
  if (running && !running.isServer) stage.showCamera(words);
  else stage.showMessage(words);
}

/** @param {string} text @param {boolean} mustSignIn */
function refused(text, mustSignIn) {
  tearDown();
  setRunning(false);
  setState("failed", "Stopped");
  const action = mustSignIn ? { label: "Sign in", run: signIn } : { label: "Try again", run: start };
  stage.showMessage({ icon: "lock", isBad: true, title: "The server refused", text, action });
}

/** @param {string} state @returns {void} */
function engineIs(state) {
  engine = state === "ready" ? "ok" : state;
  if (!running?.feed) return;
  if (engine === "ok") return waitForAnswers();
  setState("waiting", engine === "failed" ? "Engine failed" : "Warming up…");
  /** @type {Message} */
  const words = { isBusy: engine !== "failed", icon: "warning", isBad: engine === "failed", title: engine === "failed" ? "No engine" : "Warming up", text: ENGINE_WORDS[engine] ?? "" };
  if (!running.isServer) stage.showCamera(words);
  else stage.showMessage(words);
}

/* Enrol this face */

/** @param {LiveFace} face */
async function enrolFace(face) {
  if (!face.event) return;
  const picture = stage.crop(face);
  try {
    const event = feed.eventOf(face.event) ?? (await api(`events/${face.event}`));
    openEnrol(event, picture);
  } catch (error) {
    toast(messageOf(error), { bad: true });
  }
}

/**
 * @param {Visit} event
 * @param {HTMLCanvasElement} [picture] To show instead of the event's face.
 */
function openEnrol(event, picture) {
  const face = event.face_url ? element("img", { src: event.face_url, alt: "" }) : icon(ICONS.person);
  enrol.open({
    collection: event.collection,
    picture: picture ?? face,
    save: enrolVisit(event.id),
    done: (name) => {
      toast(`${name} is enrolled and will be recognised.`);
      refreshEvent(event);
    },
  });
}

/** @param {Visit} event */
async function refreshEvent(event) {
  try {
    feed.put(await api(`events/${event.id}`));
  } catch (error) {
    toast(messageOf(error), { bad: true });
  }
}
