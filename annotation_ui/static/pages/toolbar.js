/** The tools beside the faces: which tool paints, how large, undo, redo, clear; and, in every arm, zoom. */

import { LARGEST_RADIUS, SMALLEST_RADIUS, clampRadius, stepRadius } from "../core/stroke.js";
import { button, byId, enable, find } from "./dom.js";

/**
 * @import { Tool } from "../core/stroke.js"
 * @typedef {"undo" | "redo" | "clear" | "zoom-in" | "zoom-out" | "zoom-whole"} Command
 */

const RANGE = LARGEST_RADIUS / SMALLEST_RADIUS;

/** The slider is even to the eye: each step is the same ratio. @param {number} position 0 to 100 */
const radiusAt = (position) => clampRadius(SMALLEST_RADIUS * RANGE ** (position / 100));

/** @param {number} radius */
const positionOf = (radius) => (100 * Math.log(radius / SMALLEST_RADIUS)) / Math.log(RANGE);

export class Toolbar {
  /** @param {(command: Command) => void} onCommand @param {() => void} onSize the brush has another size */
  constructor(onCommand, onSize) {
    this.root = byId("tools");
    this.onSize = onSize;
    this.slider = find(this.root, "#size", HTMLInputElement);
    /** @type {Tool} */
    this.tool = "brush";
    this.radius = 0;
    for (const part of [this.root, byId("zoom")]) {
      part.addEventListener("click", (event) => this.click(event, onCommand));
    }
    this.slider.addEventListener("input", () => this.change(radiusAt(this.slider.valueAsNumber)));
  }

  /** @param {Event} event @param {(command: Command) => void} onCommand */
  click(event, onCommand) {
    const pressed = event.target instanceof Element ? event.target.closest("button") : null;
    if (!pressed) return;
    const tool = pressed.dataset["tool"];
    if (tool) this.choose(/** @type {Tool} */ (tool));
    else onCommand(/** @type {Command} */ (pressed.id));
  }

  /** @param {Tool} tool */
  choose(tool) {
    this.tool = tool;
    for (const item of this.root.querySelectorAll("[data-tool]")) {
      item.setAttribute("aria-pressed", String(item instanceof HTMLElement && item.dataset["tool"] === tool));
    }
  }

  /** @param {number} radius image px */
  resize(radius) {
    this.radius = radius;
    this.slider.value = String(positionOf(radius));
    this.slider.setAttribute("aria-valuetext", `radius ${radius} pixels`);
  }

  /** @param {number} radius image px */
  change(radius) {
    this.resize(radius);
    this.onSize();
  }

  /** @param {number} presses negative for smaller */
  step(presses) {
    this.change(stepRadius(this.radius, presses));
  }

  /** @param {boolean} isZoomed */
  reflectZoom(isZoomed) {
    enable(button("zoom-out"), isZoomed);
    enable(button("zoom-whole"), isZoomed);
  }

  /** @param {{canUndo: boolean, canRedo: boolean, canClear: boolean}} may */
  reflect({ canUndo, canRedo, canClear }) {
    enable(button("undo"), canUndo);
    enable(button("redo"), canRedo);
    enable(button("clear"), canClear);
  }
}
