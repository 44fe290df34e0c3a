// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NOTHING, capsule, isNothing, paint, paintAll, union } from "../../../annotation_ui/static/core/raster.js";
import { squaredDistance } from "../../../annotation_ui/static/core/stroke.js";

/**
 * @typedef {import("../../../annotation_ui/static/core/stroke.js").Point} Point
 * @typedef {import("../../../annotation_ui/static/core/stroke.js").Stroke} Stroke
 */

const WIDTH = 60;
const HEIGHT = 50;
const blank = () => ({ width: WIDTH, height: HEIGHT, data: new Uint8Array(WIDTH * HEIGHT) });

/** @param {readonly Stroke[]} strokes */
function painted(strokes) {
  const pixels = blank();
  paintAll(pixels, strokes, 1);
  return pixels.data;
}

/** The definition, pixel by pixel. @param {Stroke} stroke */
function byDefinition({ points, radius }) {
  return blank().data.map((_, index) => {
    /** @type {Point} */
    const centre = [(index % WIDTH) + 0.5, Math.floor(index / WIDTH) + 0.5, 0];
    const nearest = points.map((end, i) => squaredDistance(centre, points[Math.max(0, i - 1)] ?? end, end));
    return Number(Math.sqrt(Math.min(...nearest)) <= radius + 1e-9);
  });
}

/** Repeatable numbers in [0, 1). @param {number} seed */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** @param {number} seed @returns {Stroke} */
function anyStroke(seed) {
  const next = numbers(seed);
  const place = (/** @type {number} */ length) => Math.round((next() * 1.6 - 0.3) * length * 10) / 10;
  const points = Array.from(
    { length: 1 + Math.floor(next() * 6) },
    () => /** @type {Point} */ ([place(WIDTH), place(HEIGHT), 0]),
  );
  return { tool: "brush", radius: 0.5 + Math.round(next() * 24) / 2, points };
}

/** @param {[number, number][]} corners @returns {Stroke} */
const outline = (corners) => ({ tool: "lasso", radius: 0, points: corners.map(([x, y]) => [x, y, 0]) });

/** @param {Uint8Array} mask @param {number} column @param {number} row */
const at = (mask, column, row) => mask[row * WIDTH + column];

/** @param {Uint8Array} mask */
const count = (mask) => mask.reduce((sum, pixel) => sum + pixel, 0);

describe("a brush stroke", () => {
  test("is exactly the pixels whose centres are within its radius", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      assert.deepEqual(painted([anyStroke(seed)]), byDefinition(anyStroke(seed)), `seed ${seed}`);
    }
  });
  test("of one point is a disc", () => {
    /** @type {Stroke} */
    const disc = { tool: "brush", radius: 5, points: [[20.5, 20.5, 0]] };
    assert.deepEqual(painted([disc]), byDefinition(disc));
    assert.equal(at(painted([disc]), 25, 20), 1); // a centre on the border belongs
    assert.equal(at(painted([disc]), 26, 20), 0);
  });
  test("drawn piece by piece is the stroke drawn at once", () => {
    const stroke = anyStroke(77);
    const pieces = blank();
    stroke.points.forEach((end, i) => capsule(pieces, stroke.points[Math.max(0, i - 1)] ?? end, end, stroke.radius, 1));
    assert.deepEqual(pieces.data, painted([stroke]));
  });
  test("outside the image leaves nothing", () => {
    assert.equal(
      count(
        painted([
          {
            tool: "brush",
            radius: 4,
            points: [
              [-20, -20, 0],
              [-5, 90, 0],
            ],
          },
        ]),
      ),
      0,
    );
  });
  test("says which rectangle it may have changed", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const pixels = blank();
      const { left, top, right, bottom } = paint(pixels, anyStroke(seed), 1);
      pixels.data.forEach((pixel, i) => {
        const [column, row] = [i % WIDTH, Math.floor(i / WIDTH)];
        if (pixel) assert.ok(column >= left && column < right && row >= top && row < bottom);
      });
    }
  });
});

