// @ts-check
/**
 * Draw a region on an image: a click adds a corner, a corner can be dragged. Who keeps the corners is told of each
 * change, and says when they have changed elsewhere.
 *
 * @typedef {[number, number]} Corner in pixels of the image
 */

const NEAR = 12; // CSS px around a corner that take hold of it
const SVG = "http://www.w3.org/2000/svg";

export class RegionDrawing {
  /** @param {SVGSVGElement} svg its view box is the image @param {Corner[]} corners @param {(corners: Corner[]) => void} onChange */
  constructor(svg, corners, onChange) {
    this.svg = svg;
    this.onChange = onChange;
    this.corners = corners;
    this.held = -1;
    svg.addEventListener("pointerdown", (event) => this.take(event));
    svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      svg.addEventListener(end, () => (this.held = -1));
    }
    // Corners are as large on a small picture as on a large one, and one that is hidden has no size yet.
    new ResizeObserver(() => this.show(this.corners)).observe(svg);
  }

  /** @param {Corner[]} corners */
  show(corners) {
    this.corners = corners;
    const shape = document.createElementNS(SVG, "polygon");
    shape.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
    const dots = corners.map(([x, y]) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", String(x));
      dot.setAttribute("cy", String(y));
      dot.setAttribute("r", String(this.scale() * 5));
      return dot;
    });
    this.svg.replaceChildren(shape, ...dots);
  }

  /** @param {Corner[]} corners */
  change(corners) {
    this.show(corners);
    this.onChange(corners);
  }

  /** Image pixels per CSS pixel; 0 while nothing is shown. */
  scale() {
    const { width } = this.svg.getBoundingClientRect();
    return width ? this.svg.viewBox.baseVal.width / width : 0;
  }

  /** @param {PointerEvent} event @returns {Corner} */
  place(event) {
    const box = this.svg.getBoundingClientRect();
    const { width, height } = this.svg.viewBox.baseVal;
    const x = Math.round((event.clientX - box.left) * this.scale());
    const y = Math.round((event.clientY - box.top) * this.scale());
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  /** @param {PointerEvent} event */
  take(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    this.svg.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.held = this.corners.findIndex(([x, y]) => Math.hypot(x - at[0], y - at[1]) < NEAR * this.scale());
    if (this.held >= 0) return;
    this.held = this.corners.length;
    this.change([...this.corners, at]);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!event.isPrimary || this.held < 0) return;
    if ((event.buttons & 1) === 0) {
      this.held = -1;
    } // nobody told of the release
    else this.change(this.corners.map((corner, index) => (index === this.held ? this.place(event) : corner)));
  }
}

/** The corners in a text; none where it cannot be read yet. @param {string} text @returns {Corner[]} */
export function cornersOf(text) {
  try {
    const corners = JSON.parse(text || "[]");
    return corners.every(
      (/** @type {unknown} */ one) => Array.isArray(one) && one.length === 2 && one.every(Number.isFinite),
    )
      ? corners
      : [];
  } catch {
    return [];
  }
}

/** @param {Corner[]} corners */
export const written = (corners) => `[${corners.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`;
