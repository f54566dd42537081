/** The page to import people: what is dropped is sent in pieces, and goes on where it stopped. */

import { ApiError, api, isAbort, messageOf, query } from "../web/api.js";
import { inside } from "../web/element.js";
import { chosenFiles, droppedParcel, folderParcel, zipParcel } from "./dropped.js";

/** @import { ImportRun } from "../web/types.js" */
/** @import { Parcel } from "./dropped.js" */

const AGAIN_AFTER_MS = 2000;
const MEMORY = "facerec-import:";

const form = inside(document, "form.fr-import", HTMLFormElement);
const drop = inside(form, ".fr-drop", HTMLElement);
const state = inside(form, ".fr-drop-state", HTMLElement);
const bar = inside(form, "progress", HTMLProgressElement);
const stop = inside(form, "[data-stop]", HTMLButtonElement);
const collection = inside(form, "[name=collection]", HTMLSelectElement);
const pieceBytes = Number(form.dataset.pieceBytes);
/** @type {AbortController | null} */
let sending = null;

/** @param {string} text */
function say(text, isWrong = false) {
  state.textContent = text;
  state.hidden = false;
  drop.classList.toggle("fr-drop-wrong", isWrong);
}

/** @param {Parcel | null} parcel */
async function send(parcel) {
  if (sending) return;
  if (!parcel) return say("There is no file to send.", true);
  sending = new AbortController();
  drop.classList.add("fr-drop-busy");
  bar.hidden = stop.hidden = false;
  try {
    const run = await begun(parcel);
    await sendRest(parcel, run, sending.signal);
    say("Checking the archive…");
    await api(`imports/${run.id}/finish`, { method: "POST" });
    forget(parcel);
    location.assign(`${form.dataset.report}${run.id}/change/`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) forget(parcel);
    if (isAbort(error)) say("Paused. Drop the same file or folder again to continue.");
    else say(messageOf(error), true);
  } finally {
    sending = null;
    drop.classList.remove("fr-drop-busy");
    stop.hidden = true;
  }
}

/** The import of this parcel that waits for the rest of it, or a new one. @param {Parcel} parcel @returns {Promise<ImportRun>} */
async function begun(parcel) {
  const known = localStorage.getItem(key(parcel));
  if (known) {
    /** @type {ImportRun | null} */
    const run = await api(`imports/${known}`).catch(() => null);
    if (run?.state === "uploading" && run.size === parcel.size) return run;
  }
  const body = { collection: collection.value, name: parcel.name, size: parcel.size };
  /** @type {ImportRun} */
  const run = await api("imports", { method: "POST", body });
  localStorage.setItem(key(parcel), run.id);
  return run;
}

/**
 * Send the parcel. If the connection breaks, wait and continue.
 *
 * @param {Parcel} parcel
 * @param {ImportRun} run
 * @param {AbortSignal} signal
 */
async function sendRest(parcel, run, signal) {
  let from = run.received ?? 0;
  while (from < parcel.size) {
    try {
      for await (const piece of pieces(parcel, from)) {
        signal.throwIfAborted();
        const path = `imports/${run.id}/pieces${query({ offset: from })}`;
        from = (await api(path, { method: "PUT", body: piece, signal })).received;
        bar.value = from / parcel.size;
        say(`${megabytes(from)} of ${megabytes(parcel.size)} MB sent`);
      }
    } catch (error) {
      if (!mayHeal(error)) throw error;
      say(`${messageOf(error)} Trying again…`, true);
      await pause(signal);
      /** @type {ImportRun | null} */
      const now = await api(`imports/${run.id}`).catch(() => null);
      from = now?.received ?? from;
    }
  }
}

/** @param {Parcel} parcel @param {number} from */
async function* pieces(parcel, from) {
  /** @type {BlobPart[]} */
  let parts = [];
  let size = 0;
  for await (const part of parcel.parts(from)) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + pieceBytes - size);
      parts.push(/** @type {BlobPart} */ (taken));
      size += taken.length;
      at += taken.length;
      if (size === pieceBytes) {
        yield blob(parts);
        parts = [];
        size = 0;
      }
    }
  }
  if (size) yield blob(parts);
}

/** @param {BlobPart[]} parts */
function blob(parts) {
  return new Blob(parts, { type: "application/octet-stream" });
}

/** @param {unknown} error */
function mayHeal(error) {
  if (!(error instanceof ApiError)) return false;
  return error.status === 0 || error.status === 429 || error.status >= 500 || error.code === "wrong_offset";
}

/** @param {AbortSignal} signal */
function pause(signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, AGAIN_AFTER_MS);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** @param {Parcel} parcel */
function key(parcel) {
  return `${MEMORY}${collection.value}:${parcel.mark}`;
}

/** @param {Parcel} parcel */
function forget(parcel) {
  localStorage.removeItem(key(parcel));
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}

for (const kind of ["zip", "folder"]) {
  const input = inside(form, `input[name=${kind}]`, HTMLInputElement);
  inside(form, `[data-choose=${kind}]`, HTMLButtonElement).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = input.files;
    if (files?.length) void send(kind === "zip" ? zipParcel(files[0]) : folderParcel(chosenFiles(files)));
    input.value = "";
  });
}
stop.addEventListener("click", () => sending?.abort());
form.addEventListener("submit", (event) => event.preventDefault());
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("fr-drop-over");
});
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("fr-drop-over"));
}
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  if (event.dataTransfer) await send(await droppedParcel(event.dataTransfer));
});
