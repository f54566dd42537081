/** One camera's place: its picture with boxes, or words why there is none. It streams a camera of
 * this device, or watches one of the server. */

import { signIn } from "../web/api.js";
import { CameraProblem, onPermissionGranted, openCamera } from "./camera.js";
import { contextOf, element, inside, toast } from "../web/element.js";
import { ENGINE_WORDS } from "./engine.js";
import { Figures } from "./figures.js";
import { signs } from "./signs.js";
import { Stage } from "./stage.js";
import { FrameStream } from "./stream.js";
import { CameraWatch } from "./watch.js";

/** @import { ErrorMessage, FacesMessage, LiveFace, SessionOptions, Size, StatusMessage, StreamListeners, VisitChange } from "../web/types.js" */
/** @import { Message } from "./stage.js" */
/**
 * A camera to show; the id of one of this device is empty for any.
 *
 * @typedef {{isServer: boolean, id: string, name: string}} Source
 */
/**
 * What a tile tells the page, and asks it.
 *
 * @typedef {object} TileListeners
 * @property {() => Pick<SessionOptions, "collection" | "camera">} destination Of this device's frames.
 * @property {(face: LiveFace) => boolean} canPick
 * @property {(tile: Tile, face: LiveFace) => void} onPick
 * @property {(tile: Tile, faces: LiveFace[] | null, size?: Size) => void} onFaces Null: there is no picture.
 * @property {(event: VisitChange) => void} onVisit
 * @property {() => void} onRunning It was started, or has stopped.
 * @property {(status: StatusMessage) => void} [onStatus] A camera of the server sends no picture.
 * @property {() => void} onPermitted The browser gave its cameras: they have names now.
 */

const PROBLEM_AGAIN_MS = 10_000;
const RESIZE_PAUSE_MS = 200;
/** @type {Record<string, string>} */
const CAMERA_WORDS = { off: "Off", waiting: "Waiting", starting: "Starting…", running: "Connecting…", failed: "Failed" };
/** What is said of each problem, at the time when it was said last; of all tiles. @type {Map<string, number>} */
const problemToldAt = new Map();

export class Tile {
  isRunning = false;
  #root;
  #source;
  #on;
  #video;
  #state;
  #who;
  #figures;
  #stage;
  /** @type {FrameStream | CameraWatch | null} */
  #feed = null;
  /** @type {MediaStream | null} */
  #media = null;
  #attempt = 0; // a start that was overtaken by a stop or another start gives up
  #engine;
  #isOnScreen = true;
  /** @type {number | undefined} */
  #resizing;

