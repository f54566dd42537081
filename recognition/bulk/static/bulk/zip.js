/**
 * A ZIP of files that is written while it is sent. Files are stored without compression (photos are
 * compressed already), so its size and all bytes follow from the files, and sending can continue
 * from any offset.
 */

/** @typedef {{path: string, file: File}} PathFile */

const LOCAL = 30, DESCRIPTOR = 16, CENTRAL = 46, OFFSET64 = 12, END = 22, END64 = 76;
// Flags: names are in UTF-8, and the check sum follows the file.
const FLAGS = 0x0808;
const DAY_ONE = 0x21;
const MOST32 = 0xffffffff, MOST16 = 0xffff;
const READ_BYTES = 2 ** 20;

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** @param {number} crc @param {Uint8Array} bytes */
export function crc32(crc, bytes) {
  crc = ~crc;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The size of the ZIP in bytes. @param {PathFile[]} files */
export function zipSize(files) {
  const { entries, directoryAt, directorySize } = layout(files);
  return directoryAt + directorySize + endSize(entries.length, directoryAt);
}

/**
 * The bytes of the ZIP from the offset `from` on, in parts of any size.
 *
 * @param {PathFile[]} files
 * @param {number} from
 */
export async function* zipParts(files, from) {
  let at = 0;
  for await (const part of wholeZip(files)) {
    if (at + part.length > from) yield part.subarray(Math.max(0, from - at));
    at += part.length;
  }
}

/** @param {PathFile[]} files @returns {AsyncGenerator<Uint8Array>} */
async function* wholeZip(files) {
  const { entries, directoryAt, directorySize } = layout(files);
  const sums = [];
  for (const { name, file } of entries) {
    yield header(LOCAL, name, (view) => {
      view.setUint32(0, 0x04034b50, true);
      view.setUint16(4, 20, true);
      view.setUint16(6, FLAGS, true);
      view.setUint16(12, DAY_ONE, true);
      view.setUint16(26, name.length, true);
    });
    let crc = 0;
    for (let start = 0; start < file.size; start += READ_BYTES) {
      const bytes = new Uint8Array(await file.slice(start, start + READ_BYTES).arrayBuffer());
      crc = crc32(crc, bytes);
      yield bytes;
    }
    sums.push(crc);
    yield numbers([[4, 0x08074b50], [4, crc], [4, file.size], [4, file.size]]);
  }
  for (const [n, { name, file, offset }] of entries.entries()) {
    yield central(name, file.size, sums[n], offset);
  }
  yield end(entries.length, directoryAt, directorySize);
}

/** @param {PathFile[]} files */
function layout(files) {
  const encoder = new TextEncoder();
  let offset = 0, directorySize = 0;
  const entries = files.map(({ path, file }) => {
    const entry = { name: encoder.encode(path), file, offset };
    directorySize += CENTRAL + entry.name.length + (offset >= MOST32 ? OFFSET64 : 0);
    offset += LOCAL + entry.name.length + file.size + DESCRIPTOR;
    return entry;
  });
  return { entries, directoryAt: offset, directorySize };
}

/** @param {Uint8Array} name @param {number} size @param {number} crc @param {number} offset */
function central(name, size, crc, offset) {
  const isFar = offset >= MOST32;
  const extra = isFar ? numbers([[2, 1], [2, 8], [8, offset]]) : new Uint8Array();
  return header(CENTRAL, join(name, extra), (view) => {
    view.setUint32(0, 0x02014b50, true);
    view.setUint16(4, 45, true);
    view.setUint16(6, isFar ? 45 : 20, true);
    view.setUint16(8, FLAGS, true);
    view.setUint16(14, DAY_ONE, true);
    view.setUint32(16, crc, true);
    view.setUint32(20, size, true);
    view.setUint32(24, size, true);
    view.setUint16(28, name.length, true);
    view.setUint16(30, extra.length, true);
    view.setUint32(42, isFar ? MOST32 : offset, true);
  });
}

/** @param {number} count @param {number} at */
function endSize(count, at) {
  return count >= MOST16 || at >= MOST32 ? END64 + END : END;
}

/** @param {number} count @param {number} at @param {number} size */
function end(count, at, size) {
  const short = numbers([
    [4, 0x06054b50], [2, 0], [2, 0], [2, Math.min(count, MOST16)], [2, Math.min(count, MOST16)],
    [4, Math.min(size, MOST32)], [4, Math.min(at, MOST32)], [2, 0],
  ]);
  if (endSize(count, at) === END) return short;
  const long = numbers([
    [4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, at],
    [4, 0x07064b50], [4, 0], [8, at + size], [4, 1],
  ]);
  return join(long, short);
}

/** @param {number} size @param {Uint8Array} name @param {(view: DataView) => void} fill */
function header(size, name, fill) {
  const bytes = new Uint8Array(size + name.length);
  fill(new DataView(bytes.buffer));
  bytes.set(name, size);
  return bytes;
}

/** Little-endian numbers, each with its width in bytes. @param {[number, number][]} values */
function numbers(values) {
  const bytes = new Uint8Array(values.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of values) {
    if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return bytes;
}

/** @param {Uint8Array} one @param {Uint8Array} other */
function join(one, other) {
  const bytes = new Uint8Array(one.length + other.length);
  bytes.set(one);
  bytes.set(other, one.length);
  return bytes;
}
