// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY, add, clear, undo } from "../../annotation_ui/static/core/drawing.js";
import * as judgements from "../../annotation_ui/static/core/judgement.js";
import { LONGEST_TIME, MOST_POINTS, MOST_STROKES, MOST_WORK } from "../../annotation_ui/static/core/limits.js";

/**
 * @typedef {import("../../annotation_ui/participant.d.ts").Trial} Trial
 * @typedef {import("../../annotation_ui/static/core/stroke.js").Stroke} Stroke
 */

const picture = { url: "/i/x", width: 64, height: 64 };
/** @type {Trial} */
const trial = {
  id: "t1",
  kind: "main",
  position: 1,
  total: 3,
  question: "real",
  left: picture,
  right: picture,
  annotate: true,
};
/** @type {Stroke} */
const stroke = { tool: "brush", radius: 3, points: [[1, 2, 900]] };
/** @type {Stroke} */
const eraser = { tool: "eraser", radius: 3, points: [[1, 2, 950]] };

const rule = { min_strokes: 1, min_area: 0.01, max_area: 0.5 };

const fresh = judgements.begin(trial, rule);
const chosen = judgements.choose(fresh, "left", 800);
const painted = judgements.draw(chosen, add(EMPTY, stroke), 0.1);

/** @param {Partial<Stroke>} changes @returns {Stroke} */
const like = (changes) => ({ ...stroke, ...changes });

/** With these strokes, all at once. @param {readonly Stroke[]} strokes */
const filled = (strokes) => judgements.draw(chosen, { past: [], strokes, future: [] }, 0.1);

/** A stroke of so many points that go to and fro over half a pixel. @param {number} count */
const long = (count) => like({ points: Array.from({ length: count }, (_, index) => [10 + (index % 2) / 2, 10, 900]) });

describe("a judgement", () => {
  test("may change its mind until there is paint", () => {
    const changed = judgements.choose(chosen, "right", 1200);
    assert.deepEqual([changed.choice, changed.chosenAt], ["right", 1200]);
    assert.equal(judgements.choose(painted, "right", 1200), painted);
  });
  test("may change its mind again once the paint is gone", () => {
    const cleared = judgements.draw(painted, clear(painted.drawing), 0);
    assert.equal(judgements.choose(cleared, "right", 1500).choice, "right");
    const undone = judgements.draw(painted, undo(painted.drawing), 0);
    assert.equal(judgements.choose(undone, "right", 1500).choice, "right");
  });
  test("may change its mind while its strokes have left no pixel", () => {
    const erased = judgements.draw(chosen, add(painted.drawing, eraser), 0);
    assert.ok(judgements.mayChoose(erased));
    assert.deepEqual(judgements.choose(erased, "right", 1500).drawing, EMPTY);
  });
  test("a new choice forgets the history of the other face", () => {
    const undone = judgements.draw(painted, undo(painted.drawing), 0);
    assert.deepEqual(judgements.choose(undone, "right", 1500).drawing, EMPTY);
  });
  test("switches faces with all that it has painted cleared", () => {
    const { choice, chosenAt, drawing, covered } = judgements.switchFace(painted, 4000);
    assert.deepEqual([choice, chosenAt, drawing, covered], ["right", 4000, EMPTY, 0]);
    assert.equal(judgements.switchFace(judgements.switchFace(painted, 4000), 5000).choice, "left");
  });
  test("choosing the chosen face again does not move the clock", () => {
    assert.equal(judgements.choose(chosen, "left", 5000).chosenAt, 800);
  });
  test("asks first for a choice, then for paint", () => {
    assert.equal(judgements.missing(fresh), "choose");
    assert.equal(judgements.missing(chosen), "paint");
    assert.equal(judgements.missing(painted), null);
  });
  test("an eraser stroke is no paint", () => {
    assert.equal(judgements.missing(judgements.draw(chosen, add(EMPTY, eraser), 0)), "paint");
  });
  test("asks for as many strokes as the study wants", () => {
    assert.equal(judgements.missing({ ...painted, rule: { ...rule, min_strokes: 2 } }), "paint");
    assert.equal(judgements.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0, max_area: 1 } }), null);
    assert.equal(judgements.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0.01, max_area: 1 } }), null);
  });
  test("asks for as much paint as the study wants, and for no more", () => {
    const wanted = [0, 0.009, 0.01, 0.5, 0.501].map((covered) => judgements.missing({ ...painted, covered }));
    assert.deepEqual(wanted, ["blank", "small", null, null, "large"]);
  });
  test("that may go without strokes wants enough paint of whoever paints", () => {
    const free = { min_strokes: 0, min_area: 0.01, max_area: 1 };
    assert.equal(judgements.missing({ ...painted, rule: free, covered: 0 }), "small");
    assert.equal(judgements.missing({ ...painted, rule: { ...free, min_area: 0 }, covered: 0 }), null);
  });
  test("without annotation asks for a choice only", () => {
    const control = judgements.begin({ ...trial, annotate: false }, rule);
    assert.equal(judgements.missing(judgements.choose(control, "left", 5)), null);
    assert.ok(!judgements.mayPaint(judgements.choose(control, "left", 5)));
  });
  test("is painted on once a face is chosen", () => {
    assert.deepEqual([fresh, chosen, painted].map(judgements.mayPaint), [false, true, true]);
  });
  test("of a region has nothing to choose, only to paint, whatever the arm", () => {
    const region = judgements.begin({ ...trial, kind: "check", right: null, annotate: false }, rule);
    assert.ok(judgements.mayPaint(region));
    assert.equal(judgements.choose(region, "right", 5), region);
    const { choice, decision_ms, annotation_ms } = judgements.decision(
      judgements.draw(region, add(EMPTY, stroke), 0.1),
      900,
      [],
    );
    assert.deepEqual([choice, decision_ms, annotation_ms], ["left", 0, 900]);
  });
  test("of a region wants something painted, however much the study's rule wants", () => {
    const region = judgements.begin(
      { ...trial, kind: "check", right: null },
      { min_strokes: 3, min_area: 0.2, max_area: 0.3 },
    );
    const lacks = [0, 0.001, 1].map((covered) =>
      judgements.missing(judgements.draw(region, add(EMPTY, stroke), covered)),
    );
    assert.deepEqual(lacks, ["blank", null, null]);
  });
});

