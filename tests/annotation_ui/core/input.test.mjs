// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_INPUT } from "../../../annotation_ui/static/core/contract.js";
import { InputTally } from "../../../annotation_ui/static/core/input.js";

/** @param {InputTally} tally @param {boolean} [isControlled] */
const facts = (tally, isControlled = false) => Object.fromEntries(tally.facts(isControlled));

describe("what the input of a pair came to", () => {
  test("is nothing where nothing was done", () => {
    assert.deepEqual(new InputTally().facts(false), []);
  });
  test("is the way of the mouse from press to press, and its straight length", () => {
    const tally = new InputTally();
    for (const [x, y] of [
      [0, 0],
      [30, 0],
      [30, 40],
    ])
      tally.move({ x: x ?? 0, y: y ?? 0 }, false);
    tally.press("mouse", { x: 30, y: 40 });
    assert.deepEqual(facts(tally).mouse, { presses: 1, moves: 3, path: 70, straight: 50 });
  });
  test("a press that no move led to is a straight line", () => {
    const tally = new InputTally();
    tally.press("mouse", { x: 0, y: 0 });
    tally.leave({ x: 0, y: 0 });
    tally.press("mouse", { x: 300, y: 400 });
    assert.deepEqual(facts(tally).mouse, { presses: 2, moves: 0, path: 500, straight: 500 });
  });
  test("what is drawn with the button down is no way to a press", () => {
    const tally = new InputTally();
    tally.press("mouse", { x: 0, y: 0 });
    tally.move({ x: 500, y: 0 }, true);
    tally.leave({ x: 500, y: 0 });
    tally.press("mouse", { x: 500, y: 0 });
    assert.deepEqual(facts(tally).mouse, { presses: 2, moves: 0, path: 0, straight: 0 });
  });
  test("begins anew with each pair, but the mouse is where it was", () => {
    const tally = new InputTally();
    tally.move({ x: 10, y: 0 }, false);
    tally.reset();
    tally.press("mouse", { x: 50, y: 0 });
    assert.deepEqual(facts(tally).mouse, { presses: 1, moves: 0, path: 40, straight: 40 });
  });
  test("fingers and pens have presses and no way", () => {
    const tally = new InputTally();
    tally.press("touch", { x: 1, y: 1 });
    tally.press("pen", { x: 9, y: 9 });
    assert.deepEqual(facts(tally), { touched: { touch: 1, pen: 1 } });
  });
  test("is the rhythm of keys without their names, and a long pause is none of it", () => {
    const tally = new InputTally();
    for (const [down, up] of [
      [0, 80],
      [200, 260],
      [600, 700],
      [9000, 9090],
    ]) {
      tally.keyDown("KeyB", down ?? 0);
      tally.keyUp("KeyB", up ?? 0);
    }
    assert.deepEqual(facts(tally), { keys: { count: 4, gap_ms: 200, spread_ms: 0, held_ms: 80 } });
  });
  test("a key that was down before the pair came was not held in it", () => {
    const tally = new InputTally();
    tally.keyDown("Enter", 0);
    tally.reset();
    tally.keyUp("Enter", 90);
    assert.deepEqual(tally.facts(false), []);
  });
  test("says what a script made, and that a program controls the browser", () => {
    const tally = new InputTally();
    tally.script("clicks");
    const scripted = { presses: 0, moves: 0, clicks: 1, keys: 0 };
    assert.deepEqual(facts(tally, true), { controlled: { webdriver: 1 }, scripted });
  });
  test("says that a trap was there, pressed or not", () => {
    const tally = new InputTally();
    tally.trap.shown = 1;
    assert.deepEqual(facts(tally), { trap: { shown: 1, presses: 0 } });
    tally.reset();
    assert.deepEqual(tally.facts(false), []);
  });
  test("is never more than the server takes", () => {
    const tally = new InputTally();
    tally.press("mouse", { x: 0, y: 0 });
    tally.leave({ x: 0, y: 0 });
    tally.press("mouse", { x: 1e9, y: 0 });
    assert.equal(facts(tally).mouse?.path, MAX_INPUT);
  });
});
