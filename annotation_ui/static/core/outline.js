/**
 * What a closed freehand outline encloses. A hand crosses its own path, sometimes in both directions, so
 * neither the even-odd nor the winding rule gives every enclosed point. The border towards the outside does:
 * cut the outline where it crosses itself and walk round it with the outside always on the same hand.
 *
 * @import { Point } from "./stroke.js"
 * @typedef {[x: number, y: number]} Place
 * @typedef {{place: Place, neighbours: Map<string, number>}} Node neighbours by key, with the angle towards them
 */

const GRID = 1e6; // two crossings closer than a millionth of a pixel are one
const NEAR = 1 / GRID; // px; wider than every tolerance below

/**
 * The outer border of a closed outline.
 *
 * @param {readonly (Point | Place)[]} outline closed from last to first
 * @returns {Place[]} corners of the border; fewer than three enclose nothing
 */
export function outerBorder(outline) {
  const nodes = crossings(distinct(outline.map(([x, y]) => [x, y])));
  if (nodes.size < 3) return [];
  const start = leftmost(nodes);
  const first = leave(nodes, start, Math.PI);
  const border = [place(nodes, start)];
  let from = start;
  let to = first;
  // Each edge is walked at most once in each direction, so this ends.
  while (to !== start || leave(nodes, to, heading(nodes, to, from)) !== first) {
    border.push(place(nodes, to));
    [from, to] = [to, leave(nodes, to, heading(nodes, to, from))];
  }
  return border;
}

/** Without a corner that repeats the one before it: a piece without length meets everything. @param {Place[]} outline */
const distinct = (outline) => outline.filter((corner, index) => key(corner) !== key(/** @type {Place} */ (outline.at(index - 1))));

/** The outline as a graph: its corners and crossings, joined by pieces that cross nothing. @param {Place[]} outline */
function crossings(outline) {
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  const ends = outline.map((_, index) => /** @type {Place} */ (outline[(index + 1) % outline.length]));
  outline.forEach((start, index) => {
    const end = /** @type {Place} */ (ends[index]);
    /** @type {[along: number, at: Place][]} */
    const cuts = [[0, start], [1, end]];
    outline.forEach((other, at) => {
      const otherEnd = /** @type {Place} */ (ends[at]);
      if (at !== index && mayMeet(start, end, other, otherEnd)) cuts.push(...meetings(start, end, other, otherEnd));
    });
    cuts.sort((one, two) => one[0] - two[0]);
    cuts.slice(1).forEach((cut, before) => join(nodes, /** @type {[number, Place]} */ (cuts[before])[1], cut[1]));
  });
  return nodes;
}

/** Most pieces are far from each other. @param {Place} a @param {Place} b @param {Place} c @param {Place} d */
const mayMeet = (a, b, c, d) => overlap(a[0], b[0], c[0], d[0]) && overlap(a[1], b[1], c[1], d[1]);

/** @param {number} a @param {number} b @param {number} c @param {number} d */
const overlap = (a, b, c, d) => Math.min(a, b) <= Math.max(c, d) + NEAR && Math.min(c, d) <= Math.max(a, b) + NEAR;

/**
 * Where a-b meets c-d, as fractions of a-b. Parallel pieces meet where the ends of one lie on the other.
 *
 * @param {Place} a @param {Place} b @param {Place} c @param {Place} d @returns {[number, Place][]}
 */
function meetings(a, b, c, d) {
  const run = [b[0] - a[0], b[1] - a[1]];
  const other = [d[0] - c[0], d[1] - c[1]];
  const turn = cross(run, other);
  const gap = [c[0] - a[0], c[1] - a[1]];
  if (Math.abs(turn) < 1e-12) return [c, d].flatMap((end) => onPiece(a, run, end));
  const along = cross(gap, other) / turn;
  const across = cross(gap, run) / turn;
  if (!isFraction(along) || !isFraction(across)) return [];
  const end = [c, d][Math.round(across)];
  const touches = Math.abs(across - Math.round(across)) < 1e-9 && end;
  return [[along, touches || [a[0] + along * Number(run[0]), a[1] + along * Number(run[1])]]];
}

/** @param {Place} a @param {number[]} run @param {Place} end @returns {[number, Place][]} */
function onPiece(a, run, end) {
  const gap = [end[0] - a[0], end[1] - a[1]];
  const squared = dot(run, run);
  const along = squared ? dot(gap, run) / squared : 0;
  const isOn = Math.abs(cross(run, gap)) <= 1e-9 * Math.sqrt(squared) && isFraction(along);
  return isOn ? [[along, end]] : [];
}

/** @param {Map<string, Node>} nodes @param {Place} one @param {Place} two */
function join(nodes, one, two) {
  const [first, second] = [key(one), key(two)];
  if (first === second) return;
  const angle = Math.atan2(two[1] - one[1], two[0] - one[0]);
  node(nodes, first, one).neighbours.set(second, angle);
  node(nodes, second, two).neighbours.set(first, angle > 0 ? angle - Math.PI : angle + Math.PI);
}

/** @param {Map<string, Node>} nodes @param {string} name @param {Place} at */
function node(nodes, name, at) {
  const found = nodes.get(name) ?? { place: at, neighbours: new Map() };
  nodes.set(name, found);
  return found;
}

/** @param {Map<string, Node>} nodes @returns {string} */
function leftmost(nodes) {
  const [best] = [...nodes].sort(([, { place: a }], [, { place: b }]) => a[0] - b[0] || a[1] - b[1]);
  return /** @type {[string, Node]} */ (best)[0];
}

/**
 * The next piece of the border: the first that a hand meets when it turns, clockwise on the screen, away from
 * where it came from.
 *
 * @param {Map<string, Node>} nodes @param {string} at @param {number} back the angle towards where one came from
 */
function leave(nodes, at, back) {
  let best = "";
  let least = Infinity;
  for (const [name, angle] of /** @type {Node} */ (nodes.get(at)).neighbours) {
    const turned = (angle - back + 4 * Math.PI) % (2 * Math.PI);
    const turn = turned < 1e-12 ? 2 * Math.PI : turned; // the way back is the last resort
    if (turn < least) [best, least] = [name, turn];
  }
  return best;
}

/** @param {Map<string, Node>} nodes @param {string} from @param {string} to */
const heading = (nodes, from, to) => Number(/** @type {Node} */ (nodes.get(from)).neighbours.get(to));

/** @param {Map<string, Node>} nodes @param {string} name */
const place = (nodes, name) => /** @type {Node} */ (nodes.get(name)).place;

/** @param {Place} at */
const key = (at) => `${Math.round(at[0] * GRID)},${Math.round(at[1] * GRID)}`;

/** @param {number[]} a @param {number[]} b */
const cross = (a, b) => Number(a[0]) * Number(b[1]) - Number(a[1]) * Number(b[0]);

/** @param {number[]} a @param {number[]} b */
const dot = (a, b) => Number(a[0]) * Number(b[0]) + Number(a[1]) * Number(b[1]);

/** @param {number} value */
const isFraction = (value) => value >= -1e-12 && value <= 1 + 1e-12;
