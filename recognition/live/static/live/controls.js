/** The controls under the wall: which cameras, which collection, which place; start and stop. */

import { ANY_CAMERA, listCameras } from "./camera.js";
import { Chooser } from "./chooser.js";
import { byId, element } from "../web/element.js";
import { MOST_TILES } from "./wall.js";

/** @import { Camera, Collection, SessionOptions } from "../web/types.js" */
/** @import { Source } from "./tile.js" */
/** @typedef {{source?: string, wall?: string[], collection?: string, place?: string}} Choices */

const DEVICE = "device:";
const SERVER = "server:";
const WALL = "wall"; // the option that stands for several cameras

export class Controls {
  #form = byId("controls", HTMLFormElement);
  #source = byId("source", HTMLSelectElement);
  #several = byId("several", HTMLButtonElement);
  #collection = byId("collection", HTMLSelectElement);
  #place = byId("place", HTMLSelectElement);
  #run = byId("run", HTMLButtonElement);
  #key = "";
  /** @type {Camera[]} */
  #serverCameras = [];
  /** @type {string[]} The cameras of the wall, if there are several. */
  #wall = [];
  #chooser = new Chooser((values) => this.#chose(values));
  #onChange;

  /**
   * onRun: the button was pressed; onChange: something else was chosen.
   *
   * @param {{onRun(): void, onChange(): void}} on
   */
  constructor({ onRun, onChange }) {
    this.#onChange = onChange;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onRun();
    });
    for (const select of [this.#source, this.#collection, this.#place]) {
      select.addEventListener("change", () => {
        this.remember();
        onChange();
      });
    }
    this.#several.addEventListener("click", () => this.#choose());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.listSources());
  }

  /** @returns {Source[]} */
  get sources() {
    return this.#values.map((value) => {
      const isServer = value.startsWith(SERVER);
      const id = value.slice((isServer ? SERVER : DEVICE).length);
      return { isServer, id, name: isServer ? this.#nameOf(id) : "This device" };
    });
  }

  /** Is it a wall that shows without a word: of cameras of the server alone? */
  get isServerWall() {
    return this.#values.length > 1 && this.sources.every(({ isServer }) => isServer);
  }

  /**
   * What a stream is compared with and filed under. A place belongs to a collection of its own.
   *
   * @returns {Pick<SessionOptions, "collection" | "camera">}
   */
  get destination() {
    const camera = this.#place.value || null;
    return { collection: camera ? null : this.#collection.value || null, camera };
  }

  /** @param {string} user Whose choices are remembered. @param {Collection[]} collections @param {Camera[]} cameras */
  async fill(user, collections, cameras) {
    this.#key = `facerec.live.choices:${user}`;
    const wanted = this.#choices();
    fill(this.#collection, collections.map(({ id, name }) => option(id, name)), wanted.collection);
    byId("collection-control", HTMLElement).hidden = collections.length < 2;
    // Rows of kind "browser" say where this device stands; events then carry that name.
    const places = cameras.filter((camera) => camera.kind === "browser" && camera.is_enabled);
    fill(this.#place, [option("", "This browser"), ...places.map(({ id, name }) => option(id, name))], wanted.place);
    byId("place-control", HTMLElement).hidden = !places.length;
    this.#serverCameras = cameras.filter((camera) => camera.kind !== "browser");
    this.#serverCameras.sort((a, b) => a.name.localeCompare(b.name));
    this.#several.hidden = !this.#serverCameras.length;
    const named = this.#present(this.#ofAddress(wanted));
    this.#wall = named.length > 1 ? named : this.#present(wanted.wall);
    await this.listSources(named.length > 1 ? WALL : named[0] ?? wanted.source);
    this.#run.disabled = false;
  }

  /**
   * Again after a camera was allowed or plugged in: only then are they all told, with names.
   *
   * @param {string} [wanted]
   */
  async listSources(wanted = this.#source.value) {
    const found = await listCameras();
    // Offered even where there seems to be none: starting it says what is wrong.
    const devices = (found.length ? found : [ANY_CAMERA]).map(({ id, label }) => option(DEVICE + id, label));
    const servers = this.#serverCameras.map(({ id, name }) => option(SERVER + id, name));
    const groups = [element("optgroup", { label: "This device" }, devices)];
    const server = element("optgroup", { label: "Cameras of the server" }, servers);
    if (servers.length) groups.splice(found.length ? 1 : 0, 0, server);
    const wall = element("optgroup", { label: "Wall" }, option(WALL, `${this.#wall.length} cameras`));
    if (this.#wall.length > 1) groups.push(wall);
    fill(this.#source, groups, wanted);
  }

  remember() {
    const kept = { source: this.#source.value, wall: this.#wall, collection: this.#collection.value, place: this.#place.value };
    localStorage.setItem(this.#key, JSON.stringify(kept));
  }

  /** @param {boolean} isRunning */
  showRunning(isRunning) {
    this.#run.textContent = isRunning ? "Stop" : "Start";
    this.#run.classList.toggle("is-running", isRunning);
    // The address shows the same wall to whom it is sent.
    const names = this.sources.map(({ isServer, id }) => (isServer ? id : "device"));
    const search = isRunning ? `?cameras=${names.join()}` : "";
    if (search !== location.search) history.replaceState(null, "", location.pathname + search);
  }

  get #values() {
    return this.#source.value === WALL ? this.#wall : [this.#source.value];
  }

  /** The cameras that an address with ?cameras=ID,ID,device asks for. @param {Choices} wanted */
  #ofAddress({ source }) {
    const device = source?.startsWith(DEVICE) ? source : DEVICE;
    return wantedCameras()?.map((name) => (name === "device" ? device : SERVER + name));
  }

  #choose() {
    const device = this.#values.find((value) => value.startsWith(DEVICE)) ?? DEVICE;
    // A camera that was not started is not chosen yet.
    const isChosen = this.#source.value === WALL || this.#run.classList.contains("is-running");
    const servers = this.#serverCameras.map(({ id, name }) => ({ value: SERVER + id, name }));
    this.#chooser.open([{ value: device, name: "This device" }, ...servers], isChosen ? this.#values : []);
  }

  /** @param {string[]} values */
  async #chose(values) {
    if (values.length > 1) this.#wall = values;
    await this.listSources(values.length > 1 ? WALL : values[0]);
    this.remember();
    this.#onChange();
  }

  /** Without cameras that are gone. @param {string[]} [values] */
  #present(values = []) {
    const known = new Set(this.#serverCameras.map(({ id }) => SERVER + id));
    return values.filter((value) => value.startsWith(DEVICE) || known.has(value));
  }

  /** @param {string} cameraId */
  #nameOf(cameraId) {
    return this.#serverCameras.find(({ id }) => id === cameraId)?.name ?? "Camera";
  }

  /** @returns {Choices} */
  #choices() {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "null") ?? {};
    } catch {
      return {};
    }
  }
}

/** What stands in the address, at most as many as the wall has places. */
export function wantedCameras() {
  const named = new URLSearchParams(location.search).get("cameras")?.split(",").filter(Boolean);
  return named?.length ? [...new Set(named)].slice(0, MOST_TILES) : null;
}

/** @param {string} value @param {string} text */
function option(value, text) {
  return element("option", { value }, text);
}

/**
 * Keep `wanted` chosen if it is (still) there.
 *
 * @param {HTMLSelectElement} select
 * @param {HTMLElement[]} options
 * @param {string | undefined} wanted
 */
function fill(select, options, wanted) {
  select.replaceChildren(...options);
  if (wanted !== undefined && [...select.options].some(({ value }) => value === wanted)) select.value = wanted;
}
