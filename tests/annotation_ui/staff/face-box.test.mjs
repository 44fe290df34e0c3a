import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { between, corners, drag } from "../../../annotation_ui/static/staff/face-box.js";

const BOX = { x: 10, y: 20, width: 30, height: 40 };

describe("dragging a face box", () => {
  it("draws a new one where there is none", () => {
    assert.deepEqual(drag(null, { x: 50, y: 60 }, 3)({ x: 40, y: 90 }), { x: 40, y: 60, width: 10, height: 30 });
  });

  it("moves it whole from inside", () => {
    assert.deepEqual(drag(BOX, { x: 25, y: 40 }, 3)({ x: 27, y: 35 }), { ...BOX, x: 12, y: 15 });
  });

  for (const [index, corner] of corners(BOX).entries()) {
    it(`keeps the opposite corner while corner ${index + 1} moves`, () => {
      const moved = drag(BOX, { x: corner.x + 1, y: corner.y - 1 }, 3)({ x: corner.x + 5, y: corner.y + 5 });
      const opposite = corners(BOX)[(index + 2) % 4] ?? assert.fail();
      assert.deepEqual(moved, between({ x: corner.x + 5, y: corner.y + 5 }, opposite));
    });
  }

  it("begins another one outside", () => {
    assert.deepEqual(drag(BOX, { x: 90, y: 90 }, 3)({ x: 95, y: 99 }), { x: 90, y: 90, width: 5, height: 9 });
  });
});
