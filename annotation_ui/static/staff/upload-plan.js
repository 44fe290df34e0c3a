// @ts-check
/** Which files are images to send, and what each is: by its folders, or by what the form says. */

/** @typedef {{path: string, size: number, read: () => Promise<Blob>}} Found a file of the chooser or of an archive */
/** @typedef {{name: string, label: string, source: string, read: () => Promise<Blob>}} Item */
/** @typedef {{name: string, reason: string}} Refusal */

const LABELS = ["real", "fake"];

/**
 * @param {Found[]} files
 * @param {{label: string, source: string, largest: number}} form what holds for files in neither folder; bytes of a file
 * @returns {{items: Item[], refused: Refusal[]}}
 */
export function plan(files, form) {
  /** @type {{items: Item[], refused: Refusal[]}} */
  const planned = { items: [], refused: [] };
  for (const file of files) {
    const item = located(file, form);
    if (typeof item === "string") planned.refused.push({ name: file.path, reason: item });
    else planned.items.push(item);
  }
  return planned;
}

/** @param {Found} file @param {{label: string, source: string, largest: number}} form @returns {Item | string} or why not */
function located({ path, size, read }, form) {
  if (size > form.largest) return `has ${mega(size)} MB; a file may have ${mega(form.largest)} MB.`;
  if (size === 0) return "is empty.";
  const { name, label, source } = byFolder(path, form.source) ?? { name: path, label: form.label, source: form.source };
  if (!label) return "lies neither in real/ nor in fake/<source>/: say above what these files are.";
  if (!source) return "needs a source: put it in a folder with that name, or say it above.";
  return { name, label, source, read };
}

/** @param {string} path @param {string} otherwise the source of a file directly in its folder */
function byFolder(path, otherwise) {
  const parts = path.split("/");
  const at = parts.slice(0, -1).findIndex((part) => LABELS.includes(part));
  if (at < 0) return null;
  const [label = "", ...inside] = parts.slice(at);
  const own = inside.length > 1 ? inside[0] : otherwise || (label === "real" ? label : "");
  return { name: parts.slice(at).join("/"), label, source: own ?? "" };
}

/** @param {number} bytes */
export const mega = (bytes) => (bytes / 1e6).toFixed(1).replace(/\.0$/u, "");
