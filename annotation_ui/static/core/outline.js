/**
 * What a closed outline encloses, exactly, however often it crosses itself: every point from which no path leads
 * away without meeting it. The same algorithm as the server's (saliency/masks/lassos.py).
 *
 * The plane is cut by upright lines, the *levels*: through every corner, and through the centres of the pixel
 * columns. Between two levels no edge begins or ends, so all edges go from one level to the other, in some order
 * from top to bottom. A path through such a strip that meets no edge has the same edges above it all the way.
 * Therefore it exists between two neighbouring edges if, and only if, the edges above are the same ones on both
 * levels: crossings need not be found, however many there are. What the gaps on the levels leave connected with
 * the outside is not enclosed.
 *
 * Corners are read to the nearest unit, 2^-30 px; from there on all comparisons are exact.
 *
 * @import { Point, Size } from "./stroke.js"
 * @typedef {{column: number, start: number, after: number}} Span in a column, from row `start` up to row `after`
 * @typedef {{x: number, y: number, run: number, rise: number}} Edge its left end (its upper end, if upright) and the way on, in units
 *
 * @typedef {object} Meeting of an edge and a level
 * @property {number} y in units, rounded
 * @property {{y: number, way: number, rise: number, run: number}} at exactly: y + way * rise / run
 * @property {Meeting | null} next where the edge goes on to, on the next level
 * @property {boolean} comes does the edge reach the level from the left?
 * @property {number} upright 1 where an upright edge begins, -1 where it ends, 0 for other edges
 * @property {number} rank among those that come
 * @property {number} before region of the gap below it, to the left of the level
 * @property {number} behind the same to the right
 */

import { UNITS_PER_PX } from "./contract.js";

const HALF = UNITS_PER_PX / 2;
const OUTSIDE = 0;

/**
 * The pixels whose centres lie inside; centres on the outline itself may be missing.
 *
 * @param {readonly Point[]} outline closed from last to first @param {Size} size of the image @returns {Span[]}
 */
export function enclosed(outline, { width, height }) {
  const edges = edgesOf(outline);
  const levels = levelsOf(edges, width);
  const met = meet(edges, levels);
  const regions = new Regions();
  met.forEach((meetings, index) => open(meetings, met[index + 1] ?? [], regions));
  const gaps = met.flatMap((meetings, index) => pass(meetings, Number(levels[index]), regions));
  return gaps
    .filter(({ before, isClosed }) => isClosed || regions.find(before) !== regions.find(OUTSIDE))
    .map(({ x, above, below }) => spanOf(x, above, below, height))
    .filter(({ column, start, after }) => column >= 0 && column < width && column % 1 === 0 && start < after);
}

/**
 * How often edges meet levels: what finding the inside costs.
 *
 * @param {readonly Point[]} outline @param {number} width of the image
 */
export function countMeetings(outline, width) {
  const edges = edgesOf(outline);
  const levels = levelsOf(edges, width);
  return edges.reduce((sum, { x, run }) => sum + place(levels, x + run) - place(levels, x) + 1, 0);
}

/** @param {readonly Point[]} outline @returns {Edge[]} those that have a length */
function edgesOf(outline) {
  const corners = outline.map(([x, y]) => ({ x: nearest(x * UNITS_PER_PX), y: nearest(y * UNITS_PER_PX) }));
  return corners.flatMap((one, index) => {
    const two = /** @type {typeof one} */ (corners[(index + 1) % corners.length]);
    // From left to right, so that an edge has one form whichever way the hand went.
    const [from, to] = two.x < one.x || (two.x === one.x && two.y < one.y) ? [two, one] : [one, two];
    const edge = { x: from.x, y: from.y, run: to.x - from.x, rise: to.y - from.y };
    return edge.run || edge.rise ? [edge] : [];
  });
}

/** The nearest whole number, of two the even one. @param {number} value */
const nearest = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** @param {readonly Edge[]} edges @param {number} width of the image @returns {number[]} x in units, ascending */
function levelsOf(edges, width) {
  const corners = edges.flatMap(({ x, run }) => [x, x + run]);
  // Math.min(...corners) would overflow the call stack where an outline has very many.
  let [low, high] = [Infinity, -Infinity];
  for (const x of corners) [low, high] = [Math.min(low, x), Math.max(high, x)];
  const first = Math.max(0, Math.ceil((low - HALF) / UNITS_PER_PX));
  const last = Math.min(width - 1, Math.floor((high - HALF) / UNITS_PER_PX));
  const columns = Array.from(
    { length: Math.max(0, last - first + 1) },
    (_, index) => (first + index) * UNITS_PER_PX + HALF,
  );
  return [...new Set([...corners, ...columns])].sort((one, two) => one - two);
}