  /**
   * @param {HTMLElement} root As in stage.html.
   * @param {Source} source
   * @param {TileListeners} on
   * @param {string} engine Its state; see `engineIs`.
   */
  constructor(root, source, on, engine = "ok") {
    this.#root = root;
    this.#source = source;
    this.#on = on;
    this.#engine = engine;
    this.#video = inside(root, "video", HTMLVideoElement);
    this.#state = inside(root, ".state", HTMLElement);
    this.#who = inside(root, ".stage-who", HTMLElement);
    this.#figures = new Figures(inside(root, ".figures", HTMLElement));
    this.#stage = new Stage(root, {
      canPick: on.canPick,
      onPick: (face) => on.onPick(this, face),
      onSize: () => this.#resizeSoon(),
    });
    root.setAttribute("aria-label", source.name);
    const about = inside(root, ".stage-about", HTMLAnchorElement);
    about.hidden = !source.isServer;
    about.href = `/cameras/${source.id}/`;
    about.setAttribute("aria-label", `About ${source.name}`);
  }

  get root() {
    return this.#root;
  }

  get source() {
    return this.#source;
  }

  /** It is seen, or scrolled away or hidden. @param {boolean} isOnScreen */
  setOnScreen(isOnScreen) {
    this.#isOnScreen = isOnScreen;
    this.resize();
  }

  /** Ask for pictures as they are shown now; none while nobody can see them. */
  resize() {
    clearTimeout(this.#resizing);
    if (this.#feed instanceof CameraWatch) this.#feed.resize(this.#sideWanted);
  }

  get #sideWanted() {
    return this.#isOnScreen && !document.hidden ? this.#stage.sidePx : 0;
  }

  #resizeSoon() {
    clearTimeout(this.#resizing);
    this.#resizing = setTimeout(() => this.resize(), RESIZE_PAUSE_MS);
  }

  /** The face cut out of the picture that is shown. @param {LiveFace} face */
  crop(face) {
    return this.#stage.crop(face);
  }

  /** @param {Message} message */
  showMessage(message) {
    this.#stage.showMessage(message);
  }

  /* Start and stop */

  start() {
    this.#tearDown();
    this.#setState("waiting", "Starting…");
    this.#setRunning(true);
    if (this.#source.isServer) this.#watch();
    else this.#stream();
  }

  stop() {
    this.#tearDown();
    this.#setState("idle", "Stopped");
    this.#setRunning(false);
  }

  /** Stop, and let go of the element. */
  leave() {
    this.#tearDown();
    this.#stage.leave();
    this.isRunning = false;
  }

  /** @param {boolean} isRunning */
  #setRunning(isRunning) {
    this.isRunning = isRunning;
    this.#on.onRunning();
  }

  #tearDown() {
    this.#attempt += 1;
    clearTimeout(this.#resizing);
    this.#feed?.stop();
    this.#feed = null;
    closeCamera(this.#media);
    this.#media = null;
    this.#video.srcObject = null;
    this.#clear();
  }

  #clear() {
    this.#figures.reset();
    this.#showWho([]);
    this.#on.onFaces(this, null);
  }

  async #stream() {
    const mine = this.#attempt;
    this.#stage.showMessage({ isBusy: true, title: "Waiting for the camera", text: "If the browser asks, allow it for this page." });
    let media;
    try {
      media = await openCamera(this.#source.id);
    } catch (problem) {
      if (mine === this.#attempt) this.#cameraFailed(problem);
      return;
    }
    if (mine !== this.#attempt) return closeCamera(media);
    this.#media = media;
    media.getVideoTracks()[0].onended = () => this.#cameraFailed(unplugged());
    const video = this.#video;
    video.srcObject = media;
    video.onresize = () => this.#stage.setRatio(video.videoWidth, video.videoHeight);
    await video.play().catch(() => {}); // a stop in between
    if (mine !== this.#attempt) return;
    this.#on.onPermitted();
    this.#waitForAnswers();
    this.#feed = new FrameStream(video, { ...this.#on.destination(), options: {} }, {
      ...this.#answers(),
      live: () => {
        this.#engine = "ok"; // sessions start once it is ready
        this.#waitForAnswers();
      },
      status: ({ state }) => this.engineIs(state),
      faces: (picture, message, latencyMs) => this.#showFaces(picture, message, latencyMs),
    });
  }

  #watch() {
    const { id, name } = this.#source;
    this.#stage.showMessage({ isBusy: true, title: name, text: "Waiting for its picture." });
    this.#feed = new CameraWatch(id, this.#sideWanted, {
      ...this.#answers(),
      faces: (bitmap, message) => this.#showFaces(bitmap, message, null),
      status: (status) => this.#cameraIs(status),
    });
  }

  /** @param {StatusMessage} status */
  #cameraIs({ state, message }) {
    const { name } = this.#source;
    const isComing = state === "running" || state === "starting";
    this.#setState(isComing ? "waiting" : "failed", CAMERA_WORDS[state] ?? state);
    this.#clear();
    const title = isComing ? name : `${name} is not running`;
    const text = message || (isComing ? "Waiting for its picture." : "It is switched off, or was not started yet.");
    this.#stage.showMessage({ isBusy: isComing, icon: "noCamera", isBad: true, title, text });
    this.#on.onStatus?.({ type: "status", state, message });
  }

  /** Show a picture while none comes; false if there is one. @param {HTMLImageElement} image */
  showStill(image) {
    if (this.#state.dataset.state === "live") return false;
    const { naturalWidth: width, naturalHeight: height } = image;
    const canvas = element("canvas", { width, height });
    contextOf(canvas).drawImage(image, 0, 0);
    this.#stage.showResult(canvas, [width, height], []);
    return true;
  }

  /** @param {unknown} problem */
  #cameraFailed(problem) {
    this.#tearDown();
    this.#setState("failed", "No camera");
    this.#setRunning(false);
    const known = problem instanceof CameraProblem ? problem : unplugged();
    const action = known.canRetry ? { label: "Try again", run: () => this.start() } : null;
    this.#stage.showMessage({ icon: known.icon, isBad: true, title: known.title, text: known.message, action });
    const mine = this.#attempt;
    onPermissionGranted(() => {
      if (mine === this.#attempt) this.start();
    });
  }

  /* What comes back */

  /** @returns {Omit<StreamListeners, "status">} */
  #answers() {
    return {
      live: () => this.#waitForAnswers(),
      event: (event) => this.#on.onVisit(event),
      problem,
      lost: () => this.#reconnecting(),
      refused: (refusal) => this.#refused(refusal.text, refusal.isSignedOut),
    };
  }

  /**
   * @param {HTMLCanvasElement | ImageBitmap} picture
   * @param {FacesMessage} message
   * @param {number | null} latencyMs
   */
  #showFaces(picture, message, latencyMs) {
    this.#setState("live", message.too_dark ? "Too dark to see faces" : "Live");
    this.#stage.showResult(picture, message.size, message.faces);
    this.#showWho(message.faces);
    this.#figures.add(message, latencyMs);
    this.#on.onFaces(this, message.faces, message.size);
  }

  /** @param {LiveFace[]} faces */
  #showWho(faces) {
    const found = signs(faces);
    const words = found.map(({ text }) => text).join();
    if (words === this.#root.dataset.who) return;
    this.#root.dataset.who = words;
    this.#root.dataset.decision = found[0]?.decision ?? "";
    this.#who.replaceChildren(...found.map(({ node }) => node));
  }

  /** @param {string} state @param {string} words */
  #setState(state, words) {
    if (this.#state.textContent === words && this.#state.dataset.state === state) return;
    this.#state.dataset.state = state;
    this.#state.textContent = words;
  }

  /** Over the picture of this device's camera, or in place of that of the server's. @param {Message} words */
  #say(words) {
    if (this.#source.isServer) this.#stage.showMessage(words);
    else this.#stage.showCamera(words);
  }

  /** Connected: the first answer changes the state to "live". @returns {void} */
  #waitForAnswers() {
    if (this.#engine !== "ok") return this.engineIs(this.#engine);
    this.#setState("waiting", "Connecting…");
    if (!this.#source.isServer) this.#stage.showCamera({ isBusy: true, title: "Connecting", text: "The first names come in a moment." });
  }

  #reconnecting() {
    this.#setState("waiting", "Reconnecting…");
    this.#clear();
    this.#say({ isBusy: true, title: "Reconnecting", text: "The server does not answer. It goes on by itself as soon as it is back." });
  }

  /** @param {string} text @param {boolean} mustSignIn */
  #refused(text, mustSignIn) {
    this.#tearDown();
    this.#setState("failed", "Stopped");
    this.#setRunning(false);
    const action = mustSignIn ? { label: "Sign in", run: signIn } : { label: "Try again", run: () => this.start() };
    this.#stage.showMessage({ icon: "lock", isBad: true, title: "The server refused", text, action });
  }

  /** @param {string} state @returns {void} */
  engineIs(state) {
    const known = state === "ready" ? "ok" : state;
    if (known === this.#engine && known === "ok") return;
    this.#engine = known;
    if (!this.#feed) return;
    if (known === "ok") return this.#waitForAnswers();
    const hasFailed = this.#engine === "failed";
    this.#setState("waiting", hasFailed ? "Engine failed" : "Warming up…");
    this.#say({ isBusy: !hasFailed, icon: "warning", isBad: hasFailed, title: hasFailed ? "No engine" : "Warming up", text: ENGINE_WORDS[this.#engine] ?? "" });
  }
}

/** Every frame may have the same problem: it is told once in a while. @param {ErrorMessage} error */
function problem({ code, message }) {
  const now = performance.now();
  if (code === "engine_busy" || now - (problemToldAt.get(code) ?? -Infinity) < PROBLEM_AGAIN_MS) return;
  problemToldAt.set(code, now);
  toast(message, { bad: true });
}

/** @param {MediaStream | null} media */
function closeCamera(media) {
  for (const track of media?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}

function unplugged() {
  return new CameraProblem({ icon: "noCamera", title: "The camera is gone", text: "It was unplugged or switched off. Connect it and try again." });
}
