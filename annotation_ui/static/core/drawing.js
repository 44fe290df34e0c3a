/**
 * The drawing and its history as plain data. Every change gives a new drawing; a clear is a change like any
 * other and can be undone.
 *
 * @import { Stroke } from "./stroke.js"
 * @typedef {readonly Stroke[]} Strokes
 * @typedef {{readonly past: readonly Strokes[], readonly strokes: Strokes, readonly future: readonly Strokes[]}} Drawing
 */

/** @type {Drawing} */
export const EMPTY = Object.freeze({ past: [], strokes: [], future: [] });

/** @param {Strokes} strokes @returns {Drawing} that starts with these strokes and can undo them one by one */
export const restored = (strokes) => strokes.reduce(add, EMPTY);

/** @param {Drawing} drawing @param {Stroke} stroke @returns {Drawing} a new stroke forgets what was undone */
export function add(drawing, stroke) {
  return { past: [...drawing.past, drawing.strokes], strokes: [...drawing.strokes, stroke], future: [] };
}

/** @param {Drawing} drawing @returns {Drawing} the same drawing when there is nothing to clear */
export function clear(drawing) {
  if (drawing.strokes.length === 0) return drawing;
  return { past: [...drawing.past, drawing.strokes], strokes: [], future: [] };
}

/** @param {Drawing} drawing @returns {Drawing} */
export function undo(drawing) {
  const before = drawing.past.at(-1);
  if (!before) return drawing;
  return { past: drawing.past.slice(0, -1), strokes: before, future: [drawing.strokes, ...drawing.future] };
}

/** @param {Drawing} drawing @returns {Drawing} */
export function redo(drawing) {
  const after = drawing.future[0];
  if (!after) return drawing;
  return { past: [...drawing.past, drawing.strokes], strokes: after, future: drawing.future.slice(1) };
}

/** @param {Drawing} drawing */
export const isEmpty = (drawing) => drawing.strokes.length === 0;

/** @param {Drawing} drawing */
export const canUndo = (drawing) => drawing.past.length > 0;

/** @param {Drawing} drawing */
export const canRedo = (drawing) => drawing.future.length > 0;

/** Strokes that leave paint. @param {Strokes} strokes */
export const painted = (strokes) => strokes.filter((stroke) => stroke.tool !== "eraser").length;
