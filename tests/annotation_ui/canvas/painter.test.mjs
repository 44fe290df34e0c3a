// @ts-check
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

/**
 * @typedef {import("../../../annotation_ui/static/core/stroke.js").Stroke} Stroke
 * @typedef {import("../../../annotation_ui/static/core/stroke.js").Tool} Tool
 */

const SIZE = { width: 100, height: 100 };
const browser = /** @type {any} */ (globalThis);
browser.window = new EventTarget();
browser.requestAnimationFrame = () => 1;
browser.document = { createElement: () => ({ getContext: () => sheet }) };
const sheet = {
  createImageData: () => ({ data: new Uint8ClampedArray(4 * SIZE.width * SIZE.height) }),
  putImageData() {},
};

const { Navigator } = await import("../../../annotation_ui/static/canvas/navigator.js");
const { Painter } = await import("../../../annotation_ui/static/canvas/painter.js");
const { Surface } = await import("../../../annotation_ui/static/canvas/surface.js");

/** A face in its frame, as events see it. */
class Frame extends EventTarget {
  classList = { add() {}, remove() {}, toggle() {} };

  setPointerCapture() {}
}

describe("a pointer on a face", () => {
  /** @type {any} */
  let frame;
  /** @type {any} */
  let surface;
  /** @type {import("../../../annotation_ui/static/canvas/painter.js").Painter} */
  let painter;
  /** @type {Stroke[]} */
  let strokes;
  /** @type {{tool: Tool, radius: number}} */
  let brush;

  beforeEach(() => {
    frame = new Frame();
    surface = new Surface(SIZE);
    strokes = [];
    brush = { tool: "brush", radius: 3 };
    const cursor = { move() {}, hide() {}, trace() {}, untrace() {} };
    const locate = (/** @type {any} */ event) => ({ x: event.clientX, y: event.clientY });
    const board = /** @type {any} */ ({
      frame,
      surface,
      cursor,
      locate,
      size: SIZE,
      viewport: { scale: 1 },
      pan() {},
      zoom() {},
    });
    const navigator = new Navigator(
      board,
      /** @type {any} */ ({
        onTakeOver: (/** @type {number} */ now) => painter.interrupt(now),
        onResize() {},
        mayDrag: () => false,
      }),
    );
    painter = new Painter(board, {
      brush: () => brush,
      shownAt: () => 0,
      mayPaint: () => !navigator.isBusy,
      onStroke: (stroke) => strokes.push(stroke),
    });
    navigator.enable();
    painter.enable();
  });

  afterEach(() => painter.disable());

  /** @param {string} type @param {{[name: string]: unknown}} [about] */
  function send(type, about = {}) {
    const event = new Event(type, { cancelable: true });
    const usual = {
      pointerId: 1,
      pointerType: "mouse",
      isPrimary: true,
      button: 0,
      buttons: 1,
      clientX: 50,
      clientY: 50,
    };
    return frame.dispatchEvent(Object.assign(event, { ...usual, ...about }));
  }

  /** A drag to the right at a height, without its end. @param {{[name: string]: unknown}} [about] */
  function drag(about = {}) {
    send("pointerdown", { clientX: 20, ...about });
    for (const clientX of [30, 40]) send("pointermove", { clientX, ...about });
  }

  const lift = (/** @type {{[name: string]: unknown}} */ about = {}) =>
    send("pointerup", { buttons: 0, clientX: 40, ...about });

  /** How far each stroke goes. */
  const spans = () => strokes.map(({ points }) => [points[0]?.[0], points.at(-1)?.[0]]);

  const inked = () => surface.covered() * SIZE.width * SIZE.height;

  test("paints from press to release", () => {
    drag();
    lift();
    send("pointermove", { buttons: 0, clientX: 90 });
    assert.deepEqual(spans(), [[20, 40]]);
  });
  test("has ended when it moves without its button: nobody told of the release", () => {
    drag();
    send("pointermove", { buttons: 0, clientX: 90 });
    const painted = inked();
    send("pointermove", { buttons: 0, clientX: 95 });
    assert.deepEqual(spans(), [[20, 40]]);
    assert.equal(inked(), painted);
  });
  test("has ended when its button is up, though another one is down", () => {
    drag();
    send("pointermove", { buttons: 3, clientX: 50 });
    send("pointermove", { buttons: 2, clientX: 90 });
    assert.deepEqual(spans(), [[20, 50]]);
  });
  test("paints on after a release that nobody told of", () => {
    drag();
    send("pointerdown", { clientX: 60 });
    send("pointermove", { clientX: 80 });
    lift({ clientX: 80 });
    assert.deepEqual(spans(), [
      [20, 40],
      [60, 80],
    ]);
  });
  test("keeps the moments between two frames in which its button was down", () => {
    send("pointerdown", { clientX: 20 });
    const moments = [
      [30, 1],
      [60, 1],
      [90, 0],
    ].map(([clientX, buttons]) => ({ clientX, clientY: 50, buttons, timeStamp: 5 }));
    send("pointermove", { buttons: 0, clientX: 90, getCoalescedEvents: () => moments });
    assert.deepEqual(spans(), [[20, 60]]);
  });
  test("does not paint with another button", () => {
    send("pointerdown", { button: 2, buttons: 2 });
    send("pointermove", { buttons: 2, clientX: 90 });
    assert.equal(inked(), 0);
  });
  test("opens no menu while it paints", () => {
    assert.ok(send("contextmenu"));
    drag();
    assert.ok(!send("contextmenu"));
  });
  for (const end of ["lostpointercapture", "pointercancel"]) {
    test(`has ended with ${end}`, () => {
      drag();
      send(end);
      send("pointermove", { clientX: 90 });
      assert.deepEqual(spans(), [[20, 40]]);
    });
  }
  test("has ended when the window is left", () => {
    drag();
    browser.window.dispatchEvent(new Event("blur"));
    send("pointermove", { clientX: 90 });
    assert.deepEqual(spans(), [[20, 40]]);
  });
  test("is not disturbed when another pointer loses its capture", () => {
    drag();
    send("lostpointercapture", { pointerId: 9 });
    lift();
    assert.deepEqual(spans(), [[20, 40]]);
  });
  test("that is gone before it can be captured breaks nothing", () => {
    frame.setPointerCapture = () => {
      throw new DOMException("There is no such pointer.", "NotFoundError");
    };
    drag();
    send("pointermove", { buttons: 0, clientX: 90 });
    assert.deepEqual(spans(), [[20, 40]]);
  });

  test("of a pen that comes back under a new id paints", () => {
    drag({ pointerType: "pen", pointerId: 5 });
    drag({ pointerType: "pen", pointerId: 6, clientY: 80 });
    lift({ pointerType: "pen", pointerId: 6, clientY: 80 });
    assert.equal(strokes.length, 2);
  });
  test("of a finger paints though another one rests beside the face", () => {
    drag({ pointerType: "touch", pointerId: 8, isPrimary: false });
    lift({ pointerType: "touch", pointerId: 8, isPrimary: false });
    assert.deepEqual(spans(), [[20, 40]]);
  });
  test("of two fingers paints nothing", () => {
    drag({ pointerType: "touch", pointerId: 8 });
    drag({ pointerType: "touch", pointerId: 9, isPrimary: false, clientY: 80 });
    for (const pointerId of [8, 9]) lift({ pointerType: "touch", pointerId });
    assert.deepEqual(strokes, []);
    assert.equal(inked(), 0);
  });
  test("of a first finger paints although nobody told that the one before was lifted", () => {
    drag({ pointerType: "touch", pointerId: 8 });
    send("pointermove", { pointerType: "touch", pointerId: 8, buttons: 0 });
    drag({ pointerType: "touch", pointerId: 9, clientY: 80 });
    lift({ pointerType: "touch", pointerId: 9, clientY: 80 });
    assert.equal(strokes.length, 2);
  });
  test("of a touch that the system takes away leaves nothing", () => {
    drag({ pointerType: "touch", pointerId: 8 });
    send("pointercancel", { pointerType: "touch", pointerId: 8 });
    assert.deepEqual([strokes.length, inked()], [0, 0]);
  });

  test("that changes no pixel makes no stroke", () => {
    brush = { tool: "eraser", radius: 3 };
    drag();
    lift();
    assert.deepEqual(strokes, []);
  });
  test("that paints what is painted already makes no stroke", () => {
    drag();
    lift();
    const painted = inked();
    send("pointerdown", { clientX: 30 });
    lift({ clientX: 30 });
    assert.equal(strokes.length, 1);
    assert.equal(inked(), painted);
  });
  test("that erases what is painted makes a stroke", () => {
    drag();
    lift();
    brush = { tool: "eraser", radius: 3 };
    drag();
    lift();
    assert.deepEqual(
      strokes.map(({ tool }) => tool),
      ["brush", "eraser"],
    );
    assert.equal(inked(), 0);
  });
  test("that outlines nothing makes no stroke", () => {
    brush = { tool: "lasso", radius: 3 };
    drag();
    lift();
    assert.deepEqual(strokes, []);
  });
});