describe("strokes together", () => {
  test("count once where they overlap", () => {
    const stroke = anyStroke(5);
    assert.deepEqual(painted([stroke, stroke]), painted([stroke]));
  });
  test("the eraser clears what came before it and nothing after", () => {
    const stroke = anyStroke(9);
    /** @type {Stroke} */
    const eraser = { ...stroke, tool: "eraser" };
    assert.equal(count(painted([stroke, eraser])), 0);
    assert.deepEqual(painted([stroke, eraser, stroke]), painted([stroke]));
  });
  test("none leave nothing", () => {
    assert.equal(count(painted([])), 0);
  });
});

describe("an outline", () => {
  test("that ends just where it began encloses the same, and an end is found", () => {
    /** @type {[number, number][]} */
    const tangle = [
      [11.1, 0.3],
      [17, 14.2],
      [3.4, 4],
      [6.7, 7.8],
      [16.9, 13.2],
      [4.9, 9.9],
      [4.3, 14.7],
      [16.3, 15],
    ];
    assert.deepEqual(painted([outline([...tangle, [11.1, 0.3]])]), painted([outline(tangle)]));
  });
  test("encloses a square's pixels", () => {
    assert.equal(
      count(
        painted([
          outline([
            [10, 10],
            [20, 10],
            [20, 20],
            [10, 20],
          ]),
        ]),
      ),
      100,
    );
  });
  test("is the same drawn the other way round", () => {
    /** @type {[number, number][]} */
    const corners = [
      [5, 5],
      [40, 9],
      [30, 44],
      [12, 30],
    ];
    assert.deepEqual(painted([outline(corners)]), painted([outline([...corners].reverse())]));
  });
  test("that crosses itself like an eight has both halves", () => {
    const mask = painted([
      outline([
        [10, 10],
        [30, 30],
        [30, 10],
        [10, 30],
      ]),
    ]);
    assert.equal(at(mask, 11, 20), 1);
    assert.equal(at(mask, 28, 20), 1);
    assert.equal(at(mask, 20, 11), 0);
  });
  test("that crosses itself like a star has no hole in the middle", () => {
    const star = [0, 2, 4, 1, 3].map(
      (i) => /** @type {[number, number]} */ ([30 + 20 * Math.sin(i * 1.2566), 25 - 20 * Math.cos(i * 1.2566)]),
    );
    assert.equal(at(painted([outline(star)]), 30, 25), 1);
  });
  test("has no hole where it turns once in each direction around a place", () => {
    // Out clockwise, then an inner loop counter-clockwise: the winding number inside is 0.
    /** @type {[number, number][]} */
    const corners = [
      [5, 5],
      [45, 5],
      [45, 45],
      [5, 45],
      [5, 5],
      [15, 15],
      [15, 35],
      [35, 35],
      [35, 15],
      [15, 15],
    ];
    assert.equal(at(painted([outline(corners)]), 25, 25), 1);
    assert.equal(count(painted([outline(corners)])), 1600);
  });
  test("without an inside encloses nothing", () => {
    assert.equal(count(painted([outline([[10, 10]])])), 0);
    assert.equal(
      count(
        painted([
          outline([
            [10, 10],
            [30, 20],
          ]),
        ]),
      ),
      0,
    );
    assert.equal(
      count(
        painted([
          outline([
            [10, 10],
            [30, 10],
            [20, 10],
          ]),
        ]),
      ),
      0,
    );
  });
  test("reaches to the edge of the image and not beyond it", () => {
    assert.equal(
      count(
        painted([
          outline([
            [-50, -50],
            [500, -50],
            [500, 500],
            [-50, 500],
          ]),
        ]),
      ),
      WIDTH * HEIGHT,
    );
  });
});

describe("a rectangle", () => {
  test("joined with nothing stays as it is", () => {
    const area = { left: 1, top: 2, right: 3, bottom: 4 };
    assert.deepEqual(union(area, NOTHING), area);
    assert.ok(isNothing(NOTHING) && !isNothing(area));
  });
});
