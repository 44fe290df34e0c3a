// @ts-check
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { Cursor } from "../../../annotation_ui/static/canvas/cursor.js";

/** Just enough of a page: elements with a list of points, and frames that come when they are called. */
class Element {
  points = {
    items: /** @type {any[]} */ ([]),
    get numberOfItems() {
      return this.items.length;
    },
    appendItem(/** @type {object} */ point) {
      this.items.push(point);
    },
    clear() {
      this.items = [];
    },
  };

  setAttribute() {}

  append() {}

  createSVGPoint() {
    return {};
  }
}

const browser = /** @type {any} */ (globalThis);
/** @type {(() => void)[]} */
let frames = [];
const nextFrame = () => frames.splice(0).forEach((frame) => frame());

describe("an outline being drawn", () => {
  /** @type {Cursor} */
  let cursor;
  /** @returns {any[][]} the points of each line */
  const lines = () => cursor.paths.map((/** @type {any} */ path) => path.points.items);
  const shown = () => lines().map((points) => points.map(({ x, y }) => [x, y]));

  beforeEach(() => {
    frames = [];
    browser.document = { createElementNS: () => new Element() };
    browser.requestAnimationFrame = (/** @type {() => void} */ frame) => frames.push(frame);
    cursor = new Cursor({ width: 100, height: 100 });
  });

  test("is shown once a frame, however often it has grown", () => {
    /** @type {[number, number, number][]} */
    const outline = [];
    for (let x = 0; x < 5; x += 1) {
      outline.push([x, 0, 0]);
      cursor.trace(outline);
    }
    assert.equal(frames.length, 1);
    assert.deepEqual(shown(), [[], []]);
    nextFrame();
    assert.deepEqual(
      shown().map((line) => line.length),
      [5, 5],
    );
  });

  test("gains its new points and keeps the others", () => {
    /** @type {[number, number, number][]} */
    const outline = [[1, 1, 0]];
    cursor.trace(outline);
    nextFrame();
    const before = lines().map(([first]) => first);
    outline.push([2, 2, 1]);
    cursor.trace(outline);
    nextFrame();
    lines().forEach(([first], line) => assert.equal(first, before[line]));
    assert.deepEqual(shown(), [
      [
        [1, 1],
        [2, 2],
      ],
      [
        [1, 1],
        [2, 2],
      ],
    ]);
  });

  test("is gone when it ends, whatever frame was still to come", () => {
    cursor.trace([[1, 1, 0]]);
    cursor.untrace();
    nextFrame();
    assert.deepEqual(shown(), [[], []]);
  });
});
