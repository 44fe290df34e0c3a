/**
 * One participant's judgement of one pair: which face, when, and the drawing that says why. Plain data; every
 * change gives a new judgement.
 *
 * @import { Decision, Draft, Judgement, Rule, Side, Trial, TrialEvent } from "../../participant.d.ts"
 * @import { Drawing } from "./drawing.js"
 * @import { Point, Stroke } from "./stroke.js"
 */

import { EMPTY, isEmpty, painted, restored } from "./drawing.js";
import { LONGEST_TIME, MOST_POINTS, MOST_STROKES, MOST_WORK } from "./limits.js";
import { work } from "./work.js";

/** A first dab this soon after the choice is the second press of a click. */
const SOON = 2000; // ms
const STILL = 0.01; // of the shorter side of the face: a hand that clicks moves no further

/** A region check wants paint in its place, however little. @type {Rule} */
const SOMETHING = { min_strokes: 1, min_area: 0, max_area: 1 };

/** @param {Trial} trial @param {Rule} usual what every other trial wants @returns {Judgement} of a region check, with its one face chosen */
export function begin(trial, usual) {
  const isRegion = trial.kind === "check";
  const rule = isRegion ? SOMETHING : usual;
  const choice = isRegion ? "left" : null;
  const { width, height } = trial.left;
  return {
    trial: trial.id,
    annotate: trial.annotate || isRegion,
    isRegion,
    rule,
    size: { width, height },
    choice,
    chosenAt: 0,
    drawing: EMPTY,
    covered: 0,
  };
}

/** May the mind still change? Not once there is paint; strokes that left none do not count. @param {Judgement} judgement */
export const mayChoose = (judgement) => !judgement.isRegion && judgement.covered === 0;

/**
 * @param {Judgement} judgement @param {Side} side @param {number} t_ms since the pair was shown
 * @returns {Judgement} unchanged when there is paint or when the side is the chosen one already
 */
export function choose(judgement, side, t_ms) {
  if (!mayChoose(judgement) || judgement.choice === side) return judgement;
  return turn(judgement, side, t_ms);
}

/**
 * The other face after all: what is painted is cleared.
 *
 * @param {Judgement} judgement with a choice @param {number} t_ms since the pair was shown @returns {Judgement}
 */
export const switchFace = (judgement, t_ms) => turn(judgement, judgement.choice === "left" ? "right" : "left", t_ms);

/** @param {Judgement} judgement @param {Side} side @param {number} t_ms @returns {Judgement} */
const turn = (judgement, side, t_ms) => ({ ...judgement, choice: side, chosenAt: t_ms, drawing: EMPTY, covered: 0 });

/** @param {Judgement} judgement @param {Drawing} drawing @param {number} covered fraction of the chosen face that it paints, in [0, 1] @returns {Judgement} */
export const draw = (judgement, drawing, covered) => ({ ...judgement, drawing, covered });

/** May one paint? @param {Judgement} judgement */
export const mayPaint = (judgement) => judgement.annotate && judgement.choice !== null;

/**
 * Was a stroke not meant as paint? Somebody who clicks the face that they have just chosen again, however slowly,
 * leaves a dab; so a first dab that comes soon and stays in place is none.
 *
 * @param {Judgement} judgement @param {Stroke} stroke that was just made
 */
export function isClick({ isRegion, size, chosenAt, drawing }, { points }) {
  const [x, y, t_ms] = /** @type {Point} */ (points[0]);
  const reach = STILL * Math.min(size.width, size.height);
  const isStill = points.every((point) => Math.hypot(point[0] - x, point[1] - y) <= reach);
  return !isRegion && isEmpty(drawing) && isStill && t_ms - chosenAt < SOON;
}

/**
 * What keeps a stroke from being added: the drawing is full, or the stroke alone is more than the server takes.
 *
 * @param {Judgement} judgement @param {Stroke} stroke @returns {"full" | "endless" | null}
 */
export function excess({ drawing: { strokes }, size: { width } }, stroke) {
  if (isTooMuch([stroke], width)) return "endless";
  return isTooMuch([...strokes, stroke], width) ? "full" : null;
}

/** @param {readonly Stroke[]} strokes @param {number} width */
function isTooMuch(strokes, width) {
  const sum = (/** @type {(stroke: Stroke) => number} */ of) =>
    strokes.reduce((total, stroke) => total + of(stroke), 0);
  if (strokes.length > MOST_STROKES || sum(({ points }) => points.length) > MOST_POINTS) return true;
  return sum((stroke) => work(stroke, width)) > MOST_WORK - 1; // the server rounds elsewhere
}

/**
 * What keeps the judgement from being sent, as a hint to the participant; null when nothing does.
 * `check_rule` in app/trials/scoring.py says the same.
 *
 * @param {Judgement} judgement @returns {"choose" | "paint" | "blank" | "small" | "large" | null}
 */
export function missing({ choice, annotate, rule, drawing, covered }) {
  if (choice === null) return "choose";
  if (!annotate) return null;
  const { min_strokes, min_area, max_area } = rule;
  if (min_strokes === 0 && isEmpty(drawing)) return null;
  if (painted(drawing.strokes) < min_strokes) return "paint";
  if (min_strokes > 0 && covered === 0) return "blank";
  if (covered < min_area) return "small";
  return covered > max_area ? "large" : null;
}

/**
 * What is sent.
 *
 * @param {Judgement} judgement that misses nothing @param {number} t_ms now, since the pair was shown
 * @param {readonly TrialEvent[]} events @returns {Decision}
 */
export function decision(judgement, t_ms, events) {
  if (judgement.choice === null) throw new Error("A decision needs a choice.");
  const answer = { choice: judgement.choice, decision_ms: whole(judgement.chosenAt), events };
  if (!judgement.annotate) return answer;
  return { ...answer, annotation_ms: whole(t_ms - judgement.chosenAt), strokes: judgement.drawing.strokes };
}

/** @param {number} ms @returns {number} at most a day: the server takes no more, and a longer time says no more */
const whole = (ms) => Math.min(LONGEST_TIME, Math.max(0, Math.round(ms)));

/**
 * What a browser keeps so that a reload loses nothing.
 *
 * @param {Judgement} judgement @param {number} elapsed ms since the pair was shown @param {number} at wall clock
 * @param {readonly TrialEvent[]} events @returns {Draft}
 */
export function draft({ trial, choice, chosenAt, drawing }, elapsed, at, events) {
  return { trial, choice, chosenAt, strokes: drawing.strokes, elapsed, at, events };
}

/** @param {Judgement} judgement @param {Draft | null} kept @returns {Judgement} as it was, if it is the same trial, but for what is covered */
export function resume(judgement, kept) {
  if (!kept || kept.trial !== judgement.trial) return judgement;
  const drawing = judgement.annotate && kept.choice ? restored(kept.strokes) : EMPTY;
  return { ...judgement, choice: kept.choice ?? judgement.choice, chosenAt: kept.chosenAt, drawing };
}
