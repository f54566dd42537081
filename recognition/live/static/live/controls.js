/** The controls under the picture: which camera, which collection, which place; start and stop. */

import { ANY_CAMERA, listCameras } from "./camera.js";
import { element } from "../web/element.js";

const DEVICE = "device:";
const SERVER = "server:";
const CHOICES = "facerec.live.choices"; // of this browser

export class Controls {
  #form = document.getElementById("controls");
  #source = document.getElementById("source");
  #collection = document.getElementById("collection");
  #place = document.getElementById("place");
  #run = document.getElementById("run");
  #serverCameras = [];

  /** onRun: the button was pressed; onChange: something else was chosen. */
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

  /** What a stream is compared with and filed under. A place belongs to a collection of its own. */
  get destination() {
    const camera = this.#place.value || null;
    return { collection: camera ? null : this.#collection.value || null, camera };
  }

  nameOf(cameraId) {
    return this.#serverCameras.find(({ id }) => id === cameraId)?.name ?? "Camera";
  }

  async fill(collections, cameras) {
    const wanted = choices();
    fill(this.#collection, collections.map(({ id, name }) => option(id, name)), wanted.collection);
    document.getElementById("collection-control").hidden = collections.length < 2;
    // Rows of kind "browser" say where this device stands; events then carry that name.
    const places = cameras.filter((camera) => camera.kind === "browser" && camera.is_enabled);
    fill(this.#place, [option("", "This browser"), ...places.map(({ id, name }) => option(id, name))], wanted.place);
    document.getElementById("place-control").hidden = !places.length;
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

function choices() {
  try {
    return JSON.parse(localStorage.getItem(CHOICES)) ?? {};
  } catch {
    return {};
  }
}

function option(value, text) {
  return element("option", { value }, text);
}

/** Keep `wanted` chosen if it is (still) there. */
function fill(select, options, wanted) {
  select.replaceChildren(...options);
  if ([...select.options].some(({ value }) => value === wanted)) select.value = wanted;
}
