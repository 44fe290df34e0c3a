/**
 * What it costs to send a stroke and to work out what it covers, in px of outline. A thick line goes there and
 * back, round its two ends and round every turn. A lasso costs four px for each place where an edge meets a level
 * (outline.js). And each point costs ten. saliency/masks/work.py counts the same.
 *
 * @import { Point, Stroke } from "./stroke.js"
 */

import { WORK_PER_MEETING, WORK_PER_POINT } from "./contract.js";
import { countMeetings } from "./outline.js";

/** @param {Stroke} stroke @param {number} width of the image */
export function work({ tool, radius, points }, width) {
  const read = WORK_PER_POINT * points.length;
  if (tool === "lasso") return read + WORK_PER_MEETING * countMeetings(points, width);
  const steps = stepsOf(points);
  const length = steps.reduce((sum, [x, y]) => sum + Math.hypot(x, y), 0);
  const turns = steps.slice(1).reduce((sum, step, index) => sum + angle(/** @type {Step} */ (steps[index]), step), 0);
  return read + 2 * (length + radius * (Math.PI + turns));
}

/** @typedef {[x: number, y: number]} Step */

/** @param {readonly Point[]} points @returns {Step[]} those that lead anywhere */
function stepsOf(points) {
  const steps = points.slice(1).map((to, index) => {
    const from = /** @type {Point} */ (points[index]);
    return /** @type {Step} */ ([to[0] - from[0], to[1] - from[1]]);
  });
  return steps.filter(([x, y]) => x !== 0 || y !== 0);
}

/** How far a path turns, 0 to π. @param {Step} one @param {Step} two */
const angle = (one, two) => Math.abs(Math.atan2(one[0] * two[1] - one[1] * two[0], one[0] * two[0] + one[1] * two[1]));
