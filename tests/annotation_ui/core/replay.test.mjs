// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chosenAt, duration, moments, progress, timed } from "../../../annotation_ui/static/core/replay.js";

/** @typedef {import("../../../annotation_ui/static/core/stroke.js").Stroke} Stroke */

/** @param {[number, number, number][]} points @param {Partial<Stroke>} [changes] @returns {Stroke} */
const stroke = (points, changes = {}) => ({ tool: "brush", radius: 3, points, ...changes });

const TWO = timed([
  stroke([
    [0, 0, 100],
    [10, 0, 200],
    [10, 20, 400],
  ]),
  stroke([[5, 5, 600]]),
]);

/** @type {import("../../../annotation_ui/static/core/replay.js").Visited} */
const TRIAL = { choice: "right", decision_ms: 80, annotation_ms: 900, events: [], strokes: null };

describe("a drawing in time", () => {
  test("is empty before its first point", () => {
    assert.deepEqual(progress(TWO, 99), { done: 0, points: [], tip: null });
  });
  test("moves evenly from one point to the next", () => {
    const { done, points, tip } = progress(TWO, 300);
    assert.deepEqual([done, points.length, tip], [0, 2, [10, 10, 300]]);
  });
  test("counts a stroke as done with its last point", () => {
    assert.equal(progress(TWO, 399).done, 0);
    assert.deepEqual(progress(TWO, 400), { done: 1, points: [], tip: null });
  });
  test("shows a dab at its moment", () => {
    assert.equal(progress(TWO, 599).done, 1);
    assert.equal(progress(TWO, 600).done, 2);
  });
  test("keeps the order of strokes whose times contradict it", () => {
    const turned = timed([stroke([[0, 0, 900]]), stroke([[0, 0, 100]], { tool: "eraser" })]);
    assert.equal(progress(turned, 500).done, 0);
    assert.equal(progress(turned, 900).done, 2);
  });
});

describe("the course of a trial", () => {
  const events = [
    { kind: "loaded", t_ms: 0 },
    { kind: "choose", t_ms: 50, side: "left" },
    { kind: "choose", t_ms: 80, side: "right" },
    { kind: "undo", t_ms: 450 },
  ];
  const strokes = TWO.map((one) => one.stroke);
  test("has events and strokes in the order of time", () => {
    const found = moments({ ...TRIAL, events, strokes });
    assert.deepEqual(
      found.map(({ t_ms, event }) => [t_ms, event?.kind ?? "stroke"]),
      [
        [0, "loaded"],
        [50, "choose"],
        [80, "choose"],
        [100, "stroke"],
        [450, "undo"],
        [600, "stroke"],
      ],
    );
  });
  test("ends when the decision was sent, or with a stroke that is later still", () => {
    assert.equal(duration({ ...TRIAL, events, strokes }), 980);
    assert.equal(duration({ ...TRIAL, annotation_ms: 100, events, strokes }), 600);
    assert.equal(duration({ ...TRIAL, annotation_ms: null }), 80);
  });
  test("knows which face was chosen when", () => {
    assert.deepEqual(
      [0, 50, 79, 80].map((t) => chosenAt({ ...TRIAL, events }, t)),
      [null, "left", "left", "right"],
    );
  });
  test("knows it without events from the time of the decision", () => {
    assert.deepEqual(
      [79, 80].map((t) => chosenAt(TRIAL, t)),
      [null, "right"],
    );
  });
});
