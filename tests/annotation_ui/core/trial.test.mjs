// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY, add, clear, undo } from "../../../annotation_ui/static/core/drawing.js";
import * as trials from "../../../annotation_ui/static/core/trial.js";
import { LONGEST_TIME_MS, MAX_POINTS, MAX_STROKES, MAX_WORK } from "../../../annotation_ui/static/core/contract.js";

/**
 * @typedef {import("../../../annotation_ui/participant.d.ts").TrialView} TrialView
 * @typedef {import("../../../annotation_ui/static/core/stroke.js").Stroke} Stroke
 */

const picture = { url: "/i/x", width: 64, height: 64 };
/** @type {TrialView} */
const trial = {
  id: "t1",
  kind: "main",
  position: 1,
  total: 3,
  question: "real",
  left: picture,
  right: picture,
  annotate: true,
  prompt: null,
  advice: null,
  trap: false,
};
/** @type {Stroke} */
const stroke = { tool: "brush", radius: 3, points: [[1, 2, 900]] };
/** @type {Stroke} */
const eraser = { tool: "eraser", radius: 3, points: [[1, 2, 950]] };

const rule = { min_strokes: 1, min_area: 0.01, max_area: 0.5 };

const fresh = trials.begin(trial, rule);
const chosen = trials.choose(fresh, "left", 800);
const painted = trials.draw(chosen, add(EMPTY, stroke), 0.1);

/** @param {Partial<Stroke>} changes @returns {Stroke} */
const like = (changes) => ({ ...stroke, ...changes });

/** With these strokes, all at once. @param {readonly Stroke[]} strokes */
const filled = (strokes) => trials.draw(chosen, { past: [], strokes, future: [] }, 0.1);

/** A stroke of so many points that go to and fro over half a pixel. @param {number} count */
const long = (count) => like({ points: Array.from({ length: count }, (_, index) => [10 + (index % 2) / 2, 10, 900]) });

describe("a state", () => {
  test("may change its mind until there is paint", () => {
    const changed = trials.choose(chosen, "right", 1200);
    assert.deepEqual([changed.choice, changed.chosenAt], ["right", 1200]);
    assert.equal(trials.choose(painted, "right", 1200), painted);
  });
  test("may change its mind again once the paint is gone", () => {
    const cleared = trials.draw(painted, clear(painted.drawing), 0);
    assert.equal(trials.choose(cleared, "right", 1500).choice, "right");
    const undone = trials.draw(painted, undo(painted.drawing), 0);
    assert.equal(trials.choose(undone, "right", 1500).choice, "right");
  });
  test("may change its mind while its strokes have left no pixel", () => {
    const erased = trials.draw(chosen, add(painted.drawing, eraser), 0);
    assert.ok(trials.mayChoose(erased));
    assert.deepEqual(trials.choose(erased, "right", 1500).drawing, EMPTY);
  });
  test("a new choice forgets the history of the other face", () => {
    const undone = trials.draw(painted, undo(painted.drawing), 0);
    assert.deepEqual(trials.choose(undone, "right", 1500).drawing, EMPTY);
  });
  test("switches faces with all that it has painted cleared", () => {
    const { choice, chosenAt, drawing, covered } = trials.switchFace(painted, 4000);
    assert.deepEqual([choice, chosenAt, drawing, covered], ["right", 4000, EMPTY, 0]);
    assert.equal(trials.switchFace(trials.switchFace(painted, 4000), 5000).choice, "left");
  });
  test("choosing the chosen face again does not move the clock", () => {
    assert.equal(trials.choose(chosen, "left", 5000).chosenAt, 800);
  });
  test("asks first for a choice, then for paint", () => {
    assert.equal(trials.missing(fresh), "choose");
    assert.equal(trials.missing(chosen), "paint");
    assert.equal(trials.missing(painted), null);
  });
  test("an eraser stroke is no paint", () => {
    assert.equal(trials.missing(trials.draw(chosen, add(EMPTY, eraser), 0)), "paint");
  });
  test("asks for as many strokes as the study wants", () => {
    assert.equal(trials.missing({ ...painted, rule: { ...rule, min_strokes: 2 } }), "paint");
    assert.equal(trials.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0, max_area: 1 } }), null);
    assert.equal(trials.missing({ ...chosen, rule: { min_strokes: 0, min_area: 0.01, max_area: 1 } }), null);
  });
  test("asks for as much paint as the study wants, and for no more", () => {
    const wanted = [0, 0.009, 0.01, 0.5, 0.501].map((covered) => trials.missing({ ...painted, covered }));
    assert.deepEqual(wanted, ["blank", "small", null, null, "large"]);
  });
  test("that may go without strokes wants enough paint of whoever paints", () => {
    const free = { min_strokes: 0, min_area: 0.01, max_area: 1 };
    assert.equal(trials.missing({ ...painted, rule: free, covered: 0 }), "small");
    assert.equal(trials.missing({ ...painted, rule: { ...free, min_area: 0 }, covered: 0 }), null);
  });
  test("without annotation asks for a choice only", () => {
    const control = trials.begin({ ...trial, annotate: false }, rule);
    assert.equal(trials.missing(trials.choose(control, "left", 5)), null);
    assert.ok(!trials.mayPaint(trials.choose(control, "left", 5)));
  });
  test("is painted on once a face is chosen", () => {
    assert.deepEqual([fresh, chosen, painted].map(trials.mayPaint), [false, true, true]);
  });
  test("of a region has nothing to choose, only to paint, whatever the arm", () => {
    const region = trials.begin({ ...trial, kind: "check", right: null, annotate: false }, rule);
    assert.ok(trials.mayPaint(region));
    assert.equal(trials.choose(region, "right", 5), region);
    const { choice, decision_ms, annotation_ms } = trials.decision(
      trials.draw(region, add(EMPTY, stroke), 0.1),
      900,
      [],
    );
    assert.deepEqual([choice, decision_ms, annotation_ms], ["left", 0, 900]);
  });
  test("of a region wants something painted, however much the study's rule wants", () => {
    const region = trials.begin(
      { ...trial, kind: "check", right: null },
      { min_strokes: 3, min_area: 0.2, max_area: 0.3 },
    );
    const lacks = [0, 0.001, 1].map((covered) => trials.missing(trials.draw(region, add(EMPTY, stroke), covered)));
    assert.deepEqual(lacks, ["blank", null, null]);
  });
});

