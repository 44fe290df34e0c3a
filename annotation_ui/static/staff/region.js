// @ts-check
/**
 * On the page of an image: the region of an attention check is drawn, and the text beside it is what a study's
 * description wants. Who types there sees the region follow.
 */

import { RegionDrawing, cornersOf, written } from "./region-drawing.js";

const svg = document.querySelector("#region");
const field = document.querySelector("#region-text");

if (svg instanceof SVGSVGElement && field instanceof HTMLTextAreaElement) {
  const corners = () => cornersOf(/region = (\[.*\])/.exec(field.value)?.[1] ?? "");
  const drawing = new RegionDrawing(svg, corners(), (drawn) => {
    field.value = field.value.replace(/region = .*|$/, `region = ${written(drawn)}`);
  });
  field.addEventListener("input", () => drawing.show(corners()));
  document.querySelector("#region-undo")?.addEventListener("click", () => drawing.change(drawing.corners.slice(0, -1)));
  document.querySelector("#region-clear")?.addEventListener("click", () => drawing.change([]));
}
