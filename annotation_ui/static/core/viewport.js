/**
 * What part of an image its frame shows. At scale 1 the image fills the frame; (x, y) is the image point in
 * the frame's top-left corner, in image pixels.
 *
 * @typedef {{readonly scale: number, readonly x: number, readonly y: number}} Viewport
 * @typedef {{readonly left: number, readonly top: number, readonly width: number, readonly height: number}} Box
 * @import { Size } from "./stroke.js"
 */

export const LARGEST_SCALE = 8;

/** @type {Viewport} */
export const WHOLE = Object.freeze({ scale: 1, x: 0, y: 0 });

/**
 * A place on the screen as a place on the image.
 *
 * @param {Viewport} viewport @param {Box} box the frame, in CSS px @param {Size} size of the image
 * @param {{clientX: number, clientY: number}} place CSS px
 */
export function toImage(viewport, box, size, place) {
  return {
    x: viewport.x + ((place.clientX - box.left) / box.width) * (size.width / viewport.scale),
    y: viewport.y + ((place.clientY - box.top) / box.height) * (size.height / viewport.scale),
  };
}

/** Image pixels in one CSS pixel. @param {Viewport} viewport @param {Box} box @param {Size} size */
export const imagePixelsPerPixel = (viewport, box, size) => size.width / box.width / viewport.scale;

/**
 * Zoom so that the image point at `anchor` stays where it is.
 *
 * @param {Viewport} viewport @param {Size} size @param {{x: number, y: number}} anchor image px
 * @param {number} factor @returns {Viewport}
 */
export function zoom(viewport, size, anchor, factor) {
  const scale = Math.min(LARGEST_SCALE, Math.max(1, viewport.scale * factor));
  const kept = viewport.scale / scale;
  return inside(
    { scale, x: anchor.x - (anchor.x - viewport.x) * kept, y: anchor.y - (anchor.y - viewport.y) * kept },
    size,
  );
}

/** @param {Viewport} viewport @param {Size} size @param {number} dx image px @param {number} dy @returns {Viewport} */
export function pan(viewport, size, dx, dy) {
  return inside({ ...viewport, x: viewport.x + dx, y: viewport.y + dy }, size);
}

/** @param {Viewport} viewport @param {Size} size @returns {Viewport} that shows nothing beyond the image */
function inside({ scale, x, y }, size) {
  return { scale, x: held(x, size.width - size.width / scale), y: held(y, size.height - size.height / scale) };
}

/** @param {number} value @param {number} most */
const held = (value, most) => Math.min(Math.max(0, most), Math.max(0, value));
