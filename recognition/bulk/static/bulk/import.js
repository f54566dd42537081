/** Pages to import people and to send recordings: what is dropped is sent in pieces, and goes on where it stopped. */

import { ApiError, api, isAbort, messageOf, query } from "../web/api.js";
import { inside } from "../web/element.js";
import { chosenFiles, droppedFile, droppedParcel, fileParcel, folderParcel } from "./dropped.js";

/** @import { Sendable } from "../web/types.js" */
/** @import { Parcel } from "./dropped.js" */

const AGAIN_AFTER_MS = 2000;

const form = inside(document, "form.fr-import", HTMLFormElement);
const drop = inside(form, ".fr-drop", HTMLElement);
const state = inside(form, ".fr-drop-state", HTMLElement);
const bar = inside(form, "progress", HTMLProgressElement);
const stop = inside(form, "[data-stop]", HTMLButtonElement);
const collection = inside(form, "[name=collection]", HTMLSelectElement);
const pieceBytes = Number(form.dataset.pieceBytes);
const of = form.dataset.of ?? "imports";
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
  if (!form.reportValidity()) return;
  sending = new AbortController();
  drop.classList.add("fr-drop-busy");
  bar.hidden = stop.hidden = false;
  try {
    const run = await begun(parcel);
    await sendRest(parcel, run, sending.signal);
    say("Checking the file…");
    await api(`${of}/${run.id}/finish`, { method: "POST" });
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

/** The row of this parcel that waits for the rest of it, or a new one. @param {Parcel} parcel @returns {Promise<Sendable>} */
async function begun(parcel) {
  const known = localStorage.getItem(key(parcel));
  if (known) {
    /** @type {Sendable | null} */
    const run = await api(`${of}/${known}`).catch(() => null);
    if (run?.state === "uploading" && run.size === parcel.size) return run;
  }
  const body = { collection: collection.value, name: parcel.name, size: parcel.size, ...more() };
  /** @type {Sendable} */
  const run = await api(of, { method: "POST", body });
  localStorage.setItem(key(parcel), run.id);
  return run;
}

/** What else the form asks for, by name. */
function more() {
  /** @type {Record<string, string | number | boolean>} */
  const values = {};
  for (const input of form.querySelectorAll("[data-value]")) {
    if (input instanceof HTMLSelectElement && input.value) values[input.name] = input.value;
    if (!(input instanceof HTMLInputElement)) continue;
    if (input.type === "checkbox") values[input.name] = input.checked;
    else if (input.type === "number") values[input.name] = input.valueAsNumber;
    else values[input.name] = new Date(input.value).toISOString();
  }
  return values;
}

/**
 * Send the parcel. If the connection breaks, wait and continue.
 *
 * @param {Parcel} parcel
 * @param {Sendable} run
 * @param {AbortSignal} signal
 */
async function sendRest(parcel, run, signal) {
  let from = run.received ?? 0;
  while (from < parcel.size) {
    try {
      for await (const piece of pieces(parcel, from)) {
        signal.throwIfAborted();
        const path = `${of}/${run.id}/pieces${query({ offset: from })}`;
        from = (await api(path, { method: "PUT", body: piece, signal })).received;
        bar.value = from / parcel.size;
        say(`${megabytes(from)} of ${megabytes(parcel.size)} MB sent`);
      }
    } catch (error) {
      if (!mayHeal(error)) throw error;
      say(`${messageOf(error)} Trying again…`, true);
      await pause(signal);
      /** @type {Sendable | null} */
      const now = await api(`${of}/${run.id}`).catch(() => null);
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
  return `facerec-${of}:${collection.value}:${parcel.mark}`;
}

/** @param {Parcel} parcel */
function forget(parcel) {
  localStorage.removeItem(key(parcel));
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}

for (const button of form.querySelectorAll("[data-choose]")) {
  const kind = /** @type {HTMLElement} */ (button).dataset.choose;
  const input = inside(form, `input[name=${kind}]`, HTMLInputElement);
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = input.files;
    if (files?.length) void send(kind === "folder" ? folderParcel(chosenFiles(files)) : fileParcel(files[0]));
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
  if (!event.dataTransfer) return;
  await send(of === "imports" ? await droppedParcel(event.dataTransfer) : droppedFile(event.dataTransfer));
});
