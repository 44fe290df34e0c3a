// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { move, start } from "../../annotation_ui/static/core/visit.js";

/**
 * @typedef {import("../../annotation_ui/static/core/visit.js").State} State
 * @typedef {import("../../annotation_ui/static/core/visit.js").VisitEvent} VisitEvent
 */

const trial = /** @type {any} */ ({ id: "t1" });
const completion = { code: "ABCDE-12345", message: "Thank you." };
const visitor = { preview: false, known: false };

/** @param {State} state @param {VisitEvent[]} events */
const after = (state, ...events) => events.reduce(move, state);

const inTrial = after(
  start(visitor), { type: "agreed" }, { type: "joined", resumed: false }, { type: "understood" }, { type: "given", trial },
);

describe("a visit", () => {
  test("goes from consent to the completion code", () => {
    assert.equal(inTrial.page, "trial");
    const end = after(inTrial, { type: "submitted" }, { type: "kept" }, { type: "completed", completion });
    assert.deepEqual([end.page, end.completion], ["finished", completion]);
  });
  test("somebody known skips consent and instructions", () => {
    assert.equal(after(start({ ...visitor, known: true }), { type: "given", trial }).page, "trial");
  });
  test("somebody who returns by consenting again skips the instructions", () => {
    assert.equal(after(start(visitor), { type: "agreed" }, { type: "joined", resumed: true }).page, "loading");
  });
  test("a preview goes nowhere", () => {
    const preview = start({ ...visitor, preview: true });
    for (const type of /** @type {const} */ (["agreed", "declined", "understood", "submitted"])) {
      assert.equal(move(preview, { type }).page, "preview");
    }
  });
  test("without consent there is no trial", () => {
    assert.equal(after(start(visitor), { type: "given", trial }).page, "consent");
  });
  test("a double click on Next submits once", () => {
    const once = move(inTrial, { type: "submitted" });
    assert.equal(move(once, { type: "submitted" }), once);
  });
  test("a late acknowledgement changes nothing", () => {
    const finished = after(inTrial, { type: "submitted" }, { type: "kept" }, { type: "completed", completion });
    assert.equal(move(finished, { type: "kept" }), finished);
  });
  test("a decision that the server gives back can be sent again", () => {
    const back = after(inTrial, { type: "submitted" }, { type: "returned" });
    assert.deepEqual([back.page, back.busy], ["trial", false]);
  });
  test("a token that is not known leads back to consent", () => {
    assert.equal(move(inTrial, { type: "forgotten" }).page, "consent");
  });
  test("every ending has its own name and is final", () => {
    for (const code of ["study_not_open", "quota_full", "already_took_part"]) {
      assert.equal(move(start(visitor), { type: "refused", code, detail: "" }).ending, code);
    }
    assert.equal(move(inTrial, { type: "refused", code: "internal", detail: "x" }).ending, "error");
    const left = move(inTrial, { type: "withdrew" });
    assert.equal(move(left, { type: "given", trial }), left);
    assert.equal(move(start(visitor), { type: "declined" }).ending, "declined");
  });
  test("an unknown event is a mistake", () => {
    assert.throws(() => move(start(visitor), /** @type {any} */ ({ type: "sneezed" })), /sneezed/);
  });
});
