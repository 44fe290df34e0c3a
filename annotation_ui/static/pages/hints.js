/** What the trial page says: above the faces, on them, and beside its button. */

import { painted } from "../core/drawing.js";
import { byId, find } from "./dom.js";

/**
 * @import { TrialState } from "../../page.d.ts"
 * @import { AdviceView, Feedback, Side, TrialView } from "../../participant.d.ts"
 * @typedef {{left: import("./face.js").Face, right: import("./face.js").Face}} Faces
 * @typedef {NonNullable<ReturnType<typeof import("../core/trial.js").missing>>} Lack
 */

const HINTS = {
  choose: matchMedia("(hover: none)").matches ? "Tap a face." : "Click a face, or press ← or →.",
  paint: "Paint the parts that made you choose this face.",
  blank: "You removed all your paint. Please paint the parts that made you choose this face.",
  small: "You painted very little. Please paint a little more.",
  large: "You painted almost the whole face. Please erase some of it.",
  ready: "Paint more, or press Next.",
  next: "Press Next, or change your choice.",
};

/** What keeps the participant from going on, or from doing what they tried. */
export const URGENT = {
  ...HINTS,
  choose: "Please choose one of the two faces first.",
  paint: "Please paint first: which parts made you choose this face?",
  fixed: "You have painted on the face you chose.",
  click: "To paint, press and drag over the face.",
  full: "You have reached the limit for this face. Please press Next.",
  endless: "This stroke is too long. Please paint it again in several strokes.",
};

const REGION = "Please paint the area named above.";

/** @param {TrialState} state @param {Lack | null} lack */
const isRegionOpen = ({ isRegion }, lack) => isRegion && (lack === "paint" || lack === "blank");

/** There is paint, but the study wants more strokes. @param {TrialState} state @param {Lack | null} lack */
const isFew = ({ drawing }, lack) => lack === "paint" && painted(drawing.strokes) > 0;

/** @param {TrialState} state */
const few = ({ rule }) => `Please paint at least ${rule.min_strokes} strokes.`;

/** What to do next. @param {TrialState} state @param {Lack | null} lack */
export function hint(state, lack) {
  if (isRegionOpen(state, lack)) return REGION;
  if (isFew(state, lack)) return few(state);
  return HINTS[lack ?? (state.annotate ? "ready" : "next")];
}

/** @param {TrialState} state @param {Lack} lack */
export function urgent(state, lack) {
  if (isRegionOpen(state, lack)) return REGION;
  return isFew(state, lack) ? few(state) : URGENT[lack];
}

/** On a narrow page the left face is above the right one. */
export const stacked = matchMedia("(max-width: 40rem)");

/** @param {Side} side */
const nameOf = (side) => (stacked.matches ? { left: "upper", right: "lower" }[side] : side);

/** What a model says about the pair; empty when it says nothing in words. @param {AdviceView | null} advice */
function adviceText(advice) {
  if (!advice) return "";
  const { decision, confidence, left_map, right_map } = advice;
  const sure = confidence === null ? "" : ` (${Math.round(100 * confidence)}% sure)`;
  const said = decision ? `An AI model thinks the ${nameOf(decision)} face is fake${sure}.` : "";
  return said + (left_map || right_map ? ` The small pictures show where ${said ? "it" : "an AI model"} looked.` : "");
}

/** What is said once the last practice pair is done. */
export const PRACTICE_OVER = "Practice is over. From now on we do not show the answer.";

/** @param {boolean} isCorrect @param {"real" | "fake"} kind of the chosen face */
const feedbackText = (isCorrect, kind) =>
  isCorrect ? `Correct. You chose the ${kind} face.` : `Wrong. The face you chose is ${kind}.`;

/** @param {HTMLElement} root @param {Faces} faces @param {TrialView} trial */
export function showQuestion(root, faces, { question, annotate, kind, prompt, advice }) {
  const isRegion = kind === "check";
  const word = find(root, "#question-word", HTMLElement);
  word.textContent = question?.toUpperCase() ?? "";
  word.className = `question__word question__word--${question}`;
  byId("question-choose").hidden = isRegion;
  byId("question-paint").textContent = isRegion ? (prompt ?? "") : "";
  byId("verdict").textContent = "";
  root.classList.toggle("trial--annotate", annotate || isRegion);
  root.classList.toggle("trial--region", isRegion);
  for (const face of Object.values(faces)) face.label(advice?.decision === face.side ? "AI model: fake" : "", "model");
  nameSides(faces, advice);
}

/** Whatever calls a face by its place. @param {Faces} faces @param {AdviceView | null} advice */
export function nameSides(faces, advice) {
  byId("advice").textContent = adviceText(advice).trim();
  for (const { radio, side } of Object.values(faces)) radio.setAttribute("aria-label", `The ${nameOf(side)} face`);
}

/**
 * Practice: the verdict stands where the question stood, and each face has its label.
 *
 * @param {HTMLElement} root @param {Faces} faces @param {Feedback} feedback @param {Side | null | undefined} choice
 */
export function showFeedback(root, faces, { correct, fake }, choice) {
  root.classList.add("trial--feedback");
  byId("question-choose").hidden = true;
  byId("verdict").textContent = feedbackText(correct, choice === fake ? "fake" : "real");
  byId("verdict").className = `question__verdict question__verdict--${correct ? "right" : "wrong"}`;
  for (const face of Object.values(faces)) {
    const kind = face.side === fake ? "fake" : "real";
    face.label(kind === "fake" ? "Fake" : "Real", kind);
  }
}
