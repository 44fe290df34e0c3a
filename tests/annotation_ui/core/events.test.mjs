// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { KINDS, addEvent, withInput } from "../../../annotation_ui/static/core/events.js";
import { MAX_EVENTS } from "../../../annotation_ui/static/core/contract.js";

describe("the log of a trial", () => {
  test("says what happened and when", () => {
    assert.deepEqual(addEvent([], "hidden", 12.4, { by: "tab" }), [{ by: "tab", kind: "hidden", t_ms: 12 }]);
  });
  test("one drag of the window's corner is one resize", () => {
    const dragged = addEvent(addEvent([], "resize", 10, { width: 900 }), "resize", 30, { width: 800 });
    assert.deepEqual(dragged, [{ width: 800, kind: "resize", t_ms: 30 }]);
  });
  test("a resize takes the place of the one before it and of nothing else", () => {
    const kinds = /** @type {const} */ (["blur", "resize", "resize", "blur", "blur", "resize", "focus", "resize"]);
    const events = kinds.reduce((sum, kind, index) => addEvent(sum, kind, index), addEvent([], "loaded", 0));
    assert.deepEqual(
      events.map(({ t_ms }) => t_ms),
      [0, 0, 2, 3, 4, 5, 6, 7],
    );
  });
  test("puts what came before the pair at its beginning", () => {
    assert.deepEqual(
      [-40, 0.4, 0.6].map((t_ms) => addEvent([], "blur", t_ms)[0]?.t_ms),
      [0, 0, 1],
    );
  });
  test("is explained, kind by kind", () => {
    const page = readFileSync(new URL("../../../docs/participant-page.md", import.meta.url), "utf8");
    for (const kind of KINDS) assert.ok(page.includes(`| \`${kind}\` |`), kind);
  });
  test("is sent with what the input came to, even when it is full", () => {
    let events = addEvent([], "loaded", 0);
    while (events.length < MAX_EVENTS) events = addEvent(events, events.length % 2 ? "blur" : "focus", 1);
    const sent = withInput(events, [["touched", { touch: 2, pen: 0 }]], 900);
    assert.equal(sent.length, MAX_EVENTS);
    assert.deepEqual(sent.at(-1), { kind: "touched", t_ms: 900, touch: 2, pen: 0 });
  });
  test("has an end", () => {
    let events = addEvent([], "blur", 0);
    for (let i = 0; i < 2 * MAX_EVENTS; i += 1) events = addEvent(events, i % 2 ? "blur" : "focus", i);
    assert.equal(events.length, MAX_EVENTS);
  });
});