describe("a click on the chosen face", () => {
  test("leaves no paint, however slow it is", () => {
    assert.ok(trials.isClick(chosen, like({ points: [[30, 30, 2799]] })));
    assert.ok(
      trials.isClick(
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
    assert.ok(!trials.isClick(chosen, like({ points: [[30, 30, 2800]] })));
  });
  test("that moves is a stroke", () => {
    assert.ok(
      !trials.isClick(
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
      !trials.isClick(
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
      trials.isClick(
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
    assert.ok(!trials.isClick(painted, like({ points: [[30, 30, 900]] })));
  });
  test("cannot be where there was nothing to choose", () => {
    const region = trials.begin({ ...trial, kind: "check", right: null }, rule);
    assert.ok(!trials.isClick(region, like({ points: [[30, 30, 5]] })));
  });
});

describe("a drawing", () => {
  test("takes as many strokes as the server does", () => {
    const excess = (/** @type {number} */ count) =>
      trials.excess(filled(Array.from({ length: count }, () => stroke)), stroke);
    assert.deepEqual([excess(MAX_STROKES - 1), excess(MAX_STROKES)], [null, "full"]);
  });
  test("takes as many points as the server does, in all strokes together", () => {
    const excess = (/** @type {number} */ count) => trials.excess(filled([long(4000), long(count)]), stroke);
    assert.deepEqual([excess(MAX_POINTS - 4001), excess(MAX_POINTS - 4000)], [null, "full"]);
  });
  test("takes outlines as long as the server does, in all strokes together", () => {
    const half = like({
      radius: 1,
      points: [
        [0, 0, 0],
        [(MAX_WORK - 2) / 4 - Math.PI - 10, 0, 1],
      ],
    });
    assert.equal(trials.excess(filled([half]), half), null);
    assert.equal(trials.excess(filled([half, stroke]), half), "full");
  });
  test("names a stroke that is more than all that the server takes", () => {
    assert.equal(trials.excess(chosen, long(MAX_POINTS)), null);
    assert.equal(trials.excess(chosen, long(MAX_POINTS + 1)), "endless");
    assert.equal(
      trials.excess(
        chosen,
        like({
          points: [
            [0, 0, 0],
            [MAX_WORK, 0, 1],
          ],
        }),
      ),
      "endless",
    );
  });
});

describe("a decision", () => {
  test("carries the choice, both times in whole milliseconds, and the strokes", () => {
    assert.deepEqual(trials.decision({ ...painted, chosenAt: 800.4 }, 2000.6, []), {
      choice: "left",
      decision_ms: 800,
      annotation_ms: 1200,
      strokes: [stroke],
      events: [],
    });
  });
  test("without annotation has neither strokes nor annotation time", () => {
    const control = trials.choose(trials.begin({ ...trial, annotate: false }, rule), "right", 700);
    assert.deepEqual(trials.decision(control, 900, []), { choice: "right", decision_ms: 700, events: [] });
  });
  test("of somebody who slept over it still fits what the server takes", () => {
    assert.equal(trials.decision({ ...painted, chosenAt: 9e9 }, 9e9, []).decision_ms, LONGEST_TIME_MS);
  });
  test("needs a choice", () => {
    assert.throws(() => trials.decision(fresh, 1, []), /choice/);
  });
});

describe("a draft", () => {
  const kept = trials.draft(painted, 1500, 1_700_000_000_000, []);
  test("brings back the choice and the strokes of the same trial", () => {
    const resumed = trials.resume(fresh, kept);
    assert.deepEqual([resumed.choice, resumed.chosenAt, resumed.drawing.strokes], ["left", 800, [stroke]]);
  });
  test("survives being text", () => {
    assert.deepEqual(trials.resume(fresh, JSON.parse(JSON.stringify(kept))), trials.resume(fresh, kept));
  });
  test("of another trial is left alone", () => {
    assert.equal(trials.resume(fresh, { ...kept, trial: "t0" }), fresh);
    assert.equal(trials.resume(fresh, null), fresh);
  });
});
