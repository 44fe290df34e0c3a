// @ts-check
/** The events of a run as sentences. */

/** @param {unknown} value @param {number} [digits] */
const number = (value, digits = 3) => (typeof value === "number" ? value.toFixed(digits) : "–");

/** @param {Record<string, any>} terms */
const listed = (terms) =>
  Object.entries(terms ?? {})
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(", ");

const SPLITS = ["train", "extra", "val", "test"];

/** @param {Record<string, number>} images by split */
const splits = (images) =>
  SPLITS.filter((split) => split in images)
    .map((split) => `${split} ${images[split]}`)
    .join(", ");

/** @type {Record<string, (payload: Record<string, any>) => string>} */
const WORDS = {
  started: (p) =>
    `Started on ${p.device}: ${splits(p.images ?? {})} images, ` +
    `${p.with_map} with a map; ${p.epochs} epochs${p.first_epoch > 1 ? `, going on from epoch ${p.first_epoch}` : ""}. ${p.plan ?? ""}`,
  epoch: (p) =>
    `Epoch ${p.epoch} of ${p.epochs}: accuracy train ${number(p.train_accuracy)}, validation ${number(p.val_accuracy)}` +
    `${p.best ? " (best so far)" : ""}; ${listed(p.terms)}; ${number(p.seconds, 1)} s.`,
  evaluated: (p) => `Evaluated on ${p.split}: AUC ${number(p.metrics?.auc)}, accuracy ${number(p.metrics?.accuracy)}.`,
  finished: () => "Finished.",
  failed: (p) => `Failed: ${p.error}`,
};

/** @param {string} kind @param {Record<string, any>} payload @returns {string} */
export const sentence = (kind, payload) => WORDS[kind]?.(payload) ?? kind;
