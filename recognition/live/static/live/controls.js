/** The controls under the picture: which camera, which collection, which place; start and stop. */

import { ANY_CAMERA, listCameras } from "./camera.js";
import { byId, element } from "../web/element.js";

/** @import { Camera, Collection, SessionOptions } from "../web/types.js" */
/** @typedef {{source?: string, collection?: string, place?: string}} Choices */

const DEVICE = "device:";
const SERVER = "server:";
const CHOICES = "facerec.live.choices"; // of this browser

export class Controls {
  #form = byId("controls", HTMLFormElement);
  #source = byId("source", HTMLSelectElement);
  #collection = byId("collection", HTMLSelectElement);
  #place = byId("place", HTMLSelectElement);
  #run = byId("run", HTMLButtonElement);
  /** @type {Camera[]} */
  #serverCameras = [];

  /**
   * onRun: the button was pressed; onChange: something else was chosen.
   *
   * @param {{onRun(): void, onChange(): void}} on
   */
  constructor({ onRun, onChange }) {
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
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.listSources());
  }

  /** {isServer, id}; the id is empty for any camera of this device. */
  get source() {
    const { value } = this.#source;
    const isServer = value.startsWith(SERVER);
    return { isServer, id: value.slice((isServer ? SERVER : DEVICE).length) };
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

  /** @param {string} cameraId */
  nameOf(cameraId) {
    return this.#serverCameras.find(({ id }) => id === cameraId)?.name ?? "Camera";
  }

  /** @param {Collection[]} collections @param {Camera[]} cameras */
  async fill(collections, cameras) {
    const wanted = choices();
    fill(this.#collection, collections.map(({ id, name }) => option(id, name)), wanted.collection);
    byId("collection-control", HTMLElement).hidden = collections.length < 2;
    // Rows of kind "browser" say where this device stands; events then carry that name.
    const places = cameras.filter((camera) => camera.kind === "browser" && camera.is_enabled);
    fill(this.#place, [option("", "This browser"), ...places.map(({ id, name }) => option(id, name))], wanted.place);
    byId("place-control", HTMLElement).hidden = !places.length;
    this.#serverCameras = cameras.filter((camera) => camera.kind === "file");
    await this.listSources();
    this.#run.disabled = false;
  }

  /** Again after a camera was allowed or plugged in: only then are they all told, with names. */
  async listSources() {
    const wanted = this.#source.value || wantedSource();
    const found = await listCameras();
    // Offered even where there seems to be none: starting it says what is wrong.
    const devices = (found.length ? found : [ANY_CAMERA]).map(({ id, label }) => option(DEVICE + id, label));
    const servers = this.#serverCameras.map(({ id, name }) => option(SERVER + id, name));
    const groups = [element("optgroup", { label: "This device" }, devices)];
    const server = element("optgroup", { label: "Cameras of the server" }, servers);
    if (servers.length) groups.splice(found.length ? 1 : 0, 0, server);
    fill(this.#source, groups, wanted);
  }

  remember() {
    const kept = { source: this.#source.value, collection: this.#collection.value, place: this.#place.value };
    localStorage.setItem(CHOICES, JSON.stringify(kept));
  }

  /** @param {boolean} isRunning */
  showRunning(isRunning) {
    this.#run.textContent = isRunning ? "Stop" : "Start";
    this.#run.classList.toggle("is-running", isRunning);
  }
}

/** An address with ?camera=ID asks for that camera of the server. */
export function wantedCamera() {
  return new URLSearchParams(location.search).get("camera");
}

function wantedSource() {
  const camera = wantedCamera();
  return camera ? SERVER + camera : choices().source;
}

/** @returns {Choices} */
function choices() {
  try {
    return JSON.parse(localStorage.getItem(CHOICES) ?? "null") ?? {};
  } catch {
    return {};
  }
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