/** Which level it is. @param {readonly number[]} levels @param {number} x one of them */
function place(levels, x) {
  let [low, high] = [0, levels.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Number(levels[middle]) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {readonly Edge[]} edges @param {readonly number[]} levels @returns {Meeting[][]} of each level, from top to bottom */
function meet(edges, levels) {
  /** @type {Meeting[][]} */
  const met = levels.map(() => []);
  for (const edge of edges) {
    const index = place(levels, edge.x);
    if (edge.run === 0) met[index]?.push(end(edge.y, 1), end(edge.y + edge.rise, -1));
    else follow(edge, index, levels, met);
  }
  for (const meetings of met) meetings.sort(compare);
  return met;
}

/** One end of an upright edge. @param {number} y @param {number} upright @returns {Meeting} */
const end = (y, upright) => meeting({ y, way: 0, rise: 0, run: 1 }, false, upright);

/** @param {Edge} edge @param {number} first level @param {readonly number[]} levels @param {Meeting[][]} met */
function follow({ x, y, run, rise }, first, levels, met) {
  /** @type {Meeting | null} */
  let last = null;
  for (let index = first; Number(levels[index]) <= x + run; index += 1) {
    const found = meeting({ y, way: Number(levels[index]) - x, rise, run }, last !== null, 0);
    if (last) last.next = found;
    met[index]?.push(found);
    last = found;
  }
}

/** @param {Meeting["at"]} at @param {boolean} comes @param {number} upright @returns {Meeting} */
const meeting = (at, comes, upright) => ({
  at,
  comes,
  upright,
  y: at.y + (at.way / at.run) * at.rise,
  next: null,
  rank: 0,
  before: OUTSIDE,
  behind: OUTSIDE,
});

/** Which is further up. @param {Meeting} one @param {Meeting} two */
function compare(one, two) {
  const gap = one.y - two.y;
  if (Math.abs(gap) > 1) return gap; // `y` is wrong by far less than a unit
  return isCorner(one.at) && isCorner(two.at) ? gap : exactly(one.at, two.at);
}

/** @param {Meeting["at"]} at */
const isCorner = ({ way, run }) => way === 0 || way === run;

/** @param {Meeting["at"]} one @param {Meeting["at"]} two */
function exactly(one, two) {
  // Cross-multiplied, in BigInt: the products have more than the 53 bits that a number holds.
  const [top, bottom] = [one, two].map(({ y, way, rise, run }) => BigInt(y) * BigInt(run) + BigInt(way) * BigInt(rise));
  const gap = /** @type {bigint} */ (top) * BigInt(two.run) - /** @type {bigint} */ (bottom) * BigInt(one.run);
  return gap < 0n ? -1 : Number(gap > 0n);
}

/**
 * Number the gaps of the strip between two levels: one number where a path leads from one level to the other,
 * two where none does. Above the first edge and below the last one is the outside.
 *
 * @param {readonly Meeting[]} left @param {readonly Meeting[]} right @param {Regions} regions
 */
function open(left, right, regions) {
  const going = left.filter(({ next }) => next);
  const coming = right.filter(({ comes }) => comes);
  coming.forEach((one, rank) => (one.rank = rank));
  // The edges above a gap are the same ones on both levels if none of the first `rank + 1` arrives below that rank.
  let lowest = -1;
  going.slice(0, -1).forEach((one, rank) => {
    lowest = Math.max(lowest, Number(one.next?.rank));
    one.behind = regions.more();
    const other = /** @type {Meeting} */ (coming[rank]);
    other.before = lowest === rank ? one.behind : regions.more();
  });
}

/**
 * Join what a level does not part, and return its gaps.
 *
 * @param {readonly Meeting[]} meetings @param {number} x @param {Regions} regions
 */
function pass(meetings, x, regions) {
  let [before, behind, upright] = [OUTSIDE, OUTSIDE, 0];
  return meetings.slice(0, -1).flatMap((above, index) => {
    const below = /** @type {Meeting} */ (meetings[index + 1]);
    if (above.comes) before = above.before;
    if (above.next) behind = above.behind;
    upright += above.upright;
    if (compare(above, below) === 0) return []; // they touch: no path leads between them
    if (upright === 0) regions.join(before, behind);
    return [{ x, above, below, before, isClosed: upright > 0 }];
  });
}

/** @param {number} x @param {Meeting} above @param {Meeting} below @param {number} height @returns {Span} a fraction of a column where the level is none */
function spanOf(x, above, below, height) {
  const start = Math.max(0, Math.ceil((above.y - HALF) / UNITS_PER_PX));
  const after = Math.min(height, Math.floor((below.y - HALF) / UNITS_PER_PX) + 1);
  return { column: (x - HALF) / UNITS_PER_PX, start, after };
}

/** Regions that are joined one by one: union-find, so that a search takes almost constant time. */
class Regions {
  constructor() {
    /** @type {number[]} */
    this.leader = [OUTSIDE];
  }

  more() {
    return this.leader.push(this.leader.length) - 1;
  }

  /** @param {number} region @returns {number} the same for all that are joined */
  find(region) {
    let here = region;
    for (let next = Number(this.leader[here]); next !== here; next = Number(this.leader[here])) {
      this.leader[here] = Number(this.leader[next]); // halves the way for the next search
      here = next;
    }
    return here;
  }

  /** @param {number} one @param {number} two */
  join(one, two) {
    this.leader[this.find(one)] = this.find(two);
  }
}
