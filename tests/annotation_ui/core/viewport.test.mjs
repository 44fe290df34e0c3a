// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  LARGEST_SCALE,
  WHOLE,
  imagePixelsPerPixel,
  pan,
  toImage,
  zoom,
} from "../../../annotation_ui/static/core/viewport.js";

const size = { width: 1024, height: 512 };
const box = { left: 10, top: 20, width: 512, height: 256 };

describe("a viewport", () => {
  test("the same spot of the face is the same image point on any screen", () => {
    const phone = toImage(WHOLE, { left: 10, top: 20, width: 180, height: 90 }, size, { clientX: 100, clientY: 65 });
    const workspace = toImage(WHOLE, { left: 300, top: 0, width: 600, height: 300 }, size, {
      clientX: 600,
      clientY: 150,
    });
    assert.deepEqual(phone, workspace);
  });
  test("the corners of the frame are the corners of the image", () => {
    assert.deepEqual(toImage(WHOLE, box, size, { clientX: 10, clientY: 20 }), { x: 0, y: 0 });
    assert.deepEqual(toImage(WHOLE, box, size, { clientX: 522, clientY: 276 }), { x: 1024, y: 512 });
  });
  test("zooming keeps the point under the pointer where it is", () => {
    const place = { clientX: 300, clientY: 100 };
    const anchor = toImage(WHOLE, box, size, place);
    const after = toImage(zoom(WHOLE, size, anchor, 3), box, size, place);
    assert.ok(Math.hypot(after.x - anchor.x, after.y - anchor.y) < 1e-9);
  });
  test("zooming out again shows the whole image", () => {
    const near = zoom(WHOLE, size, { x: 900, y: 40 }, 4);
    assert.deepEqual(zoom(near, size, { x: 100, y: 100 }, 1 / 4), WHOLE);
  });
  test("zoom has an end in both directions", () => {
    assert.equal(zoom(WHOLE, size, { x: 5, y: 5 }, 1000).scale, LARGEST_SCALE);
    assert.equal(zoom(WHOLE, size, { x: 5, y: 5 }, 0.001).scale, 1);
  });
  test("panning never shows anything beyond the image", () => {
    const near = zoom(WHOLE, size, { x: 0, y: 0 }, 2);
    assert.deepEqual(pan(near, size, 1e6, 1e6), { scale: 2, x: 512, y: 256 });
    assert.deepEqual(pan(near, size, -1e6, -1e6), { scale: 2, x: 0, y: 0 });
    assert.deepEqual(pan(WHOLE, size, 50, 50), WHOLE);
  });
  test("a CSS pixel is fewer image pixels when one looks closer", () => {
    assert.equal(imagePixelsPerPixel(WHOLE, box, size), 2);
    assert.equal(imagePixelsPerPixel({ scale: 4, x: 0, y: 0 }, box, size), 0.5);
  });
});
