// @ts-check
/**
 * On the form of a study: each region to paint is drawn on its image, as soon as the image is named. The corners
 * stand in the text below it, where they can be typed as well.
 */

import { RegionDrawing, cornersOf, written } from "./region-drawing.js";

/** @param {string} name @returns {HTMLElement | null} */
const control = (name) => document.querySelector(`[name="${name}"]`);

/** @param {HTMLElement} place where the image is shown */
async function show(place) {
  const row = place.dataset.region ?? "";
  const image = control(`${row}.image`);
  const field = control(`${row}.region`);
  if (!(image instanceof HTMLInputElement) || !(field instanceof HTMLTextAreaElement)) return;
  const picture = new Image();
  picture.src = `/api/images/picture?name=${encodeURIComponent(image.value.trim())}`;
  picture.alt = "The image whose region is drawn";
  try {
    await picture.decode();
  } catch {
    place.replaceChildren();
    place.hidden = true;
    return;
  }
  place.replaceChildren(layers(picture, field));
  place.hidden = false;
}

/** @param {HTMLImageElement} picture @param {HTMLTextAreaElement} field @returns {HTMLElement} */
function layers(picture, field) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "region");
  svg.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "The region drawn on the image");
  const drawing = new RegionDrawing(svg, cornersOf(field.value), (drawn) => (field.value = written(drawn)));
  field.oninput = () => drawing.show(cornersOf(field.value));
  const stack = document.createElement("div");
  stack.className = "stack stack--tight";
  const shown = document.createElement("span");
  shown.className = "layers layers--drawn";
  shown.append(picture, svg);
  const tools = document.createElement("div");
  tools.className = "row";
  tools.append(
    tool("Take back a corner", () => drawing.change(drawing.corners.slice(0, -1))),
    tool("Start over", () => drawing.change([])),
  );
  stack.append(shown, tools);
  return stack;
}

/** @param {string} words @param {() => void} onClick */
function tool(words, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button--small";
  button.textContent = words;
  button.addEventListener("click", onClick);
  return button;
}

/** @param {string} row @returns {HTMLElement | null} */
const placeOf = (row) => document.querySelector(`[data-region="${row}"]`);

document.addEventListener("change", (event) => {
  if (!(event.target instanceof HTMLInputElement)) return;
  const row = /^(checks\.regions\.\d+)\.image$/.exec(event.target.name)?.[1];
  const place = row && placeOf(row);
  if (place) void show(place);
});
for (const place of document.querySelectorAll("[data-region]")) {
  const image = place instanceof HTMLElement && control(`${place.dataset.region}.image`);
  if (place instanceof HTMLElement && image instanceof HTMLInputElement && image.value) void show(place);
}
