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
    this.rings = ["cursor__halo", "cursor__ring"].map((name) => this.append("circle", name));
    this.paths = ["cursor__path-halo", "cursor__path"].map((name) => this.append("polyline", name));
    this.hide();
  }

  /** @param {string} shape @param {string} name */
  append(shape, name) {
    const element = document.createElementNS(SVG, shape);
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

  /** @param {readonly Point[]} points image px */
  trace(points) {
    const path = points.map(([x, y]) => `${x},${y}`).join(" ");
    for (const line of this.paths) line.setAttribute("points", path);
  }

  hide() {
    for (const ring of this.rings) ring.setAttribute("r", "0");
  }
}
