/** What the trial page says: above the faces, on them, and beside its button. */

import { byId, find } from "./dom.js";

/**
 * @import { Advice, Feedback, Judgement, Side, Trial } from "../../participant.d.ts"
 * @typedef {{left: import("./face.js").Face, right: import("./face.js").Face}} Faces
 * @typedef {NonNullable<ReturnType<typeof import("../core/judgement.js").missing>>} Lack
 */

const HINTS = {
  choose: matchMedia("(hover: none)").matches ? "Tap a face." : "Click a face, or press ← or →.",
  paint: "Now paint over whatever made you choose this face.",
  blank: "Nothing is painted any more. Please paint what made you choose this face.",
  small: "Please paint a little more: the painted area is very small so far.",
  large: "That is nearly the whole face. Please erase or undo some: only what convinced you counts.",
  ready: "Paint more, or press Next.",
  next: "You can still change your mind. Then press Next.",
};

/** What keeps the participant from going on, or from doing what they tried. */
export const URGENT = {
  ...HINTS,
  choose: "Please choose one of the two faces first.",
  paint: "Please paint at least one stroke: what made you choose this face?",
  fixed: "You have painted already. Clear the painting to choose the other face.",
  full: "That is as much as can be saved for one face. Please press Next.",
};

const REGION = "Please paint the place that is asked for.";

/** @param {Judgement} judgement @param {Lack | null} lack */
const isRegionOpen = ({ isRegion }, lack) => isRegion && (lack === "paint" || lack === "blank");

/** What to do next. @param {Judgement} judgement @param {Lack | null} lack */
export function hint(judgement, lack) {
  if (isRegionOpen(judgement, lack)) return REGION;
  return HINTS[lack ?? (judgement.annotate ? "ready" : "next")];
}

/** @param {Judgement} judgement @param {Lack} lack */
export const urgent = (judgement, lack) => (isRegionOpen(judgement, lack) ? REGION : URGENT[lack]);

/** On a narrow page the left face is above the right one. */
export const stacked = matchMedia("(max-width: 40rem)");

/** @param {Side} side */
const nameOf = (side) => (stacked.matches ? { left: "upper", right: "lower" }[side] : side);

/** What a model says about the pair; empty when it says nothing in words. @param {Advice | null | undefined} advice */
function adviceText(advice) {
  if (!advice) return "";
  const { decision, confidence, left_map, right_map } = advice;
  const sure = confidence === null ? "" : ` (${Math.round(100 * confidence)} % sure)`;
  const said = decision ? `A computer model takes the ${nameOf(decision)} face for the fake one${sure}.` : "";
  return said + (left_map || right_map ? ` The small pictures show where ${said ? "it" : "a computer model"} looked.` : "");
}

/** @param {Feedback} feedback @param {boolean} isFake the chosen face @param {boolean} isLast */
export function feedbackText({ correct }, isFake, isLast) {
  const verdict = `${correct ? "That is right" : "That is not right"}: the face that you chose is the ${isFake ? "fake" : "real"} one.`;
  return isLast ? `${verdict} The practice is over; from now on you will not be told.` : verdict;
}

/** @param {HTMLElement} root @param {Faces} faces @param {Trial} trial */
export function showQuestion(root, faces, { question, annotate, kind, prompt, advice }) {
  const isRegion = kind === "check";
  const word = find(root, "#question-word", HTMLElement);
  word.textContent = question?.toUpperCase() ?? "";
  word.className = `question__word question__word--${question}`;
  byId("question-choose").hidden = isRegion;
  byId("question-paint").textContent = isRegion ? (prompt ?? "") : "";
  root.classList.toggle("trial--annotate", annotate || isRegion);
  root.classList.toggle("trial--region", isRegion);
  for (const face of Object.values(faces)) face.label(advice?.decision === face.side ? "Model: fake" : "", "model");
  nameSides(faces, advice);
}

/** Whatever calls a face by its place. @param {Faces} faces @param {Advice | null | undefined} advice */
export function nameSides(faces, advice) {
  byId("advice").textContent = adviceText(advice).trim();
  for (const { radio, side } of Object.values(faces)) radio.setAttribute("aria-label", `The ${nameOf(side)} face`);
}

/** @param {HTMLElement} root @param {Faces} faces @param {Feedback} feedback */
export function showFeedback(root, faces, { fake }) {
  root.classList.add("trial--feedback");
  for (const face of Object.values(faces)) {
    const kind = face.side === fake ? "fake" : "real";
    face.label(kind === "fake" ? "Fake" : "Real", kind);
  }
}
