// @ts-check
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KINDS } from "../../../annotation_ui/static/core/events.js";
import { clock, told } from "../../../annotation_ui/static/staff/replay-words.js";

/** @param {string} kind */
const event = (kind, facts = {}) => told({ t_ms: 0, end_ms: 0, event: { kind, t_ms: 0, ...facts }, stroke: null });

describe("the course of a trial in words", () => {
  it("has a sentence for every event that the page notes", () => {
    for (const kind of KINDS) assert.match(event(kind), /^[A-Z].+\.$/, kind);
  });
  it("names what it does not know", () => {
    assert.equal(event("lost_socks"), "lost socks");
  });
  it("says of a stroke its tool, size, points and time", () => {
    /** @type {import("../../../annotation_ui/static/core/stroke.js").Stroke} */
    const stroke = { tool: "brush", radius: 4.5, points: [[0, 0, 0]] };
    assert.equal(told({ t_ms: 100, end_ms: 1400, event: null, stroke }), "Brush, radius 4.5 px: 1 point in 1.3 s.");
  });
});

describe("the clock", () => {
  it("counts minutes, seconds and tenths", () => {
    assert.deepEqual([0, 950, 9_960, 59_970, 61_000].map(clock), ["0:00.0", "0:01.0", "0:10.0", "1:00.0", "1:01.0"]);
  });
});
