/**
 * Painting without a pointer: with the focus on the face, the arrow keys move the brush and Space puts it down
 * and lifts it. The strokes are like any others.
 */

/**
 * @import { Board } from "./board.js"
 * @import { Painter } from "./painter.js"
 */

/** @type {{[key: string]: [number, number]}} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const KEYBOARD = 1_000_000; // a pointer id that no pointer has

export class KeyPainter {
  /** @param {Board} board @param {Painter} painter */
  constructor(board, painter) {
    this.board = board;
    this.painter = painter;
    /** @type {AbortController | null} */
    this.listening = null;
    this.at = { x: board.size.width / 2, y: board.size.height / 2 };
  }

  enable() {
    if (this.listening) return;
    this.listening = new AbortController();
    const { signal } = this.listening;
    const frame = this.board.frame;
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "Painting area. Arrow keys move the brush, Space starts and stops painting.");
    frame.addEventListener("keydown", (event) => this.press(event), { signal });
    frame.addEventListener("focus", () => frame.matches(":focus-visible") && this.ring(), { signal });
    frame.addEventListener("blur", () => this.lift(), { signal });
  }

  disable() {
    this.lift();
    this.listening?.abort();
    this.listening = null;
    for (const name of ["tabindex", "role", "aria-label"]) this.board.frame.removeAttribute(name);
  }

  get isDown() {
    return this.painter.pointer === KEYBOARD;
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const step = STEPS[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (step) this.step(step, event.shiftKey ? 4 : 1, event.timeStamp);
    else if (this.isDown) this.painter.finish();
    else this.put(event.timeStamp);
    this.ring();
  }

  /** @param {[number, number]} direction @param {number} times @param {number} now */
  step([dx, dy], times, now) {
    const { width, height } = this.board.size;
    const far = Math.max(1, Math.min(width, height) / 100) * times;
    this.at = { x: within(this.at.x + dx * far, width), y: within(this.at.y + dy * far, height) };
    if (this.isDown) this.painter.recordPlace(this.at.x, this.at.y, now - this.painter.callbacks.shownAt());
  }

  /** @param {number} now */
  put(now) {
    const painter = this.painter;
    if (painter.isPainting || !painter.callbacks.mayPaint()) return;
    painter.pointer = KEYBOARD;
    painter.startedAt = now;
    painter.brush = painter.callbacks.brush();
    this.board.surface.begin();
    painter.recordPlace(this.at.x, this.at.y, now - painter.callbacks.shownAt());
  }

  lift() {
    if (this.isDown) this.painter.finish();
    this.board.cursor.hide();
  }

  ring() {
    const { tool, radius } = this.painter.callbacks.brush();
    this.board.cursor.move(this.at, tool === "lasso" ? 3 : radius);
  }
}

/** @param {number} value @param {number} length */
const within = (value, length) => Math.min(length, Math.max(0, value));
