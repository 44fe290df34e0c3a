/**
 * Strokes: how a pointer's path becomes the numbers that are drawn, sent and stored.
 *
 * Coordinates are continuous image pixels, origin at the top-left corner, x right, y down; pixel
 * (row i, column j) has its centre at (j + 0.5, i + 0.5). Times are ms since the pair was shown.
 *
 * @typedef {[x: number, y: number, t_ms: number]} Point
 * @typedef {"brush" | "eraser" | "lasso"} Tool
 * @typedef {{readonly tool: Tool, readonly radius: number, readonly points: readonly Point[]}} Stroke
 * @typedef {{readonly width: number, readonly height: number}} Size
 */

export const SMALLEST_RADIUS = 2; // image px
export const LARGEST_RADIUS = 120; // image px
const RADIUS_STEP = 1.25; // one press of [ or ]

/** A tolerance at which thinning plus rounding (at most 0.07 px) stays below half an image pixel. */
export const TOLERANCE = 0.4; // image px

/**
 * A point with the precision that is sent: 0.1 px and 1 ms. It is rounded before it is drawn, so that
 * what is seen is what is stored. Far outside the image it is held at one image size away.
 *
 * @param {number} x @param {number} y @param {number} t_ms @param {Size} size @returns {Point}
 */
export function point(x, y, t_ms, size) {
  return [tenth(within(x, size.width)), tenth(within(y, size.height)), Math.max(0, Math.round(t_ms))];
}

/** @param {number} value */
const tenth = (value) => Math.round(value * 10) / 10;

/** @param {number} value @param {number} length */
const within = (value, length) => Math.min(2 * length, Math.max(-length, value));

/**
 * A good first brush: 2.5 % of the image's shorter side.
 *
 * @param {Size} size
 */
export const firstRadius = ({ width, height }) => clampRadius(Math.min(width, height) * 0.025);

/** @param {number} radius @returns {number} between the smallest and the largest, to 0.5 px */
export function clampRadius(radius) {
  return Math.min(LARGEST_RADIUS, Math.max(SMALLEST_RADIUS, Math.round(radius * 2) / 2));
}

/** @param {number} radius @param {number} presses negative for smaller */
export const stepRadius = (radius, presses) => clampRadius(radius * RADIUS_STEP ** presses);

/**
 * The same path with fewer points: none of those left out lies further than `tolerance` from what stays
 * (Ramer-Douglas-Peucker, without recursion). First and last point stay; one point stays one point.
 *
 * @param {readonly Point[]} points @param {number} [tolerance] image px @returns {Point[]}
 */
export function thin(points, tolerance = TOLERANCE) {
  const keep = new Uint8Array(points.length);
  keep[0] = 1;
  keep[points.length - 1] = 1;
  /** @type {[number, number][]} */
  const spans = [[0, points.length - 1]];
  // A stack of spans in place of recursion: a scribble of thousands of points could overflow the call stack.
  for (let span = spans.pop(); span; span = spans.pop()) {
    const middle = furthest(points, span[0], span[1], tolerance);
    if (middle < 0) continue;
    keep[middle] = 1;
    spans.push([span[0], middle], [middle, span[1]]);
  }
  return distinct(points.filter((_, index) => keep[index]));
}

/** @param {readonly Point[]} points @param {number} first @param {number} last @param {number} tolerance */
function furthest(points, first, last, tolerance) {
  // Squares are compared: no root for each of thousands of points.
  let worst = tolerance * tolerance;
  let found = -1;
  const a = /** @type {Point} */ (points[first]);
  const b = /** @type {Point} */ (points[last]);
  for (let index = first + 1; index < last; index += 1) {
    const distance = squaredDistance(/** @type {Point} */ (points[index]), a, b);
    if (distance > worst) {
      worst = distance;
      found = index;
    }
  }
  return found;
}

/** From p to the segment a-b. @param {Point} p @param {Point} a @param {Point} b */
export function squaredDistance(p, a, b) {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const length = dx * dx + dy * dy;
  // A segment without length is a point: the distance to it.
  const along = length ? ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length : 0;
  const nearest = Math.min(1, Math.max(0, along));
  return (p[0] - a[0] - nearest * dx) ** 2 + (p[1] - a[1] - nearest * dy) ** 2;
}

/** @param {readonly Point[]} points @returns {Point[]} without a point that repeats the place before it */
function distinct(points) {
  return points.filter((p, index) => {
    const before = points[index - 1];
    return !before || before[0] !== p[0] || before[1] !== p[1];
  });
}
