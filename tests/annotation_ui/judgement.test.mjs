// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY, add, clear, undo } from "../../annotation_ui/static/core/drawing.js";
import * as judgements from "../../annotation_ui/static/core/judgement.js";

/**
 * @typedef {import("../../annotation_ui/participant.d.ts").Trial} Trial
 * @typedef {import("../../annotation_ui/static/core/stroke.js").Stroke} Stroke
 */

const picture = { url: "/i/x", width: 64, height: 64 };
/** @type {Trial} */
const trial = { id: "t1", kind: "main", position: 1, total: 3, question: "real", left: picture, right: picture, annotate: true };
/** @type {Stroke} */
const stroke = { tool: "brush", radius: 3, points: [[1, 2, 900]] };
/** @type {Stroke} */
const eraser = { tool: "eraser", radius: 3, points: [[1, 2, 950]] };

const rule = { min_strokes: 1, min_area: 0.01, max_area: 0.5 };

const fresh = judgements.begin(trial, rule);
const chosen = judgements.choose(fresh, "left", 800);
const painted = judgements.draw(chosen, add(EMPTY, stroke));

describe("a judgement", () => {
  test("may change its mind until there is paint", () => {
    const changed = judgements.choose(chosen, "right", 1200);
    assert.deepEqual([changed.choice, changed.chosenAt], ["right", 1200]);
    assert.equal(judgements.choose(painted, "right", 1200), painted);
  });
  test("may change its mind again once the paint is gone", () => {
    const cleared = judgements.draw(painted, clear(painted.drawing));
    assert.equal(judgements.choose(cleared, "right", 1500).choice, "right");
    const undone = judgements.draw(painted, undo(painted.drawing));
    assert.equal(judgements.choose(undone, "right", 1500).choice, "right");
  });
  test("a new choice forgets the history of the other face", () => {
    const undone = judgements.draw(painted, undo(painted.drawing));
    assert.deepEqual(judgements.choose(undone, "right", 1500).drawing, EMPTY);
  });
  test("choosing the chosen face again does not move the clock", () => {
    assert.equal(judgements.choose(chosen, "left", 5000).chosenAt, 800);
  });
  test("asks first for a choice, then for paint", () => {
    assert.equal(judgements.missing(fresh, 0), "choose");
    assert.equal(judgements.missing(chosen, 0), "paint");
    assert.equal(judgements.missing(painted, 0.1), null);
  });
  test("an eraser stroke is no paint", () => {
    assert.equal(judgements.missing(judgements.draw(chosen, add(EMPTY, eraser)), 0), "paint");
  });
  test("asks for as many strokes as the study wants", () => {
    assert.equal(judgements.missing({ ...painted, rule: { ...rule, min_strokes: 2 } }, 0.1), "paint");
    assert.equal(judgements.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0, max_area: 1 } }, 0), null);
    assert.equal(judgements.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0.01, max_area: 1 } }, 0), null);
  });
  test("asks for as much paint as the study wants, and for no more", () => {
    assert.equal(judgements.missing(painted, 0), "blank");
    assert.equal(judgements.missing(painted, 0.009), "small");
    assert.equal(judgements.missing(painted, 0.01), null);
    assert.equal(judgements.missing(painted, 0.5), null);
    assert.equal(judgements.missing(painted, 0.501), "large");
  });
  test("without annotation asks for a choice only", () => {
    const control = judgements.begin({ ...trial, annotate: false }, rule);
    assert.equal(judgements.missing(judgements.choose(control, "left", 5), 0), null);
    assert.ok(!judgements.mayPaint(judgements.choose(control, "left", 5)));
  });
  test("of a region has nothing to choose, only to paint, whatever the arm", () => {
    const region = judgements.begin({ ...trial, kind: "check", right: null, annotate: false }, rule);
    assert.ok(judgements.mayPaint(region));
    assert.equal(judgements.choose(region, "right", 5), region);
    const { choice, decision_ms, annotation_ms } = judgements.decision(judgements.draw(region, add(EMPTY, stroke)), 900, []);
    assert.deepEqual([choice, decision_ms, annotation_ms], ["left", 0, 900]);
  });
  test("is full when the server would take no more", () => {
    const many = Array.from({ length: judgements.MOST_STROKES }, () => stroke);
    assert.ok(judgements.isFull(judgements.draw(chosen, { past: [], strokes: many, future: [] })));
    assert.ok(!judgements.isFull(painted));
  });
});

describe("a decision", () => {
  test("carries the choice, both times in whole milliseconds, and the strokes", () => {
    assert.deepEqual(judgements.decision({ ...painted, chosenAt: 800.4 }, 2000.6, []), {
      choice: "left", decision_ms: 800, annotation_ms: 1200, strokes: [stroke], events: [],
    });
  });
  test("without annotation has neither strokes nor annotation time", () => {
    const control = judgements.choose(judgements.begin({ ...trial, annotate: false }, rule), "right", 700);
    assert.deepEqual(judgements.decision(control, 900, []), { choice: "right", decision_ms: 700, events: [] });
  });
  test("of somebody who slept over it still fits what the server takes", () => {
    assert.equal(judgements.decision({ ...painted, chosenAt: 9e9 }, 9e9, []).decision_ms, 86_400_000);
  });
  test("needs a choice", () => {
    assert.throws(() => judgements.decision(fresh, 1, []), /choice/);
  });
});

describe("a draft", () => {
  const kept = judgements.draft(painted, 1500, 1_700_000_000_000, []);
  test("brings back the choice and the strokes of the same trial", () => {
    const resumed = judgements.resume(fresh, kept);
    assert.deepEqual([resumed.choice, resumed.chosenAt, resumed.drawing.strokes], ["left", 800, [stroke]]);
  });
  test("survives being text", () => {
    assert.deepEqual(judgements.resume(fresh, JSON.parse(JSON.stringify(kept))), judgements.resume(fresh, kept));
  });
  test("of another trial is left alone", () => {
    assert.equal(judgements.resume(fresh, { ...kept, trial: "t0" }), fresh);
    assert.equal(judgements.resume(fresh, null), fresh);
  });
});
