/**
 * The paint on one face. The canvas has the image's own pixels and each of them is either ink or nothing, so
 * the canvas *is* the mask that the server will compute; transparency and size are the style sheet's.
 */

import { NOTHING, capsule, isNothing, paint, paintAll, union } from "../core/raster.js";
import { INK } from "./ink.js";

/**
 * @import { Point, Size, Stroke } from "../core/stroke.js"
 * @import { Rectangle } from "../core/raster.js"
 */

export class Surface {
  /** @param {Size} size of the image, in pixels */
  constructor({ width, height }) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("This browser cannot draw.");
    this.context = context;
    this.image = context.createImageData(width, height);
    this.pixels = { width, height, data: new Uint32Array(this.image.data.buffer) };
    this.before = new Uint32Array(this.pixels.data.length);
    this.ink = Number(new Uint32Array(new Uint8Array([...INK, 255]).buffer)[0]);
    /** @type {Rectangle} */
    this.stale = NOTHING;
    /** What the stroke in progress has touched. @type {Rectangle} */
    this.touched = NOTHING;
    this.frame = 0;
  }

  /** Show exactly these strokes. @param {readonly Stroke[]} strokes */
  show(strokes) {
    paintAll(this.pixels, strokes, this.ink);
    this.refresh({ left: 0, top: 0, right: this.pixels.width, bottom: this.pixels.height });
  }

  /** A stroke begins: remember what is there, so that it can be finished exactly or taken back. */
  begin() {
    this.before.set(this.pixels.data);
    this.touched = NOTHING;
  }

  /** A piece of the stroke in progress. @param {Point} from @param {Point} to @param {number} radius @param {boolean} erase */
  extend(from, to, radius, erase) {
    const area = capsule(this.pixels, from, to, radius, erase ? 0 : this.ink);
    this.touched = union(this.touched, area);
    this.refresh(area);
  }

  /** The stroke as it will be sent takes the place of the one in progress. @param {Stroke} stroke @returns {boolean} does it change anything? */
  finish(stroke) {
    this.takeBack();
    const area = paint(this.pixels, stroke, this.ink);
    this.refresh(area);
    return this.hasChanged(area);
  }

  /** Since the stroke began. @param {Rectangle} area */
  hasChanged(area) {
    const [first, last] = [area.top, area.bottom].map((row) => row * this.pixels.width);
    const [now, before] = [this.pixels.data, this.before].map((data) => data.subarray(first, last));
    return !isNothing(area) && /** @type {Uint32Array} */ (now).some((pixel, index) => pixel !== before?.[index]);
  }

  takeBack() {
    if (isNothing(this.touched)) return;
    const [first, last] = [this.touched.top, this.touched.bottom].map((row) => row * this.pixels.width);
    this.pixels.data.set(this.before.subarray(first, last), first);
    this.refresh(this.touched);
    this.touched = NOTHING;
  }

  /** The fraction that is painted, in [0, 1]. */
  covered() {
    const { data } = this.pixels;
    let painted = 0;
    for (let index = 0; index < data.length; index += 1) if (data[index] !== 0) painted += 1;
    return painted / data.length;
  }

  /** Bring a changed area to the canvas with the next frame. @param {Rectangle} area */
  refresh(area) {
    this.stale = union(this.stale, area);
    if (isNothing(this.stale) || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      const { left, top, right, bottom } = this.stale;
      this.frame = 0;
      this.stale = NOTHING;
      this.context.putImageData(this.image, 0, 0, left, top, right - left, bottom - top);
    });
  }
}
