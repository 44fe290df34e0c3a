// @ts-check
/**
 * The files of a ZIP archive, read in the browser: the server unpacks none. The whole list is checked before anything
 * is unpacked, and a file is unpacked no further than the list says.
 */

/** @typedef {{name: string, size: number, packed: number, method: number, at: number}} Entry */

const END = 0x06054b50;
const LISTED = 0x02014b50;
const END_BYTES = 22;
const LISTED_BYTES = 46;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
const MANY = 0xffffffff; // "see the 64-bit record"
const SYMLINK = 0xa000;
const MOST_ENTRIES = 100_000;
const STORED = 0;
const DEFLATED = 8;

/** What an archive is refused for, in one sentence. */
export class BadArchive extends Error {}

/** @param {Blob} archive @returns {Promise<Entry[]>} its files, without folders and hidden files */
export async function entriesOf(archive) {
  const tail = await view(archive, Math.max(0, archive.size - END_BYTES - LONGEST_COMMENT), archive.size);
  const end = lastEnd(tail);
  const [count, bytes, start] = [
    tail.getUint16(end + 10, true),
    tail.getUint32(end + 12, true),
    tail.getUint32(end + 16, true),
  ];
  if (start === MANY || bytes === MANY || count === 0xffff) {
    throw new BadArchive(
      "The archive is larger than 4 GB or has 65,535 files or more: unpack it and choose the folder.",
    );
  }
  if (start + bytes > archive.size) throw new BadArchive("The archive is cut off.");
  return listed(await view(archive, start, start + bytes), count);
}

/** @param {DataView} tail @returns {number} where the end record stands */
function lastEnd(tail) {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) === END) return at;
  }
  throw new BadArchive("This is no ZIP archive, or its end is missing.");
}

/** @param {DataView} list @param {number} count @returns {Entry[]} */
function listed(list, count) {
  if (count > MOST_ENTRIES) throw new BadArchive("The archive has too many files.");
  const entries = [];
  for (let at = 0, number = 0; number < count; number++) {
    if (at + LISTED_BYTES > list.byteLength || list.getUint32(at, true) !== LISTED) {
      throw new BadArchive("The list of files in the archive is damaged.");
    }
    const [name, extra, comment] = [28, 30, 32].map((offset) => list.getUint16(at + offset, true));
    const bytes = new Uint8Array(list.buffer, list.byteOffset + at + LISTED_BYTES, name);
    entries.push(checked(list, at, new TextDecoder().decode(bytes).replaceAll("\\", "/")));
    at += LISTED_BYTES + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return entries.filter(({ name }) => !name.endsWith("/") && !isHidden(name));
}

/** @param {DataView} list @param {number} at @param {string} name @returns {Entry} */
function checked(list, at, name) {
  const method = list.getUint16(at + 10, true);
  if (name.startsWith("/") || /^[a-z]:/iu.test(name) || name.split("/").includes("..")) {
    throw new BadArchive(`The archive names a file outside of itself: ${name}.`);
  }
  if (((list.getUint32(at + 38, true) >>> 16) & 0xf000) === SYMLINK) {
    throw new BadArchive(`The archive holds a link: ${name}. Pack the files themselves.`);
  }
  if (list.getUint16(at + 8, true) & 1) throw new BadArchive(`The archive is encrypted: ${name}.`);
  if (method !== STORED && method !== DEFLATED) {
    throw new BadArchive(`The archive is packed in a way that browsers cannot read: ${name}.`);
  }
  return {
    name,
    method,
    packed: list.getUint32(at + 20, true),
    size: list.getUint32(at + 24, true),
    at: list.getUint32(at + 42, true),
  };
}

/** @param {string} name of a file, with its folders @returns {boolean} whether the system made it, and nobody chose it */
export const isHidden = (name) => name.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

/** @param {Blob} archive @param {Entry} entry @returns {Promise<Blob>} its bytes; as many as the list says, or none */
export async function unpack(archive, entry) {
  const head = await view(archive, entry.at, entry.at + LOCAL_BYTES);
  const start = entry.at + LOCAL_BYTES + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = archive.slice(start, start + entry.packed);
  if (entry.method === STORED) return packed;
  const parts = [];
  let bytes = 0;
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    bytes += step.value.byteLength;
    if (bytes > entry.size) {
      await reader.cancel();
      throw new BadArchive(`${entry.name} is larger than the archive says.`);
    }
    parts.push(step.value);
  }
  return new Blob(parts);
}

/** @param {Blob} blob @param {number} start @param {number} end */
async function view(blob, start, end) {
  const bytes = await blob.slice(start, end).arrayBuffer();
  if (bytes.byteLength < Math.min(end - start, LOCAL_BYTES)) throw new BadArchive("The archive is cut off.");
  return new DataView(bytes);
}
