/**
 * Zoom and pan on a face: Ctrl with the wheel (a pinch on a touchpad), two fingers, the middle button, a drag
 * while Space is held, or, where nothing paints, a plain drag of a zoomed face. The plain wheel moves a zoomed
 * face and scrolls the page otherwise; with Shift it changes the brush.
 */

import { isPalm } from "./pen.js";

/**
 * @import { Board } from "./board.js"
 * @typedef {object} Reports
 * @property {(now: number) => void} onTakeOver a gesture has begun; whatever else follows the pointer must stop
 * @property {(presses: number) => void} onResize Shift with the wheel: a larger or smaller brush
 * @property {() => boolean} mayDrag nothing paints here, so a plain drag moves a zoomed face
 */

const LINE = 100 / 3; // px that browsers scroll by a line
const NOTCH = 100; // px of a wheel
const SLOP = 5; // px that a hand may move while it presses

export class Navigator {
  /** @param {Board} board @param {Reports} reports */
  constructor(board, reports) {
    this.board = board;
    this.reports = reports;
    /** @type {AbortController | null} */
    this.listening = null;
    /** @type {Map<number, PointerEvent>} */
    this.fingers = new Map();
    /** @type {PointerEvent | null} */
    this.dragged = null;
    this.hasSpace = false;
    /** How far the last drag went, px: a press that moved the face chooses nothing. */
    this.travel = 0;
    /** How far the wheel has turned towards the next size of the brush, px. */
    this.turned = 0;
  }

  enable() {
    if (this.listening) return;
    this.listening = new AbortController();
    const { signal } = this.listening;
    const frame = this.board.frame;
    frame.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    frame.addEventListener("pointerdown", (event) => this.down(event), { signal, capture: true });
    frame.addEventListener("pointermove", (event) => this.move(event), { signal, capture: true });
    for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
      frame.addEventListener(type, (event) => this.up(event), { signal, capture: true });
    }
    frame.addEventListener("click", (event) => this.click(event), { signal, capture: true });
    window.addEventListener("blur", () => this.letGo(), { signal });
  }

  disable() {
    this.listening?.abort();
    this.listening = null;
    this.letGo();
  }

  letGo() {
    this.fingers.clear();
    this.dragged = null;
    this.hold(false);
  }

  /** Is the pointer taken by a gesture? */
  get isBusy() {
    return this.fingers.size > 1 || this.dragged !== null || this.hasSpace;
  }

  /** Space is down or up. @param {boolean} hasSpace */
  hold(hasSpace) {
    this.hasSpace = hasSpace;
    this.board.frame.classList.toggle("face__frame--panning", hasSpace || this.dragged !== null);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    const isZoom = event.ctrlKey || event.metaKey;
    if (!isZoom && !event.shiftKey && this.board.viewport.scale === 1) return;
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
    if (isZoom) this.board.zoom(Math.exp((-event.deltaY * unit) / 300), event);
    else if (event.shiftKey) this.resize((event.deltaY || event.deltaX) * unit);
    else this.board.pan(-event.deltaX * unit, -event.deltaY * unit);
  }

  /** One step for each notch: a touchpad's many small turns add up to as many as a wheel's. @param {number} turn px */
  resize(turn) {
    this.turned = turn * this.turned < 0 ? turn : this.turned + turn;
    const notches = Math.trunc(this.turned / NOTCH);
    this.turned -= notches * NOTCH;
    if (notches) this.reports.onResize(-notches);
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (isPalm(event)) return;
    // What was down before a pen is a palm; what was down before a first finger has gone without a word.
    if (event.pointerType === "pen" || event.isPrimary) this.fingers.clear();
    this.travel = 0;
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, event);
    else if (event.button === 1 || (event.button === 0 && (this.hasSpace || this.mayDrag))) this.drag(event);
    if (this.fingers.size === 2) this.reports.onTakeOver(event.timeStamp);
  }

  get mayDrag() {
    return this.board.viewport.scale > 1 && this.reports.mayDrag();
  }

  /** @param {PointerEvent} event */
  drag(event) {
    event.preventDefault();
    this.dragged = event;
    this.board.frame.setPointerCapture(event.pointerId);
    this.hold(this.hasSpace);
    this.reports.onTakeOver(event.timeStamp);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (isPalm(event)) this.fingers.delete(event.pointerId);
    if (this.dragged?.pointerId === event.pointerId) {
      this.follow(this.dragged, event);
      this.dragged = event;
    } else if (this.fingers.has(event.pointerId)) {
      this.pinch(event);
    }
  }

  /** @param {PointerEvent} event */
  pinch(event) {
    const before = middle([...this.fingers.values()]);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size > 2 || (this.fingers.size === 1 && !this.mayDrag)) return;
    const now = middle([...this.fingers.values()]);
    this.follow(before, now);
    if (before.spread > 0 && now.spread > 0) this.board.zoom(now.spread / before.spread, now);
  }

  /** @param {{clientX: number, clientY: number}} before @param {{clientX: number, clientY: number}} now */
  follow(before, now) {
    const [dx, dy] = [now.clientX - before.clientX, now.clientY - before.clientY];
    this.travel += Math.hypot(dx, dy);
    this.board.pan(dx, dy);
  }

  /** @param {MouseEvent} event */
  click(event) {
    if (this.travel > SLOP) event.stopImmediatePropagation();
  }

  /** @param {PointerEvent} event */
  up(event) {
    this.fingers.delete(event.pointerId);
    if (this.dragged?.pointerId !== event.pointerId) return;
    this.dragged = null;
    this.hold(this.hasSpace);
  }
}

/** @param {readonly {clientX: number, clientY: number}[]} places two */
function middle(places) {
  const [a, b = a] = places;
  if (!a || !b) return { clientX: 0, clientY: 0, spread: 0 };
  return {
    clientX: (a.clientX + b.clientX) / 2,
    clientY: (a.clientY + b.clientY) / 2,
    spread: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
  };
}
