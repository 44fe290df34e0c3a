// @ts-check
/** What was painted in each trial of a list, over its small picture; read when the list comes into view. */
import { draw } from "./map-view.js";

/** @typedef {{id: string, choice: string | null, strokes: import("../core/stroke.js").Stroke[] | null, [side: string]: any}} Trial */

const list = document.getElementById("trials");

/** @param {Trial} trial */
function show({ id, choice, strokes, ...trial }) {
  const canvas = document.querySelector(`canvas[data-strokes="${id}"]`);
  const face = choice && trial[choice];
  if (!(canvas instanceof HTMLCanvasElement) || !face || !strokes) return;
  Object.assign(canvas, { width: face.width, height: face.height });
  draw(canvas, [{ strokes }]);
}

/** @param {string} address */
async function load(address) {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  if (answer.ok) (await answer.json()).trials.forEach(show);
}

if (list?.querySelector("[data-strokes]")) {
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    seen.disconnect();
    load(list.dataset.records ?? "");
  });
  seen.observe(list);
}
