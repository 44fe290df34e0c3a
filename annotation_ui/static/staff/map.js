// @ts-check
/** One image: its map, and every annotation drawn from its strokes. */
import { MapView, draw, painted, subject } from "./map-view.js";

/** @typedef {import("./map-view.js").Annotation} Annotation */
/** @typedef {import("./map-view.js").Painted} Painted */

const root = /** @type {HTMLElement} */ (document.getElementById("view"));
const list = /** @type {HTMLElement} */ (document.getElementById("annotations"));
const count = /** @type {HTMLElement} */ (document.getElementById("annotations-count"));
const shown = subject(root);
const view = new MapView(root);

/** @param {string} tag @param {string} className @param {string} text */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** @param {Annotation} annotation @param {Painted} all */
function card(annotation, all) {
  const button = element("button", "figure annotation", "");
  button.setAttribute("type", "button");
  button.setAttribute("aria-pressed", "false");
  button.dataset.annotation = String(annotation.annotation_id);
  const layers = element("span", "layers", "");
  const face = document.createElement("img");
  face.src = `${shown.picture}?width=320`;
  face.alt = "";
  const canvas = document.createElement("canvas");
  canvas.width = all.width;
  canvas.height = all.height;
  layers.append(face, canvas);
  const caption = element("span", "caption", `${annotation.arm} · which one is ${annotation.question}? `);
  caption.append(
    element(
      "span",
      annotation.correct ? "badge badge--ok" : "badge badge--warn",
      annotation.correct ? "correct" : "wrong",
    ),
  );
  if (annotation.simulated) caption.append(" ", element("span", "badge badge--simulated", "simulated"));
  caption.append(
    document.createElement("br"),
    `${annotation.strokes.length} stroke${annotation.strokes.length === 1 ? "" : "s"} · `,
    element("span", "code", annotation.participant.slice(0, 8)),
  );
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

/** @param {Painted} all */
function show(all) {
  const { annotations } = all;
  count.textContent = String(annotations.length);
  list.replaceChildren(...annotations.map((annotation) => card(annotation, all)));
  if (annotations.length === 0) list.append(element("p", "muted", "Nobody has painted on this image."));
  view.receive(annotations);
  list.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-annotation]") : null;
    if (!(button instanceof HTMLElement)) return;
    const isAlone = button.getAttribute("aria-pressed") === "true";
    for (const other of list.querySelectorAll("[data-annotation]")) {
      other.setAttribute("aria-pressed", String(other === button && !isAlone));
    }
    if (isAlone) view.chooseAll();
    else view.choose(annotations.filter(({ annotation_id }) => String(annotation_id) === button.dataset.annotation));
    view.moveTo(100);
  });
}

view.show(shown);
try {
  show(await painted(shown.annotations));
} catch {
  list.append(element("p", "field__error", "The annotations could not be loaded; reload the page."));
}
