/** The live page: chooses a camera, streams or watches it, and keeps every part in step. */

import { api, rows, signIn } from "../web/api.js";
import { CameraProblem, onPermissionGranted, openCamera } from "./camera.js";
import { Controls, wantedCamera } from "./controls.js";
import { toast } from "../web/element.js";
import { ENGINE_WORDS, untilEngineReady } from "./engine.js";
import { EnrolDialog } from "./enrol.js";
import { Feed } from "./feed.js";
import { Figures } from "./figures.js";
import { Present } from "./present.js";
import { Stage } from "./stage.js";
import { FrameStream } from "./stream.js";
import { CameraWatch } from "./watch.js";

const $ = (id) => document.getElementById(id);
const video = $("video");
const RUNNING = "facerec.live.running"; // of this tab: a reload goes on
const PROBLEM_AGAIN_MS = 10_000;
const CAMERA_WORDS = { off: "Off", waiting: "Waiting", starting: "Starting…", running: "Connecting…", failed: "Failed" };

let scopes = new Set();
let running = null; // {isServer, feed: FrameStream | CameraWatch, stream: MediaStream | null}
let attempt = 0; // a start that was overtaken by a stop or another start gives up
let engine = "ok";
const problemToldAt = new Map(); // code -> time

// "Unknown" is a claim worth correcting; one that is still "pending" is not made yet.
const canEnrol = (face) => scopes.has("enrol") && face.decision === "unknown";
const feed = new Feed({ canEnrol, onEnrol: (event) => enrol.open(event) });
const enrol = new EnrolDialog({ onEnrolled: refreshEvent });
const canEnrolFace = (face) => canEnrol(face) && Boolean(face.event);
const stage = new Stage({ canPick: canEnrolFace, onPick: enrolFace });
const present = new Present({ canEnrol: canEnrolFace, onEnrol: enrolFace });
const figures = new Figures();
const controls = new Controls({ onRun: () => (running ? stop() : start()), onChange: () => running && start() });

begin();

async function begin() {
  showIdle();
  offerFullScreen();
  try {
    const [me, collections, cameras] = await Promise.all([api("me"), rows("collections"), rows("cameras")]);
    scopes = new Set(me.scopes);
    await controls.fill(collections, cameras);
    if (scopes.has("events")) feed.start(collections);
  } catch (error) {
    if (error.status === 401) return signIn();
    const action = { label: "Load again", run: () => location.reload() };
    return stage.showMessage({ icon: "warning", isBad: true, title: "The page could not be loaded", text: error.message, action });
  }
  untilEngineReady(engineIs);
  if (sessionStorage.getItem(RUNNING) || wantedCamera()) start();
}

function offerFullScreen() {
  const button = $("fullscreen");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else $("stage").requestFullscreen();
  });
}

/* Start and stop */

function setRunning(isRunning) {
  controls.showRunning(isRunning);
  if (isRunning) sessionStorage.setItem(RUNNING, "yes");
  else sessionStorage.removeItem(RUNNING);
}

