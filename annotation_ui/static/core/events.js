/**
 * What happened while a pair was shown, so that its times can be read with care: hidden tabs, lost focus, resizes,
 * reloads, changed choices. The last six sum up how the pair was worked (`input.js`).
 *
 * @import { TrialEvent } from "../../participant.d.ts"
 * @typedef {readonly TrialEvent[]} Events
 * @typedef {typeof KINDS[number]} Kind
 */

import { MAX_EVENTS } from "./contract.js";

/** Everything that is noted; docs/participant-page.md says what each means. */
export const KINDS = /** @type {const} */ ([
  "loaded",
  "break",
  "advice_shown",
  "choose",
  "undo",
  "redo",
  "clear",
  "reload",
  "hidden",
  "visible",
  "blur",
  "focus",
  "resize",
  "offline",
  "online",
  "controlled",
  "trap",
  "scripted",
  "mouse",
  "touched",
  "keys",
]);

/**
 * One more event; a page that is resized for an hour does not grow a decision without end.
 *
 * @param {Events} events @param {Kind} kind @param {number} t_ms since the pair was shown; what came before
 * is at 0 @param {{[name: string]: string | number}} [detail] @returns {Events}
 */
export function addEvent(events, kind, t_ms, detail = {}) {
  const event = { ...detail, kind, t_ms: Math.max(0, Math.round(t_ms)) };
  const last = events.at(-1);
  // A drag of the window's corner is one resize, not a hundred.
  if (kind === "resize" && last?.kind === "resize") return [...events.slice(0, -1), event];
  return events.length < MAX_EVENTS ? [...events, event] : events;
}

/**
 * The log as it is sent: at its end, what the input came to. A full log makes room for it.
 *
 * @param {Events} events @param {readonly import("./input.js").Fact[]} facts @param {number} t_ms @returns {Events}
 */
export function withInput(events, facts, t_ms) {
  let sent = events.slice(0, MAX_EVENTS - facts.length);
  for (const [kind, counts] of facts) sent = [...addEvent(sent, kind, t_ms, counts)];
  return sent;
}
