// @ts-check
/** One image: its map with an opacity, and every annotation drawn from its strokes. */
import { paintAll } from "../core/raster.js";

/** @typedef {import("../core/stroke.js").Stroke} Stroke */
/** @typedef {{annotation_id: number, participant: string, simulated: boolean, arm: string, question: string, correct: boolean, strokes: Stroke[]}} Annotation */
/** @typedef {{width: number, height: number, annotations: Annotation[]}} Painted */

const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
const overlay = document.getElementById("overlay");
const opacity = document.getElementById("opacity");
const strokes = /** @type {HTMLCanvasElement} */ (document.getElementById("strokes"));
const drawing = /** @type {HTMLElement} */ (document.getElementById("drawing"));
const list = /** @type {HTMLElement} */ (document.getElementById("annotations"));
const count = /** @type {HTMLElement} */ (document.getElementById("annotations-count"));

if (overlay && opacity instanceof HTMLInputElement) {
  const follow = () => {
    overlay.style.opacity = String(opacity.valueAsNumber / 100);
  };
  opacity.addEventListener("input", follow);
  follow(); // a browser may have kept the value of the last visit
}

/** The stroke colour of the design as red, green and blue, 0 to 255. */
function ink() {
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--stroke").trim();
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

/**
 * Masks on top of each other: the more annotations painted a pixel, the more opaque it is.
 *
 * @param {HTMLCanvasElement} canvas @param {readonly Annotation[]} annotations
 */
function draw(canvas, annotations) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { width, height } = canvas;
  const pixels = { width, height, data: new Uint8Array(width * height) };
  const times = new Uint16Array(width * height);
  for (const annotation of annotations) {
    paintAll(pixels, annotation.strokes, 1);
    pixels.data.forEach((painted, index) => {
      if (painted) times[index] = (times[index] ?? 0) + 1;
    });
  }
  const picture = context.createImageData(width, height);
  const colour = ink();
  const share = annotations.length > 1 ? 0.35 : 0.6;
  times.forEach((number, index) => {
    if (number) picture.data.set([...colour, 255 * (1 - (1 - share) ** number)], 4 * index);
  });
  context.putImageData(picture, 0, 0);
}

/** @param {string} chosen which button of the page is pressed: "none", "all", or an annotation's id */
function press(chosen) {
  for (const button of document.querySelectorAll("[data-draws]")) {
    button.setAttribute("aria-pressed", String(button instanceof HTMLElement && button.dataset.draws === chosen));
  }
}

/** @param {string} tag @param {string} className @param {string} text */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** @param {Annotation} annotation @param {Painted} painted */
function card(annotation, painted) {
  const button = element("button", "figure annotation", "");
  button.setAttribute("type", "button");
  button.setAttribute("aria-pressed", "false");
  button.dataset.draws = String(annotation.annotation_id);
  const layers = element("span", "layers", "");
  const face = document.createElement("img");
  face.src = `${stage.dataset.picture}?width=320`;
  face.alt = "";
  const canvas = document.createElement("canvas");
  canvas.width = painted.width;
  canvas.height = painted.height;
  layers.append(face, canvas);
  const caption = element("span", "caption", `${annotation.arm} · which one is ${annotation.question}? `);
  caption.append(element("span", annotation.correct ? "badge badge--ok" : "badge badge--warn", annotation.correct ? "correct" : "wrong"));
  if (annotation.simulated) caption.append(" ", element("span", "badge badge--simulated", "simulated"));
  caption.append(document.createElement("br"), `${annotation.strokes.length} stroke${annotation.strokes.length === 1 ? "" : "s"} · `, element("span", "code", annotation.participant.slice(0, 8)));
  button.append(layers, caption);
  seen.observe(canvas);
  waiting.set(canvas, annotation);
  return button;
}

/** Canvases that are drawn when they come into view. @type {WeakMap<Element, Annotation>} */
const waiting = new WeakMap();

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const annotation = waiting.get(target);
    if (!isIntersecting || !annotation || !(target instanceof HTMLCanvasElement)) continue;
    draw(target, [annotation]);
    seen.unobserve(target);
  }
});

/** @param {Painted} painted */
function show(painted) {
  const { annotations } = painted;
  count.textContent = String(annotations.length);
  list.replaceChildren(...annotations.map((annotation) => card(annotation, painted)));
  if (annotations.length === 0) list.append(element("p", "muted", "Nobody has painted on this image."));
  drawing.hidden = annotations.length === 0;
  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-draws]") : null;
    if (!(button instanceof HTMLElement)) return;
    const again = button.classList.contains("annotation") && button.getAttribute("aria-pressed") === "true";
    const chosen = again ? "none" : (button.dataset.draws ?? "none");
    draw(strokes, annotations.filter(({ annotation_id }) => chosen === "all" || chosen === String(annotation_id)));
    press(chosen);
  });
}

try {
  const answer = await fetch(stage.dataset.annotations ?? "", { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  show(await answer.json());
} catch {
  list.append(element("p", "field__error", "The annotations could not be loaded; reload the page."));
}