function setState(state, words) {
  const node = $("state");
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
  running = { isServer, feed: null, stream: null };
  if (isServer) watch(id);
  else await stream(id, mine);
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

async function stream(deviceId, mine) {
  stage.showMessage({ isBusy: true, title: "Waiting for the camera", text: "If the browser asks, allow it for this page." });
  let media;
  try {
    media = await openCamera(deviceId);
  } catch (problem) {
    if (mine === attempt) cameraFailed(problem);
    return;
  }
  if (mine !== attempt) return closeCamera(media);
  running.stream = media;
  media.getVideoTracks()[0].onended = () => cameraFailed(unplugged());
  video.srcObject = media;
  video.onresize = () => stage.setRatio(video.videoWidth, video.videoHeight);
  await video.play().catch(() => {}); // a stop in between
  if (mine !== attempt) return;
  controls.listSources();
  waitForAnswers();
  running.feed = new FrameStream(video, { ...controls.destination, options: {} }, {
    ...answers(),
    live: () => engineIs("ok"), // sessions start once it is ready
    status: ({ state }) => engineIs(state),
    faces: showFaces,
  });
}

function watch(cameraId) {
  const name = controls.nameOf(cameraId);
  stage.showMessage({ isBusy: true, title: name, text: "Waiting for its picture." });
  running.feed = new CameraWatch(cameraId, {
    ...answers(),
    faces: (bitmap, message) => showFaces(bitmap, message, null),
    status: (status) => cameraIs(name, status),
  });
}

function cameraIs(name, { state, message }) {
  const isComing = state === "running" || state === "starting";
  setState(isComing ? "waiting" : "failed", CAMERA_WORDS[state] ?? state);
  present.clear();
  figures.reset();
  const title = isComing ? name : `${name} is not running`;
  const text = message || (isComing ? "Waiting for its picture." : "It is switched off, or was not started yet.");
  stage.showMessage({ isBusy: isComing, icon: "noCamera", isBad: true, title, text });
}

function cameraFailed(problem) {
  tearDown();
  setRunning(false);
  setState("failed", "No camera");
  const known = problem instanceof CameraProblem ? problem : unplugged();
  const action = known.canRetry ? { label: "Try again", run: start } : null;
  stage.showMessage({ icon: known.icon, isBad: true, title: known.title, text: known.message, action });
  const mine = attempt;
  onPermissionGranted(() => mine === attempt && start());
}

function unplugged() {
  return new CameraProblem({ icon: "noCamera", title: "The camera is gone", text: "It was unplugged or switched off. Connect it and try again." });
}

/* What comes back */

function answers() {
  return {
    live: waitForAnswers,
    event: (event) => feed.put(event),
    problem,
    lost: reconnecting,
    refused: ({ text, isSignedOut }) => refused(text, isSignedOut),
  };
}

/** Every frame may have the same problem: it is told once in a while. */
function problem({ code, message }) {
  const now = performance.now();
  if (code === "engine_busy" || now - (problemToldAt.get(code) ?? -Infinity) < PROBLEM_AGAIN_MS) return;
  problemToldAt.set(code, now);
  toast(message, { bad: true });
}

function showFaces(picture, message, latencyMs) {
  setState("live", "Live");
  stage.showResult(picture, message.size, message.faces);
  present.show(message.faces);
  figures.add(message, latencyMs);
}

/** Connected: the first answer changes the state to "live". */
function waitForAnswers() {
  if (engine !== "ok") return engineIs(engine);
  setState("waiting", "Connecting…");
  if (running && !running.isServer) stage.showCamera();
}

function reconnecting() {
  setState("waiting", "Reconnecting…");
  present.clear();
  figures.reset();
  const words = { isBusy: true, title: "Reconnecting", text: "The server does not answer. It goes on by itself as soon as it is back." };
  if (running && !running.isServer) stage.showCamera(words);
  else stage.showMessage(words);
}

function refused(text, isSignedOut) {
  tearDown();
  setRunning(false);
  setState("failed", "Stopped");
  const action = isSignedOut ? { label: "Sign in", run: signIn } : { label: "Try again", run: start };
  stage.showMessage({ icon: "lock", isBad: true, title: "The server refused", text, action });
}

function engineIs(state) {
  engine = state === "ready" ? "ok" : state;
  if (!running?.feed) return;
  if (engine === "ok") return waitForAnswers();
  setState("waiting", engine === "failed" ? "Engine failed" : "Warming up…");
  const words = { isBusy: engine !== "failed", icon: "warning", isBad: engine === "failed", title: engine === "failed" ? "No engine" : "Warming up", text: ENGINE_WORDS[engine] ?? "" };
  if (!running.isServer) stage.showCamera(words);
  else stage.showMessage(words);
}

/* Enrol this face */

async function enrolFace(face) {
  const picture = stage.crop(face);
  try {
    const event = feed.eventOf(face.event) ?? (await api(`events/${face.event}`));
    enrol.open(event, picture);
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

async function refreshEvent(event) {
  try {
    feed.put(await api(`events/${event.id}`));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
