// @ts-check
/**
 * Draw the region of an attention check on an image: a click adds a corner, a corner can be dragged, and the
 * text beside it is what a study's description wants. Who types there sees the region follow.
 *
 * @typedef {[number, number]} Corner in pixels of the image
 */

const NEAR = 12; // CSS px around a corner that take hold of it
const SVG = "http://www.w3.org/2000/svg";

const drawing = document.querySelector("#region");
const text = document.querySelector("#region-text");

if (drawing instanceof SVGSVGElement && text instanceof HTMLTextAreaElement) listen(drawing, text);

/** @param {SVGSVGElement} svg @param {HTMLTextAreaElement} field */
function listen(svg, field) {
  /** @type {Corner[]} */
  let corners = read(field.value);
  let held = -1;

  const show = () => {
    const points = corners.map((corner) => corner.join(",")).join(" ");
    const shape = document.createElementNS(SVG, "polygon");
    shape.setAttribute("points", points);
    const dots = corners.map(([x, y]) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", String(x));
      dot.setAttribute("cy", String(y));
      dot.setAttribute("r", String(scale() * 5));
      return dot;
    });
    svg.replaceChildren(shape, ...dots);
  };
  const change = (/** @type {Corner[]} */ next) => {
    corners = next;
    field.value = field.value.replace(/region = .*|$/, `region = ${written(corners)}`);
    show();
  };
  /** Image pixels per CSS pixel. */
  const scale = () => svg.viewBox.baseVal.width / (svg.getBoundingClientRect().width || 1);
  /** @param {PointerEvent} event @returns {Corner} */
  const place = (event) => {
    const box = svg.getBoundingClientRect();
    const { width, height } = svg.viewBox.baseVal;
    const x = Math.round((event.clientX - box.left) * scale());
    const y = Math.round((event.clientY - box.top) * scale());
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  };

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    svg.setPointerCapture(event.pointerId);
    const at = place(event);
    held = corners.findIndex(([x, y]) => Math.hypot(x - at[0], y - at[1]) < NEAR * scale());
    if (held >= 0) return;
    held = corners.length;
    change([...corners, at]);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!event.isPrimary || held < 0) return;
    if ((event.buttons & 1) === 0) {
      held = -1;
    } // nobody told of the release
    else change(corners.map((corner, index) => (index === held ? place(event) : corner)));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(end, () => (held = -1));
  field.addEventListener("input", () => {
    corners = read(field.value);
    show();
  });
  document.querySelector("#region-undo")?.addEventListener("click", () => change(corners.slice(0, -1)));
  document.querySelector("#region-clear")?.addEventListener("click", () => change([]));
  show();
}

/** The corners in a description; none where it cannot be read yet. @param {string} description @returns {Corner[]} */
function read(description) {
  const found = /region = (\[.*\])/.exec(description);
  try {
    const corners = JSON.parse(found?.[1] ?? "[]");
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
const written = (corners) => `[${corners.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`;
