/**
 * A drawing in time, drawn by the code that drew it under the participant's hand: once the last stroke is done, the
 * canvas is the mask.
 */

import { progress, timed } from "../core/replay.js";
import { Cursor } from "./cursor.js";
import { Surface } from "./surface.js";

/**
 * @import { Point, Size, Stroke } from "../core/stroke.js"
 * @import { Progress } from "../core/replay.js"
 */

const LASSO_RING = 3; // image px

export class Playback {
  /** @param {readonly Stroke[]} strokes @param {Size} size of the image */
  constructor(strokes, size) {
    this.strokes = timed(strokes);
    this.surface = new Surface(size);
    this.cursor = new Cursor(size);
    this.at = 0;
    this.done = 0;
    /** Points of the stroke in progress that are drawn. */
    this.drawn = 0;
  }

  /** @param {number} t_ms since the pair was shown @param {{whole?: boolean}} [how] whole: no stroke before it is done */
  show(t_ms, { whole = false } = {}) {
    const now = progress(this.strokes, t_ms);
    if (t_ms < this.at) this.restart(now.done);
    this.at = t_ms;
    while (this.done < now.done) this.finish();
    if (now.points.length && !whole) this.extend(now);
    else if (!this.drawn) this.lift();
  }

  /** Go back: the strokes that were done then, and nothing of a later one. @param {number} done */
  restart(done) {
    this.lift();
    this.done = done;
    this.drawn = 0;
    this.surface.show(this.strokes.slice(0, done).map(({ stroke }) => stroke));
  }

  /** The whole stroke takes the place of what is drawn of it. */
  finish() {
    if (!this.drawn) this.surface.begin();
    this.surface.finish(this.current);
    this.lift();
    this.drawn = 0;
    this.done += 1;
  }

  /** @param {Progress} now */
  extend({ points, tip }) {
    if (!this.drawn) this.surface.begin();
    const { tool, radius } = this.current;
    const fresh = points.slice(Math.max(0, this.drawn - 1));
    this.drawn = points.length;
    const [x, y] = /** @type {Point} */ (tip ?? points.at(-1));
    this.cursor.move({ x, y }, tool === "lasso" ? LASSO_RING : radius);
    if (tool === "lasso") return this.cursor.trace(points);
    const path = tip ? [...fresh, tip] : fresh;
    path.forEach((to, index) => this.surface.extend(path[index - 1] ?? to, to, radius, tool === "eraser"));
  }

  get current() {
    return /** @type {Stroke} */ (this.strokes[this.done]?.stroke);
  }

  lift() {
    this.cursor.untrace();
    this.cursor.hide();
  }
}
