// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  EMPTY,
  add,
  canRedo,
  canUndo,
  clear,
  isEmpty,
  painted,
  redo,
  restored,
  undo,
} from "../../../annotation_ui/static/core/drawing.js";

/** @typedef {import("../../../annotation_ui/static/core/stroke.js").Stroke} Stroke */

/** @type {Stroke} */
const a = { tool: "brush", radius: 8, points: [[1, 1, 0]] };
/** @type {Stroke} */
const b = { tool: "brush", radius: 8, points: [[2, 2, 9]] };
/** @type {Stroke} */
const eraser = { tool: "eraser", radius: 8, points: [[2, 2, 12]] };

describe("a drawing", () => {
  test("undo then redo gives it back", () => {
    const drawing = add(add(EMPTY, a), b);
    assert.deepEqual(redo(undo(drawing)), drawing);
  });
  test("is undone and redone step by step", () => {
    const drawing = add(add(EMPTY, a), b);
    const bare = undo(undo(drawing));
    assert.deepEqual([drawing, undo(drawing), bare].map(canUndo), [true, true, false]);
    assert.deepEqual([bare, redo(bare), redo(redo(bare))].map(canRedo), [true, true, false]);
    assert.deepEqual(
      [bare, redo(bare), redo(redo(bare))].map(({ strokes }) => strokes),
      [[], [a], [a, b]],
    );
  });
  test("undo and redo of nothing do nothing", () => {
    assert.equal(undo(EMPTY), EMPTY);
    assert.equal(redo(EMPTY), EMPTY);
  });
  test("a stroke after an undo forgets what was undone", () => {
    const drawing = add(undo(add(EMPTY, a)), b);
    assert.deepEqual(drawing.strokes, [b]);
    assert.ok(!canRedo(drawing));
  });
  test("a clear can be undone", () => {
    const drawing = add(add(EMPTY, a), b);
    assert.deepEqual(undo(clear(drawing)).strokes, [a, b]);
  });
  test("clearing nothing is no change to undo", () => {
    assert.ok(!canUndo(clear(EMPTY)));
  });
  test("restored strokes can be undone one by one", () => {
    assert.deepEqual(undo(restored([a, b])).strokes, [a]);
  });
  test("is never changed in place", () => {
    const drawing = add(EMPTY, a);
    add(drawing, b);
    clear(drawing);
    assert.deepEqual(drawing.strokes, [a]);
    assert.ok(isEmpty(EMPTY));
  });
  test("counts strokes that leave paint", () => {
    assert.equal(painted([a, eraser, b]), 2);
  });
});
