/**
 * One face one can paint on: picture, paint and cursor on top of each other inside a frame, and the part of
 * it that the frame shows.
 */

import { WHOLE, imagePixelsPerPixel, pan, toImage, zoom } from "../core/viewport.js";
import { Cursor } from "./cursor.js";
import { Surface } from "./surface.js";

/**
 * @import { Viewport } from "../core/viewport.js"
 * @import { Size } from "../core/stroke.js"
 */

export class Board {
  /**
   * @param {HTMLElement} frame with a view inside @param {HTMLElement} view @param {HTMLImageElement} face @param {Size} size
   * @param {(viewport: Viewport) => void} [onLook] the participant zoomed or moved this face
   */
  constructor(frame, view, face, size, onLook = () => {}) {
    this.frame = frame;
    this.view = view;
    this.size = size;
    this.onLook = onLook;
    /** @type {Surface | null} */
    this.painted = null;
    this.cursor = new Cursor(size);
    /** @type {Viewport} */
    this.viewport = WHOLE;
    frame.style.aspectRatio = `${size.width} / ${size.height}`;
    view.replaceChildren(face, this.cursor.element);
    this.look(WHOLE);
  }

  /** Make ready for the first stroke, so that it does not wait. */
  prepare() {
    return this.surface;
  }

  /** The paint, made when it is first needed: most faces are never painted on. */
  get surface() {
    if (!this.painted) {
      this.painted = new Surface(this.size);
      this.cursor.element.before(this.painted.canvas);
    }
    return this.painted;
  }

  /** Where on the image an event happened, in image px. @param {{clientX: number, clientY: number}} event */
  locate(event) {
    return toImage(this.viewport, this.frame.getBoundingClientRect(), this.size, event);
  }

  /** Show a part of the image. @param {Viewport} viewport */
  look(viewport) {
    this.viewport = viewport;
    this.frame.classList.toggle("face__frame--zoomed", viewport.scale > 1);
    const x = (-100 * viewport.scale * viewport.x) / this.size.width;
    const y = (-100 * viewport.scale * viewport.y) / this.size.height;
    this.view.style.setProperty("--zoom", String(viewport.scale));
    this.view.style.transform = viewport.scale === 1 ? "" : `translate(${x}%, ${y}%) scale(${viewport.scale})`;
  }

  /** Show a part of the image, and report it. @param {Viewport} viewport */
  go(viewport) {
    this.look(viewport);
    this.onLook(viewport);
  }

  /** The middle of what is shown, in image px. */
  get middle() {
    const { scale, x, y } = this.viewport;
    return { x: x + this.size.width / scale / 2, y: y + this.size.height / scale / 2 };
  }

  /** @param {number} factor @param {{clientX: number, clientY: number}} [about] the middle if left out */
  zoom(factor, about) {
    this.go(zoom(this.viewport, this.size, about ? this.locate(about) : this.middle, factor));
  }

  /** Move the image under the frame. @param {number} dx CSS px @param {number} dy CSS px */
  pan(dx, dy) {
    const step = imagePixelsPerPixel(this.viewport, this.frame.getBoundingClientRect(), this.size);
    this.go(pan(this.viewport, this.size, -dx * step, -dy * step));
  }

  whole() {
    this.go(WHOLE);
  }
}
