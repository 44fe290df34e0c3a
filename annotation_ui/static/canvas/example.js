/** A short animation, drawn by code, of one trial: a question, a choice, and paint on the chosen face. */

import { INK } from "./ink.js";

/** @import { Point } from "../core/stroke.js" */

const SECOND = 1000; // ms
const LENGTH = 9 * SECOND;
const SIZE = 440; // px of the square around a face
const TOP = 120;
const LEFTS = [140, 700];
const PAINT = `rgb(${INK.join(" ")} / 0.55)`; // as opaque as on the trial page

/** The path of the brush on the right face, in px of its square: over one eye. @type {Point[]} */
const PATH = Array.from({ length: 60 }, (_, index) => {
  const turn = index / 59;
  return [245 + 75 * turn + 8 * Math.sin(turn * 25), 196 + 20 * Math.sin(turn * 25), 0];
});

export class Example {
  /**
   * @param {HTMLCanvasElement} canvas @param {HTMLElement} caption @param {HTMLButtonElement} toggle
   * @param {() => boolean} annotates does this participant paint?
   */
  constructor(canvas, caption, toggle, annotates) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser cannot draw.");
    this.canvas = canvas;
    this.context = context;
    this.caption = caption;
    this.toggle = toggle;
    this.annotates = annotates;
    this.time = 0;
    this.last = 0;
    this.frame = 0;
    this.isPlaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    toggle.addEventListener("click", () => this.play(!this.isPlaying));
    new IntersectionObserver(([entry]) => entry?.isIntersecting && this.play(this.isPlaying)).observe(canvas);
  }

  /** @param {boolean} isPlaying a still picture shows the end */
  play(isPlaying) {
    this.isPlaying = isPlaying;
    this.toggle.textContent = isPlaying ? "Pause" : "Play";
    if (!isPlaying && this.time === 0) this.time = LENGTH - SECOND;
    this.last = performance.now();
    this.draw();
    cancelAnimationFrame(this.frame);
    if (isPlaying) this.frame = requestAnimationFrame((now) => this.step(now));
  }

  /** @param {number} now */
  step(now) {
    if (!this.isPlaying || this.canvas.offsetParent === null) return;
    this.time = (this.time + Math.min(100, now - this.last)) % LENGTH;
    this.last = now;
    this.draw();
    this.frame = requestAnimationFrame((next) => this.step(next));
  }

  draw() {
    const { context, canvas, time } = this;
    const hasChosen = time > 3 * SECOND;
    context.clearRect(0, 0, canvas.width, canvas.height);
    drawQuestion(context);
    LEFTS.forEach((left, index) => drawFace(context, left, index === 1, hasChosen));
    if (this.annotates()) drawPaint(context, part(time, 4 * SECOND, 7 * SECOND));
    drawPointer(context, this.pointer(time));
    this.say(time, hasChosen);
  }

  /** Where the pointer is. @param {number} time @returns {[number, number]} */
  pointer(time) {
    const [x, y] = toCanvas(/** @type {Point} */ (PATH[0]));
    const arrival = ease(part(time, SECOND, 2.7 * SECOND));
    const painting = part(time, 4 * SECOND, 7 * SECOND);
    if (this.annotates() && painting > 0) {
      return toCanvas(/** @type {Point} */ (PATH[Math.round(painting * (PATH.length - 1))]));
    }
    return [640 + (x - 640) * arrival, 560 + (y - 560) * arrival];
  }

  /** @param {number} time @param {boolean} hasChosen */
  say(time, hasChosen) {
    const chosen = this.annotates() ? "Paint the parts that made you choose it." : "Then press Next.";
    const text = hasChosen && time > 3.6 * SECOND ? chosen : "Read the question and choose a face.";
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }
}

/** How far between two times, 0 to 1. @param {number} time @param {number} from @param {number} to */
const part = (time, from, to) => Math.min(1, Math.max(0, (time - from) / (to - from)));

/** @param {number} t */
const ease = (t) => t * t * (3 - 2 * t);

/** @param {Point} point @returns {[number, number]} */
const toCanvas = ([x, y]) => [Number(LEFTS[1]) + x, TOP + y];

/** @param {CanvasRenderingContext2D} context */
function drawQuestion(context) {
  context.font = "500 44px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = "#1c2124";
  context.textAlign = "right";
  context.fillText("Which face is", 640, 60);
  context.textAlign = "center";
  context.fillStyle = "#a03c0a";
  context.fillRect(660, 32, 150, 56);
  context.fillStyle = "#ffffff";
  context.font = "800 40px system-ui, sans-serif";
  context.fillText("FAKE", 735, 62);
  context.fillStyle = "#1c2124";
  context.font = "500 44px system-ui, sans-serif";
  context.fillText("?", 830, 60);
}

/** A face of a few lines. @param {CanvasRenderingContext2D} context @param {number} left @param {boolean} isRight @param {boolean} hasChosen */
function drawFace(context, left, isRight, hasChosen) {
  context.save();
  context.translate(left, TOP);
  context.fillStyle = "#f6f6f3";
  context.beginPath();
  context.roundRect(0, 0, SIZE, SIZE, 14);
  context.fill();
  context.lineWidth = 10;
  context.strokeStyle = isRight && hasChosen ? "#0f5a66" : "transparent";
  context.stroke();
  context.lineWidth = 6;
  context.lineCap = "round";
  context.strokeStyle = "#3a4348";
  drawHead(context, isRight);
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {boolean} isOdd one eye is too large */
function drawHead(context, isOdd) {
  line(context, () => context.ellipse(220, 228, 130, 168, 0, 0, 2 * Math.PI));
  line(context, () => context.arc(220, 170, 152, 1.12 * Math.PI, 1.88 * Math.PI));
  for (const [x, radius] of [
    [165, 20],
    [280, isOdd ? 34 : 20],
  ]) {
    line(context, () => context.ellipse(Number(x), 200, Number(radius), Number(radius) * 0.62, 0, 0, 2 * Math.PI));
    line(context, () => context.arc(Number(x), 200, 4, 0, 2 * Math.PI));
  }
  line(context, () => {
    context.moveTo(222, 215);
    context.lineTo(210, 268);
    context.lineTo(228, 270);
  });
  line(context, () => context.ellipse(220, 318, 46, 20, 0, 0.1 * Math.PI, 0.9 * Math.PI));
}

/** @param {CanvasRenderingContext2D} context @param {() => void} trace */
function line(context, trace) {
  context.beginPath();
  trace();
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {number} amount 0 to 1 of the path */
function drawPaint(context, amount) {
  context.save();
  Object.assign(context, { strokeStyle: PAINT, lineWidth: 44, lineCap: "round", lineJoin: "round" });
  line(context, () => {
    for (const point of PATH.slice(0, Math.round(amount * PATH.length))) context.lineTo(...toCanvas(point));
  });
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {[number, number]} at */
function drawPointer(context, [x, y]) {
  context.save();
  context.translate(x, y);
  context.fillStyle = "#1c2124";
  context.strokeStyle = "#ffffff";
  context.lineWidth = 3;
  context.beginPath();
  for (const [dx, dy] of [
    [0, 0],
    [0, 40],
    [10, 31],
    [17, 47],
    [24, 44],
    [17, 28],
    [30, 28],
  ]) {
    context.lineTo(Number(dx), Number(dy));
  }
  context.closePath();
  context.fill();
  context.stroke();
  context.restore();
}
