/**
 * The numbers that the page and the server both compute with. `make contract` writes this file from the
 * Python module that is named with each number.
 */

/** saliency.masks.strokes: of one annotation */
export const MAX_STROKES = 1_000;

/** saliency.masks.strokes: of one annotation */
export const MAX_POINTS = 10_000;

/** saliency.masks.work: of one annotation, in px of outline */
export const MAX_WORK = 300_000;

/** saliency.masks.work: px of outline */
export const WORK_PER_MEETING = 4;

/** saliency.masks.work: px of outline */
export const WORK_PER_POINT = 10;

/** saliency.masks.lassos: corners are read to the nearest unit */
export const UNITS_PER_PX = 1_073_741_824;

/** saliency.masks.brushes: how far the border of a stroke is moved outwards */
export const TIE_PX = 1e-9;

/** app.trials.schemas: of one decision */
export const MAX_EVENTS = 500;

/** app.trials.schemas: of one count or length of the input */
export const MAX_INPUT = 10_000_000;

/** app.trials.schemas: a day */
export const LONGEST_TIME_MS = 86_400_000;

/** app.trials.schemas: of one answer */
export const MAX_ANSWER_CHARACTERS = 4_000;

/** app.trials.decisions: the rule of a region check */
export const PAINT_SOMETHING = { min_strokes: 1, min_area: 0, max_area: 1 };
