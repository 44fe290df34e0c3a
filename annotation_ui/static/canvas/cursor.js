/** What goes with the pointer over a face: a ring as large as the brush, and the outline being drawn. */

/**
 * @import { Point, Size } from "../core/stroke.js"
 */

const SVG = "http://www.w3.org/2000/svg";

export class Cursor {
  /** @param {Size} size of the image: the cursor is drawn in image pixels */
  constructor({ width, height }) {
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
    this.rings = ["cursor__halo", "cursor__ring"].map((name) =>
      this.append(document.createElementNS(SVG, "circle"), name),
    );
    this.paths = ["cursor__path-halo", "cursor__path"].map((name) =>
      this.append(document.createElementNS(SVG, "polyline"), name),
    );
    /** The outline being drawn. @type {readonly Point[]} */
    this.outline = [];
    this.frame = 0;
    this.hide();
  }

  /** @template {SVGElement} T @param {T} element @param {string} name @returns {T} */
  append(element, name) {
    element.setAttribute("class", name);
    this.element.append(element);
    return element;
  }

  /** @param {{x: number, y: number}} at image px @param {number} radius image px */
  move(at, radius) {
    for (const ring of this.rings) {
      ring.setAttribute("cx", String(at.x));
      ring.setAttribute("cy", String(at.y));
      ring.setAttribute("r", String(radius));
    }
    this.element.removeAttribute("visibility");
  }

  /** Another brush: the ring changes where it is, or shows at `middle`. @param {{x: number, y: number}} middle image px @param {number} radius image px */
  resize(middle, radius) {
    const [ring] = this.rings;
    const isShown = Number(ring?.getAttribute("r")) > 0;
    this.move(isShown ? { x: Number(ring?.getAttribute("cx")), y: Number(ring?.getAttribute("cy")) } : middle, radius);
  }

  /** Show an outline that only grows, with the next frame. @param {readonly Point[]} outline image px */
  trace(outline) {
    this.outline = outline;
    this.frame ||= requestAnimationFrame(() => this.extend());
  }

  /** What an outline has gained since the last frame: a long one costs no more than a short one. */
  extend() {
    this.frame = 0;
    for (const { points } of this.paths) {
      for (const [x, y] of this.outline.slice(points.numberOfItems)) {
        points.appendItem(Object.assign(this.element.createSVGPoint(), { x, y }));
      }
    }
  }

  untrace() {
    this.outline = [];
    for (const { points } of this.paths) points.clear();
  }

  hide() {
    for (const ring of this.rings) ring.setAttribute("r", "0");
  }
}
