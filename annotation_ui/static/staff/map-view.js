// @ts-check
/** One image with what was painted on it and its map: a slider between the three, and a picture of what it shows. */
import { paintAll } from "../core/raster.js";

/** @typedef {import("../core/stroke.js").Stroke} Stroke */
/** @typedef {{annotation_id: number, participant: string, simulated: boolean, arm: string, question: string, correct: boolean, strokes: Stroke[]}} Annotation */
/** @typedef {{width: number, height: number, annotations: Annotation[]}} Painted */
/** @typedef {{name: string, width: number, height: number, picture: string, map: string, annotations: string, alt: string}} Subject */

/** What an element says of its image. @param {HTMLElement} element @returns {Subject} */
export function subject({ dataset }) {
  const { name = "", picture = "", map = "", annotations = "", alt = "", width, height } = dataset;
  return { name, picture, map, annotations, alt, width: Number(width), height: Number(height) };
}

/** The stroke colour of the design as red, green and blue, 0 to 255. */
function ink() {
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--stroke").trim();
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

/**
 * Masks on top of each other: the more annotations painted a pixel, the more opaque it is.
 *
 * @param {HTMLCanvasElement} canvas @param {readonly {strokes: readonly Stroke[]}[]} annotations
 */
export function draw(canvas, annotations) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { width, height } = canvas;
  const pixels = { width, height, data: new Uint8Array(width * height) };
  const times = new Uint16Array(width * height);
  for (const annotation of annotations) {
    paintAll(pixels, annotation.strokes, 1);
    pixels.data.forEach((isInk, index) => {
      if (isInk) times[index] = (times[index] ?? 0) + 1;
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

/** @param {string} address @returns {Promise<Painted>} */
export async function painted(address) {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/**
 * How opaque strokes and map are at a place of the slider: 0 the image, 100 the annotations, 200 the map.
 *
 * @param {number} place
 */
export const opacities = (place) => ({
  strokes: Math.max(0, 1 - Math.abs(place - 100) / 100),
  map: Math.max(0, (place - 100) / 100),
});

export class MapView {
  /** @type {Subject | null} */ #shown = null;
  /** @type {readonly Annotation[]} */ #all = [];
  /** @type {readonly Annotation[]} */ #drawn = [];
  #isDrawn = false;

  /** @param {HTMLElement} root that holds the parts of the macro `view` */
  constructor(root) {
    this.root = root;
    this.face = /** @type {HTMLImageElement} */ (root.querySelector('[data-part="face"]'));
    this.strokes = /** @type {HTMLCanvasElement} */ (root.querySelector('[data-part="strokes"]'));
    this.map = /** @type {HTMLImageElement | null} */ (root.querySelector('[data-part="map"]'));
    this.slider = /** @type {HTMLInputElement} */ (root.querySelector('[data-part="slider"]'));
    this.slider.addEventListener("input", () => this.#follow());
    for (const stop of root.querySelectorAll("[data-stop]")) {
      stop.addEventListener("click", () => this.moveTo(Number(/** @type {HTMLElement} */ (stop).dataset.stop)));
    }
    root.querySelector('[data-part="download"]')?.addEventListener("click", () => this.download());
  }

  /** @param {Subject} shown */
  show(shown) {
    this.#shown = shown;
    this.#all = this.#drawn = [];
    this.#isDrawn = false;
    Object.assign(this.face, { src: shown.picture, alt: shown.alt, width: shown.width, height: shown.height });
    Object.assign(this.strokes, { width: shown.width, height: shown.height });
    if (this.map) this.map.src = shown.map;
    this.#follow(); // a browser may have kept the place of the last visit
  }

  /** What was painted on the image that is shown; it is drawn when the slider first comes near it. @param {readonly Annotation[]} annotations */
  receive(annotations) {
    this.#all = annotations;
    this.choose(annotations);
  }

  /** Draw only these of the annotations. @param {readonly Annotation[]} annotations */
  choose(annotations) {
    this.#drawn = annotations;
    this.#isDrawn = false;
    this.#follow();
  }

  /** Draw all of them again. */
  chooseAll() {
    this.choose(this.#all);
  }

  /** @param {number} place */
  moveTo(place) {
    this.slider.value = String(place);
    this.#follow();
  }

  #follow() {
    const { strokes, map } = opacities(this.slider.valueAsNumber);
    if (strokes > 0 && !this.#isDrawn) {
      draw(this.strokes, this.#drawn);
      this.#isDrawn = true;
    }
    this.strokes.style.opacity = String(strokes);
    if (this.map) this.map.style.opacity = String(map);
    for (const stop of this.root.querySelectorAll("[data-stop]")) {
      stop.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (stop).dataset.stop === this.slider.value));
    }
  }

  /** Save the picture as it is seen, at the size of the image. */
  async download() {
    if (!this.#shown) return;
    const { width, height, name } = this.#shown;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    await Promise.all([this.face, this.map].map((image) => image?.decode()));
    const layers = /** @type {const} */ ([
      [this.face, 1],
      [this.strokes, Number(this.strokes.style.opacity)],
      [this.map, Number(this.map?.style.opacity)],
    ]);
    for (const [layer, opacity] of layers) {
      context.globalAlpha = opacity;
      if (layer && opacity) context.drawImage(layer, 0, 0, width, height);
    }
    const blob = await new Promise((/** @type {BlobCallback} */ done) => canvas.toBlob(done, "image/png"));
    if (!(blob instanceof Blob)) return;
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(blob),
      download: `${name}-${this.slider.value}.png`,
    });
    link.click();
    URL.revokeObjectURL(link.href);
  }
}
