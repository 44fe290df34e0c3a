// @ts-check
/**
 * Strokes to pixels, by the definition that the server uses: a pixel belongs to a brush stroke if its centre
 * is within `radius` of the polyline. The pixels may be those of a canvas, so that what is seen is the mask
 * itself and not a picture of it.
 *
 * A centre exactly on the border belongs to the stroke; so that rounding never decides, the border lies a
 * billionth of a pixel further out.
 *
 * @typedef {import("./stroke.js").Point} Point
 * @typedef {import("./stroke.js").Stroke} Stroke
 * @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle right and bottom exclusive
 *
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array | Uint32Array} data row by row
 */

import { outerBorder } from "./outline.js";

const TIE = 1e-9; // px

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
  if (stroke.tool === "lasso") return fill(pixels, stroke.points, ink);
  const value = stroke.tool === "eraser" ? 0 : ink;
  let changed = NOTHING;
  stroke.points.forEach((end, index) => {
    const start = stroke.points[Math.max(0, index - 1)] ?? end;
    if (index > 0 || stroke.points.length === 1) {
      changed = union(changed, capsule(pixels, start, end, stroke.radius, value));
    }
  });
  return changed;
}

/**
 * Every pixel whose centre is within `radius` of the segment from a to b. In each row those centres are one
 * interval, because the capsule is convex: that of the two discs and of the band between them together.
 *
 * @param {Pixels} pixels @param {Point} a @param {Point} b @param {number} radius @param {number} value
 * @returns {Rectangle}
 */
export function capsule(pixels, a, b, radius, value) {
  const reach = radius + TIE;
  const top = Math.max(0, Math.ceil(Math.min(a[1], b[1]) - reach - 0.5));
  const bottom = Math.min(pixels.height - 1, Math.floor(Math.max(a[1], b[1]) + reach - 0.5));
  const changed = { ...NOTHING };
  for (let row = top; row <= bottom; row += 1) {
    const [low, high] = interval(a, b, reach, row + 0.5);
    span(pixels, row, low, high, value, changed);
  }
  return changed;
}

/**
 * Every pixel whose centre a closed outline encloses; where it crosses itself it leaves no hole.
 *
 * @param {Pixels} pixels @param {readonly Point[]} points @param {number} value @returns {Rectangle}
 */
function fill(pixels, points, value) {
  const border = outerBorder(points);
  const changed = { ...NOTHING };
  const rows = border.map((corner) => corner[1]);
  const bottom = Math.min(pixels.height - 1, Math.floor(Math.max(...rows) - 0.5));
  for (let row = Math.max(0, Math.ceil(Math.min(...rows) - 0.5)); row <= bottom; row += 1) {
    for (const [low, high] of inside(border, row + 0.5)) span(pixels, row, low, high, value, changed);
  }
  return changed;
}

/** Where a row lies inside a border that goes round once. @param {[number, number][]} border @param {number} y @returns {[number, number][]} */
function inside(border, y) {
  /** @type {[x: number, step: number][]} */
  const crossed = [];
  border.forEach((start, index) => {
    const end = /** @type {[number, number]} */ (border[(index + 1) % border.length]);
    if (start[1] < y === end[1] < y) return;
    crossed.push([start[0] + ((y - start[1]) * (end[0] - start[0])) / (end[1] - start[1]), start[1] < y ? 1 : -1]);
  });
  crossed.sort((one, two) => one[0] - two[0]);
  let turns = 0;
  /** @type {[number, number][]} */
  const covered = [];
  crossed.forEach(([x, step], index) => {
    turns += step;
    const after = crossed[index + 1];
    if (turns !== 0 && after) covered.push([x, after[0]]);
  });
  return covered;
}

/**
 * Set the pixels of a row whose centres are between low and high, and widen `changed` by them.
 *
 * @param {Pixels} pixels @param {number} row @param {number} low @param {number} high @param {number} value
 * @param {Rectangle} changed
 */
function span(pixels, row, low, high, value, changed) {
  const left = Math.max(0, Math.ceil(low - 0.5));
  const right = Math.min(pixels.width - 1, Math.floor(high - 0.5));
  if (left > right) return;
  pixels.data.fill(value, row * pixels.width + left, row * pixels.width + right + 1);
  changed.left = Math.min(changed.left, left);
  changed.right = Math.max(changed.right, right + 1);
  changed.top = Math.min(changed.top, row);
  changed.bottom = Math.max(changed.bottom, row + 1);
}

/** @param {Point} a @param {Point} b @param {number} radius @param {number} y @returns {[number, number]} */
function interval(a, b, radius, y) {
  const first = chord(a, radius, y);
  const second = chord(b, radius, y);
  const between = band(a, b, radius, y);
  return [Math.min(first[0], second[0], between[0]), Math.max(first[1], second[1], between[1])];
}

/** @type {[number, number]} */
const NOWHERE = [Infinity, -Infinity];

/** Where a row crosses a disc. @param {Point} centre @param {number} radius @param {number} y @returns {[number, number]} */
function chord(centre, radius, y) {
  const squared = radius * radius - (y - centre[1]) ** 2;
  if (squared < 0) return NOWHERE;
  const half = Math.sqrt(squared);
  return [centre[0] - half, centre[0] + half];
}

/**
 * Where a row crosses the rectangle around a segment: not further than `radius` from its line, and not
 * beyond its ends.
 *
 * @param {Point} a @param {Point} b @param {number} radius @param {number} y @returns {[number, number]}
 */
function band(a, b, radius, y) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (length === 0) return NOWHERE;
  const ux = (b[0] - a[0]) / length;
  const uy = (b[1] - a[1]) / length;
  const dy = y - a[1];
  const across = solve(dy * ux - radius, dy * ux + radius, uy);
  const along = solve(-dy * uy, length - dy * uy, ux);
  const low = Math.max(across[0], along[0]);
  const high = Math.min(across[1], along[1]);
  return low <= high ? [a[0] + low, a[0] + high] : NOWHERE;
}

/** The x with low <= x * slope <= high. @param {number} low @param {number} high @param {number} slope @returns {[number, number]} */
function solve(low, high, slope) {
  if (slope === 0) return low <= 0 && high >= 0 ? [-Infinity, Infinity] : NOWHERE;
  return slope > 0 ? [low / slope, high / slope] : [high / slope, low / slope];
}
