// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  LARGEST_RADIUS,
  SMALLEST_RADIUS,
  TOLERANCE,
  clampRadius,
  firstRadius,
  point,
  squaredDistance,
  stepRadius,
  thin,
} from "../../../annotation_ui/static/core/stroke.js";

/** @typedef {import("../../../annotation_ui/static/core/stroke.js").Point} Point */

const image = { width: 100, height: 80 };

/** A hand that wanders, with the tenths of a pixel that are recorded. @param {number} length @returns {Point[]} */
const wander = (length) =>
  Array.from({ length }, (_, i) => point(50 + 30 * Math.sin(i / 9) + 7 * Math.cos(i * 2.1), 40 + i / 7, i * 4, image));

/** @param {Point} p @param {Point[]} path */
const distanceTo = (p, path) =>
  Math.sqrt(Math.min(...path.map((end, i) => squaredDistance(p, path[Math.max(0, i - 1)] ?? end, end))));

describe("a point", () => {
  test("has a tenth of a pixel and a whole millisecond", () => {
    assert.deepEqual(point(12.3456, 7.96, 1234.56, image), [12.3, 8, 1235]);
  });
  test("never happened before the pair was shown", () => {
    assert.equal(point(1, 1, -3, image)[2], 0);
  });
  test("stays within one image of the image", () => {
    assert.deepEqual(point(-9999, 9999, 0, image), [-100, 160, 0]);
  });
});

describe("a distance", () => {
  /** @type {[Point, Point]} */
  const segment = [
    [10, 20, 0],
    [40, 60, 0],
  ]; // 50 px long
  test("to a segment is that to its nearest point", () => {
    /** @type {[Point, number][]} */
    const expected = [
      [[10, 20, 0], 0],
      [[25, 40, 0], 0],
      [[33, 34, 0], 100],
      [[17, 46, 0], 100],
      [[7, 16, 0], 25],
      [[43, 64, 0], 25],
    ];
    for (const [place, squared] of expected) {
      assert.ok(Math.abs(squaredDistance(place, ...segment) - squared) < 1e-9, String(place));
    }
  });
  test("to a segment without length is that to its place", () => {
    assert.equal(squaredDistance([13, 24, 0], segment[0], segment[0]), 25);
  });
});

describe("thinning", () => {
  test("moves the path by no more than the tolerance", () => {
    const path = wander(400);
    const thinned = thin(path);
    for (const p of path) assert.ok(distanceTo(p, thinned) <= TOLERANCE + 1e-9);
  });
  test("together with rounding stays below half a pixel", () => {
    assert.ok(TOLERANCE + Math.hypot(0.05, 0.05) < 0.5);
  });
  test("leaves out most of a straight line", () => {
    const line = /** @type {Point[]} */ (Array.from({ length: 100 }, (_, i) => [i, i / 2, i]));
    assert.deepEqual(thin(line), [
      [0, 0, 0],
      [99, 49.5, 99],
    ]);
  });
  test("leaves out what lies at the tolerance and keeps what lies beyond it", () => {
    const bent = (/** @type {number} */ by) =>
      /** @type {Point[]} */ ([
        [0, 0, 0],
        [5, by, 1],
        [10, 0, 2],
      ]);
    assert.deepEqual(
      [0.5, 0.50001].map((by) => thin(bent(by), 0.5).length),
      [2, 3],
    );
  });
  test("keeps a turn on the spot", () => {
    /** @type {Point[]} */
    const back = [
      [0, 0, 0],
      [10, 0, 1],
      [0, 0, 2],
    ];
    assert.deepEqual(thin(back), back);
  });
  test("keeps one point as one point", () => {
    assert.deepEqual(thin([[3, 4, 5]]), [[3, 4, 5]]);
  });
  test("makes a press without movement one point", () => {
    assert.deepEqual(
      thin([
        [3, 4, 5],
        [3, 4, 9],
        [3, 4, 12],
      ]),
      [[3, 4, 5]],
    );
  });
  test("of nothing is nothing", () => {
    assert.deepEqual(thin([]), []);
  });
  test("does not change what it is given", () => {
    const path = wander(50);
    const copy = structuredClone(path);
    thin(path);
    assert.deepEqual(path, copy);
  });
});

describe("the brush", () => {
  test("begins at a size that suits the image", () => {
    assert.equal(firstRadius({ width: 1024, height: 1024 }), 25.5);
  });
  test("stays between its smallest and its largest size", () => {
    assert.equal(clampRadius(0), SMALLEST_RADIUS);
    assert.equal(clampRadius(1e9), LARGEST_RADIUS);
  });
  test("grows and shrinks by a quarter with every press, to half a pixel", () => {
    assert.deepEqual([stepRadius(2, 1), stepRadius(20, 1), stepRadius(20, -1), stepRadius(20, 2)], [2.5, 25, 16, 31.5]);
  });
  test("changes with every press between its ends", () => {
    for (let radius = SMALLEST_RADIUS; radius < LARGEST_RADIUS; radius += 0.5) {
      assert.ok(stepRadius(radius, 1) > radius);
      assert.ok(stepRadius(radius + 0.5, -1) < radius + 0.5);
    }
  });
});
