/** The live page: a wall of cameras, who is in front of them now, and the visits beside it. */

import { api, isSignedOut, messageOf, rows, signIn } from "../web/api.js";
import { EnrolDialog, enrolVisit } from "../people/enrol.js";
import { Controls, wantedCameras } from "./controls.js";
import { ICONS, byId, element, icon, toast } from "../web/element.js";
import { untilEngineReady } from "./engine.js";
import { Feed } from "./feed.js";
import { Filters } from "./filters.js";
import { Present } from "./present.js";
import { Wall } from "./wall.js";

/** @import { Collection, Camera, LiveFace, Me, Visit } from "../web/types.js" */
/** @import { Tile } from "./tile.js" */

const RUNNING = "facerec.live.running"; // of this tab: a reload goes on

/** @type {Set<string>} */
let scopes = new Set();

// "Unknown" is a claim worth correcting; one that is still "pending" is not made yet.
/** @param {LiveFace | Visit} face */
const canEnrol = (face) => scopes.has("enrol") && face.decision === "unknown";
/** @param {LiveFace} face */
const canEnrolFace = (face) => canEnrol(face) && Boolean(face.event);
const filters = new Filters();
const feed = new Feed({ canEnrol, onEnrol: (event) => openEnrol(event), filters });
const enrol = new EnrolDialog();
const present = new Present({ canEnrol: canEnrolFace, onEnrol: (face) => wall.front && enrolFace(wall.front, face) });
const controls = new Controls({ onRun: () => (wall.isRunning ? stop() : start()), onChange: changed });
const wall = new Wall({
  destination: () => controls.destination,
  canPick: canEnrolFace,
  onPick: enrolFace,
  onFaces: (tile, faces) => {
    if (tile === wall.front) showPresent(faces);
  },
  onVisit: (event) => feed.hear(event),
  onRunning: follow,
  onPermitted: () => controls.listSources(),
}, () => showPresent(null));

begin();

async function begin() {
  wall.show(controls.sources);
  offerFullScreen();
  try {
    /** @type {[Me, Collection[], Camera[]]} */
    const [me, collections, cameras] = await Promise.all([api("me"), rows("collections"), rows("cameras")]);
    scopes = new Set(me.scopes);
    const isAsked = wantedCameras() !== null; // before the address follows what is chosen
    await controls.fill(me.name, collections, cameras);
    filters.fill(cameras);
    if (scopes.has("events")) feed.start(me.name, collections);
    wall.show(controls.sources);
    showIdle();
    if (isAsked || sessionStorage.getItem(RUNNING) || controls.isServerWall) start();
  } catch (error) {
    if (isSignedOut(error)) return signIn();
    const action = { label: "Load again", run: () => location.reload() };
    return wall.showMessage({ icon: "warning", isBad: true, title: "The page could not be loaded", text: messageOf(error), action });
  }
  untilEngineReady((state) => wall.engineIs(state));
}

/** Of the whole page, so that the visits stay in view. */
function offerFullScreen() {
  const button = byId("fullscreen", HTMLButtonElement);
  button.hidden = !document.fullscreenEnabled;
  const toggle = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  button.addEventListener("click", toggle);
  addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
    const isTyping = target instanceof Element && target.closest("input, select, dialog");
    if (key === "f" && !isTyping && !ctrlKey && !metaKey && !altKey && !button.hidden) toggle();
  });
}

/* Start and stop */

function start() {
  controls.remember();
  wall.show(controls.sources);
  wall.start();
}

function stop() {
  wall.stop();
  showIdle();
}

/** Other cameras were chosen, or another place. */
function changed() {
  if (wall.isRunning || controls.isServerWall) return start();
  wall.show(controls.sources);
  showIdle();
}

function follow() {
  controls.showRunning(wall.isRunning);
  if (wall.isRunning) sessionStorage.setItem(RUNNING, "yes");
  else sessionStorage.removeItem(RUNNING);
}

function showIdle() {
  const action = { label: "Start", run: start };
  wall.showMessage({ title: "Ready when you are", text: "Choose a camera and start. Everybody in the picture is named as they come.", action });
}

/** @param {LiveFace[] | null} faces */
function showPresent(faces) {
  if (faces) present.show(faces);
  else present.clear();
}

/* Enrol this face */

/** @param {Tile} tile @param {LiveFace} face */
async function enrolFace(tile, face) {
  if (!face.event) return;
  const picture = tile.crop(face);
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
