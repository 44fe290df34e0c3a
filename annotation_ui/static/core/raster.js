/**
 * Strokes to pixels, by the definition that the server uses: a pixel belongs to a brush stroke if its centre
 * is within `radius` of the polyline, and to a lasso if its centre is enclosed by the outline. The pixels may be
 * those of a canvas, so that what is seen is the mask itself and not a picture of it.
 *
 * A centre exactly on the border belongs to the stroke; so that rounding never decides, the border lies a
 * billionth of a pixel further out.
 *
 * @import { Point, Stroke } from "./stroke.js"
 * @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle right and bottom exclusive
 *
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array | Uint32Array} data row by row
 */

import { TIE_PX } from "./contract.js";
import { enclosed } from "./outline.js";

/** @type {Readonly<Rectangle>} */
export const NOTHING = Object.freeze({ left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity });

/** @param {Rectangle} area */
export const isNothing = (area) => area.left >= area.right || area.top >= area.bottom;

/** @param {Rectangle} a @param {Rectangle} b @returns {Rectangle} */
export function union(a, b) {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

/**
 * All strokes in their order on empty pixels; the eraser clears what came before it.
 *
 * @param {Pixels} pixels @param {readonly Stroke[]} strokes @param {number} ink
 */
export function paintAll(pixels, strokes, ink) {
  pixels.data.fill(0);
  for (const stroke of strokes) paint(pixels, stroke, ink);
}

/** @param {Pixels} pixels @param {Stroke} stroke @param {number} ink @returns {Rectangle} what may have changed */
export function paint(pixels, stroke, ink) {
  const { tool, radius, points } = stroke;
  if (tool === "lasso") return fill(pixels, points, ink);
  return line(pixels, points, radius, tool === "eraser" ? 0 : ink);
}

/** @param {Pixels} pixels @param {readonly Point[]} points @param {number} radius @param {number} value @returns {Rectangle} what may have changed */
function line(pixels, points, radius, value) {
  let changed = NOTHING;
  points.forEach((end, index) => {
    const start = points[Math.max(0, index - 1)] ?? end;
    if (index > 0 || points.length === 1) changed = union(changed, capsule(pixels, start, end, radius, value));
  });
  return changed;
}

/**
 * Every pixel whose centre is within `radius` of the segment from a to b. The capsule is convex, so each row
 * of centres meets it in one interval. Its ends lie on the circle around one point of the segment: the foot
 * of the place where the row meets the straight side, held within the segment. This runs for every movement
 * of a pointer and for every row of an undo, so it allocates nothing.
 *
 * @param {Pixels} pixels @param {Point} a @param {Point} b @param {number} radius @param {number} value
 * @returns {Rectangle} what may have changed
 */
export function capsule(pixels, a, b, radius, value) {
  // From top to bottom, so that `fall` is never negative and rows ascend.
  const [upper, lower] = a[1] <= b[1] ? [a, b] : [b, a];
  const [x, y] = upper;
  const run = lower[0] - x;
  const fall = lower[1] - y;
  const length = Math.hypot(run, fall);
  const reach = radius + TIE_PX;
  const tilt = length > 0 ? (reach * run) / length : 0;
  const perFall = 1 / Math.max(fall, 1e-30); // a level segment: `fraction` holds what becomes huge in [0, 1]
  const top = Math.max(0, Math.ceil(y - reach - 0.5));
  const bottom = Math.min(pixels.height - 1, Math.floor(lower[1] + reach - 0.5));
  for (let row = top; row <= bottom; row += 1) {
    // The low end lies where the row meets the left side of the capsule, the high end where it meets the right.
    const below = row + 0.5 - y;
    const first = fraction((below - tilt) * perFall);
    const last = fraction((below + tilt) * perFall);
    const low = x + first * run - half(reach, below - first * fall);
    const high = x + last * run + half(reach, below - last * fall);
    span(pixels, row, low, high, value);
  }
  return clipped(pixels, Math.min(a[0], b[0]) - reach, y - reach, Math.max(a[0], b[0]) + reach, lower[1] + reach);
}

/** @param {number} value */
const fraction = (value) => (value < 0 ? 0 : value > 1 ? 1 : value);

/** Half a disc's width at a height from its centre. @param {number} radius @param {number} height */
const half = (radius, height) => Math.sqrt(Math.max(radius * radius - height * height, 0));

/** The pixels around an area. @param {Pixels} pixels @param {number} left @param {number} top @param {number} right @param {number} bottom @returns {Rectangle} */
function clipped({ width, height }, left, top, right, bottom) {
  return {
    left: Math.max(0, Math.floor(left)),
    top: Math.max(0, Math.floor(top)),
    right: Math.min(width, Math.ceil(right)),
    bottom: Math.min(height, Math.ceil(bottom)),
  };
}

/**
 * Every pixel whose centre a closed outline encloses; where it crosses itself it leaves no hole.
 *
 * @param {Pixels} pixels @param {readonly Point[]} points @param {number} value @returns {Rectangle} what may have changed
 */
function fill(pixels, points, value) {
  const { data, width } = pixels;
  for (const { column, start, after } of enclosed(points, pixels)) {
    for (let row = start; row < after; row += 1) data[row * width + column] = value;
  }
  return line(pixels, [...points, ...points.slice(0, 1)], 0, value); // the outline lies around all of it
}

/**
 * Set the pixels of a row whose centres are between low and high.
 *
 * @param {Pixels} pixels @param {number} row @param {number} low @param {number} high @param {number} value
 */
function span(pixels, row, low, high, value) {
  const left = Math.max(0, Math.ceil(low - 0.5));
  const right = Math.min(pixels.width - 1, Math.floor(high - 0.5));
  if (left <= right) pixels.data.fill(value, row * pixels.width + left, row * pixels.width + right + 1);
}
