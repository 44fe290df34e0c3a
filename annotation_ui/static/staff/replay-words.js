// @ts-check
/** What happened in a trial, as sentences. */

/** @typedef {import("../core/replay.js").Moment} Moment */
/** @typedef {import("../core/replay.js").TrialEvent} TrialEvent */

/** @param {unknown} ms */
const seconds = (ms) => (typeof ms === "number" ? `${(ms / 1000).toFixed(1)} s` : "an unknown time");

/** @type {Record<string, (event: TrialEvent) => string>} */
const WORDS = {
  loaded: ({ load_ms }) => `Both faces appeared, after ${seconds(load_ms)} of loading.`,
  break: ({ pause_ms }) => `Came back from a break of ${seconds(pause_ms)}.`,
  advice_shown: () => "The model's advice appeared.",
  choose: ({ side }) => `Chose the ${side} face.`,
  undo: () => "Undid a step.",
  redo: () => "Redid a step.",
  clear: () => "Cleared the painting.",
  reload: ({ away_ms }) => `Reloaded the page, away for ${seconds(away_ms)}.`,
  hidden: () => "The tab went out of sight.",
  visible: () => "The tab came back.",
  blur: () => "The window lost the focus.",
  focus: () => "The window got the focus back.",
  resize: ({ width, height }) => `The window became ${width} × ${height} px.`,
  offline: () => "The network was lost.",
  online: () => "The network came back.",
  controlled: () => "The browser said that a program controls it.",
  trap: ({ presses }) =>
    presses
      ? `Pressed the trap ${presses} ${presses === 1 ? "time" : "times"}.`
      : "The page had a trap, which was left alone.",
  scripted: ({ presses, moves, clicks, keys }) =>
    `A script made ${presses} presses, ${moves} moves, ${clicks} clicks and ${keys} keys.`,
  mouse: ({ presses, moves, path, straight }) =>
    `Mouse: ${presses} presses, between them ${moves} moves over ${path} px (${straight} px straight).`,
  touched: ({ touch, pen }) => `Pressed with a finger ${touch} times, with a pen ${pen} times.`,
  keys: ({ count, gap_ms, held_ms }) => `Keys: ${count}, ${gap_ms} ms apart and held for ${held_ms} ms in the median.`,
};

const TOOLS = { brush: "Brush", lasso: "Lasso", eraser: "Eraser" };

/** @param {Moment} moment @returns {string} an event that is not known by its name */
export function told({ t_ms, end_ms, event, stroke }) {
  if (event) return WORDS[event.kind]?.(event) ?? event.kind.replaceAll("_", " ");
  if (!stroke) return "Sent the decision.";
  const { tool, radius, points } = stroke;
  const size = tool === "lasso" ? "" : `, radius ${radius} px`;
  return `${TOOLS[tool]}${size}: ${points.length} ${points.length === 1 ? "point" : "points"} in ${seconds(end_ms - t_ms)}.`;
}

/** @param {number} t_ms @returns {string} minutes, seconds and tenths */
export function clock(t_ms) {
  const tenths = Math.round(t_ms / 100);
  const rest = (tenths % 600) / 10;
  return `${Math.floor(tenths / 600)}:${rest < 10 ? "0" : ""}${rest.toFixed(1)}`;
}
