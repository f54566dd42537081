/** The live page: chooses a camera, streams or watches it, and keeps every part in step. */

import { api, rows, signIn } from "./api.js";
import { ANY_CAMERA, CameraProblem, listCameras, onPermissionGranted, openCamera } from "./camera.js";
import { element, toast } from "./element.js";
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
const controls = { form: $("controls"), source: $("source"), collection: $("collection"), place: $("place"), run: $("run") };
const DEVICE = "device:";
const SERVER = "server:";
const RUNNING = "facerec.live.running"; // of this tab: a reload goes on
const PROBLEM_AGAIN_MS = 10_000;
const CAMERA_WORDS = { off: "Off", starting: "Starting…", running: "Connecting…", failed: "Failed" };
const CHOICES = "facerec.live.choices"; // of this browser

let scopes = new Set();
let serverCameras = [];
let running = null; // {kind, feed: FrameStream | CameraWatch, stream: MediaStream | null}
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

begin();

async function begin() {
  showIdle();
  bindControls();
  try {
    const [me, collections, cameras] = await Promise.all([api("me"), rows("collections"), rows("cameras")]);
    scopes = new Set(me.scopes);
    fillCollections(collections);
    fillPlaces(cameras);
    serverCameras = cameras.filter((camera) => camera.kind === "file");
    await fillSources();
    if (scopes.has("events")) feed.start(collections);
    controls.run.disabled = false;
  } catch (error) {
    if (error.status === 401) return signIn();
    const action = { label: "Load again", run: () => location.reload() };
    return stage.showMessage({ icon: "warning", isBad: true, title: "The page could not be loaded", text: error.message, action });
  }
  untilEngineReady(engineIs);
  if (sessionStorage.getItem(RUNNING) || new URLSearchParams(location.search).has("camera")) start();
}

/* Controls */

function bindControls() {
  controls.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) stop();
    else start();
  });
  for (const select of [controls.source, controls.collection, controls.place]) {
    select.addEventListener("change", () => {
      remember();
      if (running) start();
    });
  }
  navigator.mediaDevices?.addEventListener?.("devicechange", fillSources);
  const screen = $("fullscreen");
  screen.hidden = !document.fullscreenEnabled;
  screen.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else $("stage").requestFullscreen();
  });
}

function choices() {
  try {
    return JSON.parse(localStorage.getItem(CHOICES)) ?? {};
  } catch {
    return {};
  }
}

function remember() {
  const { source, collection, place } = controls;
  localStorage.setItem(CHOICES, JSON.stringify({ source: source.value, collection: collection.value, place: place.value }));
}

/** Keep `wanted` chosen if it is (still) there. */
function fill(select, options, wanted) {
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
}

function fillCollections(collections) {
  const options = collections.map(({ id, name }) => element("option", { value: id }, name));
  fill(controls.collection, options, choices().collection);
  $("collection-control").hidden = collections.length < 2;
}

/** Rows of kind "browser" say where this device stands; events then carry that name. */
function fillPlaces(cameras) {
  const places = cameras.filter((camera) => camera.kind === "browser" && camera.is_enabled);
  const options = places.map(({ id, name }) => element("option", { value: id }, name));
  fill(controls.place, [element("option", { value: "" }, "This browser"), ...options], choices().place);
  $("place-control").hidden = !places.length;
}

async function fillSources() {
  const wanted = controls.source.value || wantedSource();
  const found = await listCameras();
  // Offered even where there seems to be none: starting it says what is wrong.
  const devices = (found.length ? found : [ANY_CAMERA]).map(({ id, label }) => element("option", { value: DEVICE + id }, label));
  const servers = serverCameras.map(({ id, name }) => element("option", { value: SERVER + id }, name));
  const groups = [element("optgroup", { label: "This device" }, devices)];
  const server = element("optgroup", { label: "Cameras of the server" }, servers);
  if (servers.length) groups.splice(found.length ? 1 : 0, 0, server);
  fill(controls.source, groups, wanted);
}

function wantedSource() {
  const camera = new URLSearchParams(location.search).get("camera");
  return camera ? SERVER + camera : choices().source;
}

function setRunning(isRunning) {
  controls.run.textContent = isRunning ? "Stop" : "Start";
  controls.run.classList.toggle("is-running", isRunning);
  if (isRunning) sessionStorage.setItem(RUNNING, "yes");
  else sessionStorage.removeItem(RUNNING);
}

function setState(state, words) {
  const node = $("state");
  node.dataset.state = state;
  node.textContent = words;
}

/* Start and stop */

async function start() {
  tearDown();
  setRunning(true);
  remember();
  setState("waiting", "Starting…");
  const mine = (attempt += 1);
  const source = controls.source.value;
  running = { kind: source.startsWith(SERVER) ? "server" : "device", feed: null, stream: null };
  if (running.kind === "server") watch(source.slice(SERVER.length));
  else await stream(source.slice(DEVICE.length), mine);
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
  fillSources(); // names of cameras are told once one is allowed
  waitForAnswers();
  const place = controls.place.value || null;
  // A place belongs to a collection of its own.
  const collection = place ? null : controls.collection.value || null;
  running.feed = new FrameStream(video, { collection, camera: place, options: {} }, {
    ...answers(),
    faces: (canvas, message, latencyMs) => showFaces(canvas, message, latencyMs),
  });
}

function watch(cameraId) {
  const name = serverCameras.find(({ id }) => id === cameraId)?.name ?? "Camera";
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
    status: ({ state }) => engineIs(state),
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
  if (running?.kind === "device") stage.showCamera();
}

function reconnecting() {
  setState("waiting", "Reconnecting…");
  present.clear();
  figures.reset();
  const words = { isBusy: true, title: "Reconnecting", text: "The server does not answer. It goes on by itself as soon as it is back." };
  if (running?.kind === "device") stage.showCamera(words);
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
  if (running.kind === "device") stage.showCamera(words);
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
