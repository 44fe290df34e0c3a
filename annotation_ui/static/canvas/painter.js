/**
 * A pointer that paints. Pointer events carry mouse, pen and finger alike. Pressure is ignored on purpose: a stroke
 * has one radius, so that its mask is exact. Points are image pixels from the moment they are recorded.
 */

import { point, thin } from "../core/stroke.js";
import { isPalm } from "./pen.js";

/**
 * @import { Point, Stroke, Tool } from "../core/stroke.js"
 * @import { Board } from "./board.js"
 *
 * @typedef {object} Callbacks
 * @property {() => {tool: Tool, radius: number}} brush
 * @property {() => number} shownAt when the pair was shown, on the clock of performance.now
 * @property {() => boolean} mayPaint
 * @property {(stroke: Stroke) => void} onStroke
 */

const ACCIDENT = 250; // ms; a stroke this young is taken back when a second finger arrives

export class Painter {
  /** @param {Board} board @param {Callbacks} callbacks */
  constructor(board, callbacks) {
    this.board = board;
    this.callbacks = callbacks;
    /** @type {AbortController | null} */
    this.listening = null;
    /** Which pointer paints; null when none does. @type {number | null} */
    this.pointer = null;
    this.isTouch = false;
    this.startedAt = 0;
    /** @type {Point[]} */
    this.points = [];
    /** @type {{tool: Tool, radius: number}} */
    this.brush = { tool: "brush", radius: 1 };
  }

  forget() {
    this.pointer = null;
    this.isTouch = false;
    this.points = [];
  }

  enable() {
    if (this.listening) return;
    this.listening = new AbortController();
    const { signal } = this.listening;
    const frame = this.board.frame;
    frame.classList.add("face__frame--painting");
    frame.addEventListener("pointerdown", (event) => this.down(event), { signal });
    frame.addEventListener("pointermove", (event) => this.move(event), { signal });
    frame.addEventListener("pointerup", (event) => this.up(event), { signal });
    frame.addEventListener("pointercancel", (event) => this.cancel(event), { signal });
    frame.addEventListener("lostpointercapture", (event) => this.lose(event), { signal });
    frame.addEventListener("pointerleave", () => this.board.cursor.hide(), { signal });
    // A long press of a finger or pen would open a menu in the middle of a stroke.
    frame.addEventListener("contextmenu", (event) => this.isPainting && event.preventDefault(), { signal });
    window.addEventListener("blur", () => this.finish(), { signal });
    // Without this, Safari on iOS selects text or shows its loupe under a painting finger.
    frame.addEventListener("touchstart", (event) => event.preventDefault(), { signal, passive: false });
  }

  disable() {
    this.finish();
    this.listening?.abort();
    this.listening = null;
    this.board.frame.classList.remove("face__frame--painting");
    this.board.cursor.hide();
  }

  get isPainting() {
    return this.pointer !== null;
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.pointerType === "pen" && this.isTouch) this.drop();
    if (!this.starts(event)) return;
    this.finish(); // the stroke of a pointer that sent no pointerup, or of the keyboard
    event.preventDefault();
    this.capture(event.pointerId);
    this.pointer = event.pointerId;
    this.isTouch = event.pointerType === "touch";
    this.startedAt = event.timeStamp;
    this.brush = this.callbacks.brush();
    this.board.surface.begin();
    this.record(event);
    this.ring(event);
  }

  /** `mayPaint` is false while two fingers are on the face. @param {PointerEvent} event */
  starts(event) {
    return event.button === 0 && !isPalm(event) && this.callbacks.mayPaint();
  }

  /** Follow the pointer when it leaves the face. @param {number} pointer */
  capture(pointer) {
    try {
      this.board.frame.setPointerCapture(pointer);
    } catch (error) {
      // The pointer has gone already. The first event without a pressed button ends the stroke.
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (isPalm(event)) return this.cancel(event);
    if (event.pointerId === this.pointer) {
      const between = event.getCoalescedEvents?.() ?? [];
      // A browser merges the moves of one frame; without the merged ones a quick curve becomes a polygon.
      for (const moment of between.length ? between : [event]) if (isHeld(moment)) this.record(moment);
      // Another button may still be down, or no pointerup came: either way this button is up.
      if (!isHeld(event)) return this.up(event);
    }
    this.ring(event);
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (isPalm(event)) return this.cancel(event);
    if (event.pointerId !== this.pointer) return;
    this.finish();
    if (event.pointerType === "touch") this.board.cursor.hide();
  }

  /** A touch that a pen follows or that the system cancels was not meant as paint. @param {PointerEvent} event */
  cancel(event) {
    if (event.pointerId !== this.pointer) return;
    if (this.isTouch) this.drop();
    else this.finish();
  }

  /** Capture that passes from a part of the face to the face is not lost. @param {PointerEvent} event */
  lose(event) {
    if (event.target === this.board.frame && event.pointerId === this.pointer) this.finish();
  }

  /** @param {PointerEvent} event */
  ring(event) {
    const { tool, radius } = this.isPainting ? this.brush : this.callbacks.brush();
    const isHover = event.pointerType !== "touch" || this.isPainting;
    if (isHover) this.board.cursor.move(this.board.locate(event), tool === "lasso" ? 3 : radius);
  }

  /** @param {PointerEvent} event */
  record(event) {
    const { x, y } = this.board.locate(event);
    this.recordPlace(x, y, event.timeStamp - this.callbacks.shownAt());
  }

  /** @param {number} x image px @param {number} y @param {number} t_ms since the pair was shown */
  recordPlace(x, y, t_ms) {
    const next = point(x, y, t_ms, this.board.size);
    const last = this.points.at(-1) ?? next;
    this.points.push(next);
    if (this.brush.tool === "lasso") this.board.cursor.trace(this.points);
    else this.board.surface.extend(last, next, this.brush.radius, this.brush.tool === "eraser");
  }

  /** The stroke in progress as it would be sent; null when there is none. @returns {Stroke | null} */
  current() {
    if (!this.isPainting) return null;
    const { tool, radius } = this.brush;
    const points = thin(this.points); // here and not while it is recorded: a stroke in progress must follow the hand
    if (tool === "lasso") return points.length < 3 ? null : { tool, radius: 0, points };
    return { tool, radius, points };
  }

  /** End the stroke in progress, if any, and hand it over; one that changes no pixel is none. */
  finish() {
    if (!this.isPainting) return;
    const stroke = this.current();
    this.board.cursor.untrace();
    this.forget();
    if (!stroke) this.board.surface.takeBack();
    else if (this.board.surface.finish(stroke)) this.callbacks.onStroke(stroke);
  }

  /** A second finger came: what began as a touch to zoom is no stroke. @param {number} now */
  interrupt(now) {
    if (!this.isPainting) return;
    // Older than an accident, it was meant as paint, and the second finger came later.
    if (now - this.startedAt > ACCIDENT) this.finish();
    else this.drop();
  }

  drop() {
    this.board.cursor.untrace();
    this.board.cursor.hide();
    this.forget();
    this.board.surface.takeBack();
  }
}

/** Is the button that paints down, or the pen or finger on the screen? @param {PointerEvent} event */
const isHeld = ({ buttons }) => (buttons & 1) === 1;
