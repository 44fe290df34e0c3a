// @ts-check
/** What was chosen, and what it will import, in numbers and words. The server says which file is what. */

/** @typedef {{path: string, size: number, read: () => Promise<Blob>}} Found a file of the chooser or of an archive */
/**
 * @typedef {{file: number, name: string, label: string, source: string, split: string | null, group: string | null,
 *   x: number | null, y: number | null, w: number | null, h: number | null, where: string}} Line a file to send
 */
/**
 * @typedef {{manifest: string | null, faults: string[], missing: string[],
 *   left_out: {name: string, reason: string}[], files: Line[]}} Plan
 */
/** @typedef {{imported: number, there: number, refused: number}} Counts */

const LABELS = ["real", "fake"];

/**
 * The folder that a program packs around everything is no part of a name.
 *
 * @param {Found[]} files of one archive or one folder @returns {Found[]}
 */
export function unwrapped(files) {
  const [first = ""] = (files[0]?.path ?? "").split("/");
  const isWrapped = !LABELS.includes(first) && files.every(({ path }) => path.startsWith(`${first}/`));
  if (files.length === 0 || !isWrapped) return files;
  return unwrapped(files.map((file) => ({ ...file, path: file.path.slice(first.length + 1) })));
}

/** @param {Found} file @param {number} largest bytes @returns {string} why it cannot be sent; empty if it can */
export function unfit({ size }, largest) {
  if (size > largest) return `has ${mega(size)} MB; a file may have ${mega(largest)} MB.`;
  return size === 0 ? "is empty." : "";
}

/** @param {string} path @returns {boolean} whether it may be the manifest */
export const isTable = (path) => /^[^/]+\.csv$/iu.test(path);

/** @param {Line[]} lines @returns {string[][]} label, source, split and number of images of each kind, in order */
export function kindsOf(lines) {
  /** @type {Map<string, {cells: string[], count: number}>} */
  const kinds = new Map();
  for (const { label, source, split } of lines) {
    const cells = [label, source, split ?? "none"];
    const kind = kinds.get(JSON.stringify(cells)) ?? { cells, count: 0 };
    kind.count += 1;
    kinds.set(JSON.stringify(cells), kind);
  }
  const sorted = [...kinds].sort(([one], [other]) => one.localeCompare(other));
  return sorted.map(([, { cells, count }]) => [...cells, count.toLocaleString("en")]);
}

/** @param {Plan} plan @returns {string} */
export function summary({ manifest, faults, missing, left_out, files }) {
  const from = manifest ? ` named by ${manifest}` : "";
  if (faults.length) return `Nothing can be imported: ${manifest} has ${many(faults.length, "fault")}.`;
  const groups = new Set(files.map(({ group }) => group).filter(Boolean)).size;
  const boxes = files.filter(({ x }) => x !== null).length;
  const parts = [
    `${many(files.length, "image")}${from} to import`,
    groups && many(groups, "group"),
    boxes && `${many(boxes, "face box", "face boxes")}`,
    missing.length && `${many(missing.length, "line")} of ${manifest} without a file`,
    left_out.length && `${many(left_out.length, "chosen file")} left out`,
  ];
  return `${parts.filter(Boolean).join(", ")}. Nothing is stored yet.`;
}

/** @param {Counts} counts @param {number} waiting @returns {string} */
export function progress({ imported, there, refused }, waiting) {
  return `${imported} imported, ${there} already there, ${refused} refused, ${waiting} to come.`;
}

/** @param {string} trouble why it ended before everything was sent @param {number} waiting @returns {string} */
export function ending(trouble, waiting) {
  if (!waiting) return "Done: what was imported is stored.";
  const rest = waiting === 1 ? "1 image was not sent" : `${waiting} images were not sent`;
  return `${trouble} What was imported is stored and stays; ${rest}.`;
}

/** @param {number} number @param {string} one @param {string} [others] @returns {string} */
const many = (number, one, others = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : others}`;

/** @param {number} bytes */
export const mega = (bytes) => (bytes / 1e6).toFixed(1).replace(/\.0$/u, "");
