/** The page of one camera: its picture with its areas, how it is doing, and its visits. */

import { api, isSignedOut, messageOf, query, rows, signIn } from "../web/api.js";
import { EnrolDialog, enrolVisit } from "../people/enrol.js";
import { AreaEditor } from "./areas.js";
import { ICONS, byId, element, icon, toast } from "../web/element.js";
import { Feed } from "./feed.js";
import { MinuteCharts } from "./charts.js";
import { timeLine } from "./scores.js";
import { Tile } from "./tile.js";

/** @import { CameraDetail, Collection, LiveFace, Me, Page, Visit } from "../web/types.js" */

const STATUS_AGAIN_MS = 5000;
/** @type {Record<string, string>} */
const WORDS = { off: "Off", waiting: "Waiting", starting: "Starting", running: "Running", failed: "Failed" };

const { id = "", name = "", mayEdit } = byId("camera", HTMLElement).dataset;
/** @type {AreaEditor | null} */
let areas = null;
/** @type {Set<string>} */
let scopes = new Set();

/** @param {LiveFace | Visit} face */
const canEnrol = (face) => scopes.has("enrol") && face.decision === "unknown";
const enrol = new EnrolDialog();
const ours = { query: { camera: id }, isOn: false, accepts: (/** @type {Visit} */ visit) => visit.camera?.id === id, learn() {}, onChange() {} };
const feed = new Feed({ canEnrol, onEnrol: openEnrol, filters: ours });
const charts = new MinuteCharts(`cameras/${id}/minutes`);
const tile = new Tile(byId("stage", HTMLElement), { isServer: true, id, name }, {
  destination: () => ({ collection: null, camera: null }),
  canPick: () => false,
  onPick() {},
  onFaces: (_, faces, size) => {
    if (faces) byId("still", HTMLElement).hidden = true;
    if (size) areas?.setSize(size);
  },
  onVisit: (event) => feed.hear(event),
  onRunning() {},
  onPermitted() {},
  onStatus: showLastVisit,
});

begin();

async function begin() {
  document.addEventListener("visibilitychange", () => tile.resize());
  try {
    /** @type {[Me, Collection[], CameraDetail]} */
    const [me, collections, camera] = await Promise.all([api("me"), rows("collections"), api(`cameras/${id}`)]);
    scopes = new Set(me.scopes);
    areas = new AreaEditor(byId("view", HTMLElement), camera.areas, {
      mayEdit: mayEdit !== undefined,
      save: (drawn) => api(`cameras/${id}`, { method: "PATCH", body: { areas: drawn } }),
    });
    showStatus(camera);
    if (scopes.has("events")) feed.start(`${me.name}:${id}`, collections);
    tile.start();
    charts.start();
  } catch (error) {
    if (isSignedOut(error)) return signIn();
    const action = { label: "Load again", run: () => location.reload() };
    return tile.showMessage({ icon: "warning", isBad: true, title: "The page could not be loaded", text: messageOf(error), action });
  }
  setInterval(readStatus, STATUS_AGAIN_MS);
}

async function readStatus() {
  if (document.hidden) return;
  const camera = await api(`cameras/${id}`).catch(() => null); // the tile says so
  if (camera) showStatus(camera);
}

/** @param {CameraDetail} camera */
function showStatus({ status, status_message: message, status_since: since }) {
  const node = byId("status", HTMLElement);
  const words = [`${WORDS[status] ?? status}`, ` since ${timeLine(since)}`, message ? ` · ${message}` : ""];
  if (node.textContent === words.join("")) return;
  node.dataset.state = status;
  node.replaceChildren(element("b", {}, words[0]), words[1], words[2]);
}

/** A camera that does not run shows the picture of its last visit. */
async function showLastVisit() {
  if (!scopes.has("events")) return;
  /** @type {Page<Visit>} */
  const { results: [visit] } = await api(`events${query({ camera: id, page_size: 1 })}`).catch(() => ({ results: [] }));
  if (!visit?.snapshot_url) return;
  const image = element("img", { src: visit.snapshot_url, alt: "" });
  await image.decode().catch(() => {});
  if (!image.naturalWidth || !tile.showStill(image)) return;
  areas?.setSize([image.naturalWidth, image.naturalHeight]);
  const note = byId("still", HTMLElement);
  note.textContent = `No picture comes now. This one is of the last visit, ${timeLine(visit.started_at)}.`;
  note.hidden = false;
}

/** @param {Visit} event */
function openEnrol(event) {
  enrol.open({
    collection: event.collection,
    picture: event.face_url ? element("img", { src: event.face_url, alt: "" }) : icon(ICONS.person),
    save: enrolVisit(event.id),
    done: async (person) => {
      toast(`${person} is enrolled and will be recognised.`);
      feed.put(await api(`events/${event.id}`));
    },
  });
}
