/**
 * The most that the server takes. It has the same numbers in saliency/masks/strokes.py, saliency/masks/work.py and
 * app/trials/schemas.py; tests/contracts holds them equal.
 */

export const MOST_STROKES = 1_000; // in one annotation
export const MOST_POINTS = 10_000; // in one annotation
export const MOST_WORK = 300_000; // in one annotation, px of outline: see work.js
export const MOST_EVENTS = 500; // in one decision
export const LONGEST_TIME = 86_400_000; // ms: a day
export const MOST_LETTERS = 4_000; // in one answer
