/** Turns what was dropped or chosen into a parcel to send: a ZIP as it is, a folder as a new ZIP. */

import { zipParts, zipSize } from "./zip.js";

/** @import { PathFile } from "./zip.js" */

/**
 * @typedef {object} Parcel
 * @property {string} name
 * @property {number} size In bytes.
 * @property {string} mark The same for the same files, so that sending can continue later.
 * @property {(from: number) => AsyncIterable<Uint8Array>} parts The bytes from an offset on.
 */

/** @param {File} file @returns {Parcel} */
export function fileParcel(file) {
  return {
    name: file.name,
    size: file.size,
    mark: `${file.name}:${file.size}:${file.lastModified}`,
    async *parts(from) {
      const step = 2 ** 20;
      for (let at = from; at < file.size; at += step) {
        yield new Uint8Array(await file.slice(at, at + step).arrayBuffer());
      }
    },
  };
}

/** @param {PathFile[]} files @returns {Parcel} */
export function folderParcel(files) {
  const sorted = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  const size = zipSize(sorted);
  const name = sorted[0].path.split("/")[0];
  return {
    name,
    size,
    mark: `${name}:${sorted.length}:${size}`,
    parts: (from) => zipParts(sorted, from),
  };
}

/** @param {FileList} files From an input for folders. @returns {PathFile[]} */
export function chosenFiles(files) {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** @param {DataTransfer} transfer @returns {Promise<Parcel | null>} null if there is nothing to send. */
export async function droppedParcel(transfer) {
  // Read the list now, because it is empty after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const plain = [...transfer.files];
  if (plain.length === 1 && !entries[0]?.isDirectory && plain[0].name.toLowerCase().endsWith(".zip")) {
    return fileParcel(plain[0]);
  }
  const found = (await Promise.all(entries.map((entry) => filesBelow(entry)))).flat();
  const files = entries.length ? found : plain.map((file) => ({ path: file.name, file }));
  return files.length ? folderParcel(files) : null;
}

/** @param {DataTransfer} transfer @returns {Parcel | null} null: not one file. */
export function droppedFile(transfer) {
  const entry = transfer.items[0]?.webkitGetAsEntry();
  return transfer.files.length === 1 && !entry?.isDirectory ? fileParcel(transfer.files[0]) : null;
}

/** @param {FileSystemEntry} entry @returns {Promise<PathFile[]>} */
async function filesBelow(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    /** @type {File} */
    const file = await new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} At most a hundred at a time; empty at the end. */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const one of some) found.push(...(await filesBelow(one)));
  }
}
