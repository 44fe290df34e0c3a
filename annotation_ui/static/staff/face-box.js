// @ts-check
/**
 * The face box of an image: drag it, drag one of its corners, or draw another one; the numbers beside it follow,
 * and it follows them. The server draws the crop, so that it is the one that a dataset keeps.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Box in pixels of the image
 * @typedef {{x: number, y: number}} Point
 */

const NEAR = 14; // CSS px around a corner that take hold of it
const SVG = "http://www.w3.org/2000/svg";

/** The box with these two corners. @param {Point} a @param {Point} b @returns {Box} */
export function between(a, b) {
  return { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) };
}

/** The corners, each followed clockwise by the next. @param {Box} box @returns {[Point, Point, Point, Point]} */
export function corners({ x, y, width, height }) {
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}

/**
 * What a drag that begins at a point does with it: each later point gives the next box.
 * @param {Box | null} box @param {Point} start @param {number} near in pixels of the image
 * @returns {(at: Point) => Box}
 */
export function drag(box, start, near) {
  if (!box) return (at) => between(start, at);
  const ends = corners(box);
  const taken = ends.findIndex((corner) => Math.hypot(corner.x - start.x, corner.y - start.y) < near);
  const opposite = ends[(taken + 2) % 4];
  if (taken >= 0 && opposite) return (at) => between(opposite, at);
  const inside = start.x > box.x && start.x < box.x + box.width && start.y > box.y && start.y < box.y + box.height;
  if (inside) return (at) => ({ ...box, x: box.x + at.x - start.x, y: box.y + at.y - start.y });
  return (at) => between(start, at);
}

/** The four numbers of the form. */
class Numbers {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    /** @param {string} name */
    const input = (name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
    this.inputs = { x: input("x"), y: input("y"), width: input("width"), height: input("height") };
  }

  /** The box that they say; null while one of them is missing. @returns {Box | null} */
  get box() {
    const { x, y, width, height } = this.inputs;
    const box = { x: x.valueAsNumber, y: y.valueAsNumber, width: width.valueAsNumber, height: height.valueAsNumber };
    return Object.values(box).every(Number.isFinite) && box.width > 0 && box.height > 0 ? box : null;
  }

  set box(box) {
    if (!box) return;
    this.inputs.x.value = box.x.toFixed(1);
    this.inputs.y.value = box.y.toFixed(1);
    this.inputs.width.value = box.width.toFixed(1);
    this.inputs.height.value = box.height.toFixed(1);
  }
}

/** Image pixels per CSS pixel. @param {SVGSVGElement} svg */
const scale = (svg) => svg.viewBox.baseVal.width / (svg.getBoundingClientRect().width || 1);

/** Where on the image a pointer is. @param {SVGSVGElement} svg @param {PointerEvent} event @returns {Point} */
function place(svg, event) {
  const edge = svg.getBoundingClientRect();
  const { width, height } = svg.viewBox.baseVal;
  return {
    x: Math.min(width, Math.max(0, (event.clientX - edge.left) * scale(svg))),
    y: Math.min(height, Math.max(0, (event.clientY - edge.top) * scale(svg))),
  };
}

/** @param {SVGSVGElement} svg @param {Box | null} box */
function show(svg, box) {
  if (!box) return svg.replaceChildren();
  const shape = document.createElementNS(SVG, "polygon");
  shape.setAttribute(
    "points",
    corners(box)
      .map(({ x, y }) => `${x},${y}`)
      .join(" "),
  );
  const dots = corners(box).map(({ x, y }) => {
    const dot = document.createElementNS(SVG, "circle");
    dot.setAttribute("cx", String(x));
    dot.setAttribute("cy", String(y));
    dot.setAttribute("r", String(scale(svg) * 5));
    return dot;
  });
  svg.replaceChildren(shape, ...dots);
}

/** @param {HTMLImageElement} crop @param {Box | null} box */
function preview(crop, box) {
  crop.hidden = !box;
  if (!box) return;
  const numbers = Object.entries(box).map(([name, value]) => [name, String(value)]);
  crop.src = `${crop.dataset.source}?${new URLSearchParams(numbers)}`;
}

/** @param {SVGSVGElement} svg @param {HTMLFormElement} form @param {HTMLImageElement} crop */
function listen(svg, form, crop) {
  const numbers = new Numbers(form);
  /** @type {((at: Point) => Box) | null} */
  let next = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    svg.setPointerCapture(event.pointerId);
    next = drag(numbers.box, place(svg, event), NEAR * scale(svg));
  });
  svg.addEventListener("pointermove", (event) => {
    if (!event.isPrimary || !next) return;
    numbers.box = next(place(svg, event));
    show(svg, numbers.box);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    svg.addEventListener(end, () => {
      if (next) preview(crop, numbers.box);
      next = null;
    });
  }
  form.addEventListener("input", () => show(svg, numbers.box));
  form.addEventListener("change", () => preview(crop, numbers.box));
  addEventListener("resize", () => show(svg, numbers.box));
  show(svg, numbers.box);
}

if (typeof document !== "undefined") {
  const svg = document.querySelector("#face");
  const form = document.querySelector("#face-form");
  const crop = document.querySelector("#face-crop");
  if (svg instanceof SVGSVGElement && form instanceof HTMLFormElement && crop instanceof HTMLImageElement) {
    listen(svg, form, crop);
  }
}
