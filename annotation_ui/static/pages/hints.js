// @ts-check
/** What the trial page says beside its button. */

import { missing } from "../core/judgement.js";

const HINTS = {
  choose: matchMedia("(hover: none)").matches ? "Tap a face." : "Click a face, or press ← or →.",
  paint: "Now paint over whatever made you choose this face.",
  ready: "Paint more, or press Next.",
  next: "You can still change your mind. Then press Next.",
};

/** What keeps the participant from going on, or from doing what they tried. */
export const URGENT = {
  choose: "Please choose one of the two faces first.",
  paint: "Please paint at least one stroke: what made you choose this face?",
  blank: "Nothing is painted any more. Please paint what made you choose this face.",
  fixed: "You have painted already. Clear the painting to choose the other face.",
  full: "That is as much as can be saved for one face. Please press Next.",
};

/** What to do next. @param {import("../core/judgement.js").Judgement} judgement */
export function advice(judgement) {
  const lacks = missing(judgement);
  if (lacks) return HINTS[lacks];
  return judgement.annotate ? HINTS.ready : HINTS.next;
}
