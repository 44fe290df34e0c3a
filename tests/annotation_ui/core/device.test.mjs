// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { obstacles } from "../../../annotation_ui/static/core/device.js";

/** @type {import("../../../annotation_ui/page.d.ts").DeviceFacts} */
const workspace = { width: 1280, height: 800, pixel_ratio: 1, pointer: "fine", touch: false, images_load: true };
const needs = { min_width: 320, min_height: 300, touch: true };

describe("the device check", () => {
  test("has nothing against a window that is just large enough", () => {
    assert.deepEqual(obstacles({ ...workspace, width: 320, height: 300 }, needs), []);
  });
  test("wants a larger window", () => {
    assert.deepEqual(obstacles({ ...workspace, height: 299 }, needs), ["window"]);
    assert.deepEqual(obstacles({ ...workspace, width: 319 }, needs), ["window"]);
  });
  test("takes a touch screen where the study does", () => {
    assert.deepEqual(obstacles({ ...workspace, pointer: "coarse" }, needs), []);
    assert.deepEqual(obstacles({ ...workspace, pointer: "coarse" }, { ...needs, touch: false }), ["pointer"]);
  });
  test("turns nobody away who has no pointer at all but a keyboard", () => {
    assert.deepEqual(obstacles({ ...workspace, pointer: "none" }, needs), []);
  });
  test("says everything that is in the way", () => {
    assert.deepEqual(
      obstacles({ ...workspace, width: 10, pointer: "none", images_load: false }, { ...needs, touch: false }),
      ["window", "pointer", "images"],
    );
  });
});