describe("a click on the chosen face", () => {
  test("leaves no paint, however slow it is", () => {
    assert.ok(judgements.isClick(chosen, like({ points: [[30, 30, 2799]] })));
    assert.ok(
      judgements.isClick(
        chosen,
        like({
          points: [
            [30, 30, 900],
            [30.6, 30, 1000],
          ],
        }),
      ),
    );
  });
  test("later than two seconds after the choice is a dab", () => {
    assert.ok(!judgements.isClick(chosen, like({ points: [[30, 30, 2800]] })));
  });
  test("that moves is a stroke", () => {
    assert.ok(
      !judgements.isClick(
        chosen,
        like({
          points: [
            [30, 30, 900],
            [30.7, 30, 1000],
          ],
        }),
      ),
    );
    assert.ok(
      !judgements.isClick(
        chosen,
        like({
          points: [
            [30, 30, 900],
            [30, 31, 1000],
            [30, 30, 1100],
          ],
        }),
      ),
    );
  });
  test("is measured by the shorter side of the face", () => {
    const wide = { ...chosen, size: { width: 900, height: 300 } };
    const moved = (/** @type {number} */ far) =>
      judgements.isClick(
        wide,
        like({
          points: [
            [30, 30, 900],
            [30 + far, 30, 1000],
          ],
        }),
      );
    assert.deepEqual([moved(3), moved(3.1)], [true, false]);
  });
  test("beside other paint is a dab", () => {
    assert.ok(!judgements.isClick(painted, like({ points: [[30, 30, 900]] })));
  });
  test("cannot be where there was nothing to choose", () => {
    const region = judgements.begin({ ...trial, kind: "check", right: null }, rule);
    assert.ok(!judgements.isClick(region, like({ points: [[30, 30, 5]] })));
  });
});

describe("a drawing", () => {
  test("takes as many strokes as the server does", () => {
    const excess = (/** @type {number} */ count) =>
      judgements.excess(filled(Array.from({ length: count }, () => stroke)), stroke);
    assert.deepEqual([excess(MOST_STROKES - 1), excess(MOST_STROKES)], [null, "full"]);
  });
  test("takes as many points as the server does, in all strokes together", () => {
    const excess = (/** @type {number} */ count) => judgements.excess(filled([long(4000), long(count)]), stroke);
    assert.deepEqual([excess(MOST_POINTS - 4001), excess(MOST_POINTS - 4000)], [null, "full"]);
  });
  test("takes outlines as long as the server does, in all strokes together", () => {
    const half = like({
      radius: 1,
      points: [
        [0, 0, 0],
        [(MOST_WORK - 2) / 4 - Math.PI - 10, 0, 1],
      ],
    });
    assert.equal(judgements.excess(filled([half]), half), null);
    assert.equal(judgements.excess(filled([half, stroke]), half), "full");
  });
  test("names a stroke that is more than all that the server takes", () => {
    assert.equal(judgements.excess(chosen, long(MOST_POINTS)), null);
    assert.equal(judgements.excess(chosen, long(MOST_POINTS + 1)), "endless");
    assert.equal(
      judgements.excess(
        chosen,
        like({
          points: [
            [0, 0, 0],
            [MOST_WORK, 0, 1],
          ],
        }),
      ),
      "endless",
    );
  });
});

describe("a decision", () => {
  test("carries the choice, both times in whole milliseconds, and the strokes", () => {
    assert.deepEqual(judgements.decision({ ...painted, chosenAt: 800.4 }, 2000.6, []), {
      choice: "left",
      decision_ms: 800,
      annotation_ms: 1200,
      strokes: [stroke],
      events: [],
    });
  });
  test("without annotation has neither strokes nor annotation time", () => {
    const control = judgements.choose(judgements.begin({ ...trial, annotate: false }, rule), "right", 700);
    assert.deepEqual(judgements.decision(control, 900, []), { choice: "right", decision_ms: 700, events: [] });
  });
  test("of somebody who slept over it still fits what the server takes", () => {
    assert.equal(judgements.decision({ ...painted, chosenAt: 9e9 }, 9e9, []).decision_ms, LONGEST_TIME);
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
