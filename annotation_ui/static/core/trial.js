/**
 * The state of a trial: what a participant has done on one pair so far. Which face, when, and the drawing that
 * says why. Plain data; every change gives a new state.
 *
 * @import { Draft, TrialState } from "../../page.d.ts"
 * @import { AnnotationRule, DecisionBody, Side, TrialEvent, TrialView } from "../../participant.d.ts"
 * @import { Drawing } from "./drawing.js"
 * @import { Point, Stroke } from "./stroke.js"
 */

import { EMPTY, isEmpty, painted, restored } from "./drawing.js";
import { LONGEST_TIME_MS, MAX_POINTS, MAX_STROKES, MAX_WORK, PAINT_SOMETHING } from "./contract.js";
import { work } from "./work.js";

/** A first dab this soon after the choice is the second press of a click. */
const SOON = 2000; // ms
const STILL = 0.01; // of the shorter side of the face: a hand that clicks moves no further

/**
 * A trial on which nothing is done yet. A region check begins with its one face chosen and a rule of its own.
 *
 * @param {TrialView} trial @param {AnnotationRule} usual the rule of every other trial @returns {TrialState}
 */
export function begin(trial, usual) {
  const isRegion = trial.kind === "check";
  const rule = isRegion ? PAINT_SOMETHING : usual;
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

/** May the choice still change? Not once there is paint; strokes that left none do not count. @param {TrialState} state */
export const mayChoose = (state) => !state.isRegion && state.covered === 0;

/**
 * @param {TrialState} state @param {Side} side @param {number} t_ms since the pair was shown
 * @returns {TrialState} unchanged when there is paint or when the side is the chosen one already
 */
export function choose(state, side, t_ms) {
  if (!mayChoose(state) || state.choice === side) return state;
  return turn(state, side, t_ms);
}

/**
 * The other face after all: what is painted is cleared.
 *
 * @param {TrialState} state with a choice @param {number} t_ms since the pair was shown @returns {TrialState}
 */
export const switchFace = (state, t_ms) => turn(state, state.choice === "left" ? "right" : "left", t_ms);

/** @param {TrialState} state @param {Side} side @param {number} t_ms @returns {TrialState} */
const turn = (state, side, t_ms) => ({ ...state, choice: side, chosenAt: t_ms, drawing: EMPTY, covered: 0 });

/** @param {TrialState} state @param {Drawing} drawing @param {number} covered fraction of the chosen face that it paints, in [0, 1] @returns {TrialState} */
export const draw = (state, drawing, covered) => ({ ...state, drawing, covered });

/** May one paint? @param {TrialState} state */
export const mayPaint = (state) => state.annotate && state.choice !== null;

/**
 * Was a stroke not meant as paint? Somebody who clicks the face that they have just chosen again, however slowly,
 * leaves a dab; so a first dab that comes soon and stays in place is none.
 *
 * @param {TrialState} state @param {Stroke} stroke that was just made
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
 * @param {TrialState} state @param {Stroke} stroke @returns {"full" | "endless" | null}
 */
export function excess({ drawing: { strokes }, size: { width } }, stroke) {
  if (isTooMuch([stroke], width)) return "endless";
  return isTooMuch([...strokes, stroke], width) ? "full" : null;
}

/** @param {readonly Stroke[]} strokes @param {number} width */
function isTooMuch(strokes, width) {
  const sum = (/** @type {(stroke: Stroke) => number} */ of) =>
    strokes.reduce((total, stroke) => total + of(stroke), 0);
  if (strokes.length > MAX_STROKES || sum(({ points }) => points.length) > MAX_POINTS) return true;
  return sum((stroke) => work(stroke, width)) > MAX_WORK - 1; // the server rounds elsewhere
}

/**
 * What keeps the decision from being sent, as a hint to the participant; null when nothing does.
 * `check_rule` in app/trials/paintings.py says the same.
 *
 * @param {TrialState} state @returns {"choose" | "paint" | "blank" | "small" | "large" | null}
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
 * @param {TrialState} state that misses nothing @param {number} t_ms now, since the pair was shown
 * @param {readonly TrialEvent[]} events @returns {DecisionBody}
 */
export function decision(state, t_ms, events) {
  if (state.choice === null) throw new Error("A decision needs a choice.");
  const answer = { choice: state.choice, decision_ms: whole(state.chosenAt), events };
  if (!state.annotate) return answer;
  return { ...answer, annotation_ms: whole(t_ms - state.chosenAt), strokes: state.drawing.strokes };
}

/** @param {number} ms @returns {number} at most a day: the server takes no more, and a longer time says no more */
const whole = (ms) => Math.min(LONGEST_TIME_MS, Math.max(0, Math.round(ms)));

/**
 * What a browser keeps so that a reload loses nothing.
 *
 * @param {TrialState} state @param {number} elapsed ms since the pair was shown @param {number} at wall clock
 * @param {readonly TrialEvent[]} events @returns {Draft}
 */
export function draft({ trial, choice, chosenAt, drawing }, elapsed, at, events) {
  return { trial, choice, chosenAt, strokes: drawing.strokes, elapsed, at, events };
}

/**
 * The state that a draft of the same trial was made of. What is covered has to be measured again.
 *
 * @param {TrialState} state @param {Draft | null} saved @returns {TrialState}
 */
export function resume(state, saved) {
  if (!saved || saved.trial !== state.trial) return state;
  const drawing = state.annotate && saved.choice ? restored(saved.strokes) : EMPTY;
  return { ...state, choice: saved.choice ?? state.choice, chosenAt: saved.chosenAt, drawing };
}
