/**
 * One participant's judgement of one pair: which face, when, and the drawing that says why. Plain data; every
 * change gives a new judgement.
 *
 * @import { Decision, Draft, Judgement, Rule, Side, Trial, TrialEvent } from "../../participant.d.ts"
 * @import { Drawing } from "./drawing.js"
 */

import { EMPTY, isEmpty, painted, restored } from "./drawing.js";

/** The server takes no more in one annotation. */
export const MOST_STROKES = 1000;
export const MOST_POINTS = 50_000;
const DAY = 86_400_000; // ms

/** A region check wants paint in its place, however little. @type {Rule} */
const SOMETHING = { min_strokes: 1, min_area: 0, max_area: 1 };

/** @param {Trial} trial @param {Rule} usual what every other trial wants @returns {Judgement} of a region check, with its one face chosen */
export function begin(trial, usual) {
  const isRegion = trial.kind === "check";
  const rule = isRegion ? SOMETHING : usual;
  const choice = isRegion ? "left" : null;
  return { trial: trial.id, annotate: trial.annotate || isRegion, isRegion, rule, choice, chosenAt: 0, drawing: EMPTY };
}

/** May the mind still change? Not once there is paint. @param {Judgement} judgement */
export const mayChoose = (judgement) => !judgement.isRegion && isEmpty(judgement.drawing);

/**
 * @param {Judgement} judgement @param {Side} side @param {number} t_ms since the pair was shown
 * @returns {Judgement} unchanged when there is paint or when the side is the chosen one already
 */
export function choose(judgement, side, t_ms) {
  if (!mayChoose(judgement) || judgement.choice === side) return judgement;
  return { ...judgement, choice: side, chosenAt: t_ms, drawing: EMPTY };
}

/** @param {Judgement} judgement @param {Drawing} drawing @returns {Judgement} */
export const draw = (judgement, drawing) => ({ ...judgement, drawing });

/** May one paint? @param {Judgement} judgement */
export const mayPaint = (judgement) => judgement.annotate && judgement.choice !== null;

/** Has the drawing reached what the server takes? @param {Judgement} judgement */
export function isFull({ drawing: { strokes } }) {
  const points = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
  return strokes.length >= MOST_STROKES || points >= MOST_POINTS * 0.9;
}

/**
 * What keeps the judgement from being sent, as a hint to the participant; null when nothing does.
 *
 * @param {Judgement} judgement @param {number} covered fraction of the chosen face that is painted, in [0, 1]
 * @returns {"choose" | "paint" | "blank" | "small" | "large" | null}
 */
export function missing(judgement, covered) {
  if (judgement.choice === null) return "choose";
  if (!judgement.annotate) return null;
  const { min_strokes, min_area, max_area } = judgement.rule;
  if (min_strokes === 0 && isEmpty(judgement.drawing)) return null;
  if (painted(judgement.drawing.strokes) < min_strokes) return "paint";
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
const whole = (ms) => Math.min(DAY, Math.max(0, Math.round(ms)));

/**
 * What a browser keeps so that a reload loses nothing.
 *
 * @param {Judgement} judgement @param {number} elapsed ms since the pair was shown @param {number} at wall clock
 * @param {readonly TrialEvent[]} events @returns {Draft}
 */
export function draft({ trial, choice, chosenAt, drawing }, elapsed, at, events) {
  return { trial, choice, chosenAt, strokes: drawing.strokes, elapsed, at, events };
}

/** @param {Judgement} judgement @param {Draft | null} kept @returns {Judgement} as it was, if it is the same trial */
export function resume(judgement, kept) {
  if (!kept || kept.trial !== judgement.trial) return judgement;
  const drawing = judgement.annotate && kept.choice ? restored(kept.strokes) : EMPTY;
  return { ...judgement, choice: kept.choice ?? judgement.choice, chosenAt: kept.chosenAt, drawing };
}
