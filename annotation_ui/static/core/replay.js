/**
 * A judged trial in time: how much of each stroke is there at a moment, and what happened when.
 *
 * Every point has its own time. Between two points of a stroke the hand is taken to move evenly. Points that the
 * page left out when it thinned a stroke lay within `TOLERANCE` of that line.
 *
 * @import { Point, Stroke } from "./stroke.js"
 * @typedef {{readonly kind: string, readonly t_ms: number, readonly [fact: string]: string | number}} TrialEvent
 *
 * @typedef {object} Timed a stroke whose times never go back
 * @property {Stroke} stroke
 * @property {readonly number[]} times of its points, ms since the pair was shown
 *
 * @typedef {object} Progress
 * @property {number} done strokes that are finished
 * @property {readonly Point[]} points of the stroke in progress; none between two strokes
 * @property {Point | null} tip where the hand is on the way to its next point
 *
 * @typedef {object} Visited what a trial says of its course
 * @property {string | null} choice
 * @property {number | null} decision_ms
 * @property {number | null} annotation_ms
 * @property {readonly TrialEvent[]} events
 * @property {readonly Stroke[] | null} strokes
 *
 * @typedef {{readonly t_ms: number, readonly end_ms: number, readonly event: TrialEvent | null, readonly stroke: Stroke | null}} Moment
 */

/**
 * The strokes in the order in which they lie over each other. A time before one that came earlier counts as that
 * one, so that a stroke is never drawn before those below it.
 *
 * @param {readonly Stroke[]} strokes @returns {Timed[]}
 */
export function timed(strokes) {
  let latest = 0;
  return strokes.map((stroke) => ({ stroke, times: stroke.points.map(([, , t]) => (latest = Math.max(latest, t))) }));
}

/** @param {Timed} one */
const endOf = ({ times }) => times.at(-1) ?? 0;

/** @param {readonly Timed[]} strokes @param {number} t_ms since the pair was shown @returns {Progress} */
export function progress(strokes, t_ms) {
  const next = strokes.findIndex((one) => endOf(one) > t_ms);
  const done = next < 0 ? strokes.length : next;
  const current = strokes[done];
  if (!current) return { done, points: [], tip: null };
  const reached = current.times.findIndex((time) => time > t_ms);
  return {
    done,
    points: current.stroke.points.slice(0, reached),
    tip: reached > 0 ? tip(current, reached, t_ms) : null,
  };
}

/** Between the point before `reached` and that one. @param {Timed} current @param {number} reached @param {number} t_ms @returns {Point} */
function tip({ stroke, times }, reached, t_ms) {
  const [from, to] = /** @type {[Point, Point]} */ ([stroke.points[reached - 1], stroke.points[reached]]);
  const [start, end] = /** @type {[number, number]} */ ([times[reached - 1], times[reached]]);
  const share = (t_ms - start) / (end - start);
  return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), t_ms];
}

/** What happened, in the order of time. @param {Visited} trial @returns {Moment[]} */
export function moments({ events, strokes }) {
  const told = events.map((event) => ({ t_ms: event.t_ms, end_ms: event.t_ms, event, stroke: null }));
  const drawn = timed(strokes ?? []).map(({ stroke, times }) => {
    return { t_ms: times[0] ?? 0, end_ms: times.at(-1) ?? 0, event: null, stroke };
  });
  return [...told, ...drawn].sort((a, b) => a.t_ms - b.t_ms);
}

/** Until the decision was sent, or whatever is later, in ms. @param {Visited} trial */
export function duration(trial) {
  const sent = (trial.decision_ms ?? 0) + (trial.annotation_ms ?? 0);
  return moments(trial).reduce((latest, { end_ms }) => Math.max(latest, end_ms), sent);
}

/** The side that is chosen at a moment. @param {Visited} trial @param {number} t_ms @returns {string | null} */
export function chosenAt({ events, choice, decision_ms }, t_ms) {
  const choices = events.filter(({ kind }) => kind === "choose");
  // Who comes from elsewhere may bring no events, but always the time of the decision.
  if (choices.length === 0) return t_ms >= (decision_ms ?? Infinity) ? choice : null;
  return /** @type {string | undefined} */ (choices.findLast((event) => event.t_ms <= t_ms)?.side) ?? null;
}
