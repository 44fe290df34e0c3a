import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PreviewServer, PreviewStorage } from "../../annotation_ui/static/pages/preview-server.js";

/** @param {string} step @param {any} [answer] @param {string | null} [fake] */
const scene = (step, answer = null, fake = null) => ({ step, label: step, answer, fake });
/** @param {string} question */
const practice = (question) => scene("practice-1", { trial: { kind: "practice", question } }, "left");
/** @param {string} step @param {any[]} scenes */
const server = (step, scenes) => new PreviewServer({ annotate: true, step, scenes, withdrawn: { code: "BYE" } });
/** @param {PreviewServer} asked */
const now = async (asked) => (await asked.api.next()).body;

describe("the server of a preview", () => {
  const scenes = [scene("consent"), scene("quiz", { step: "quiz" }), scene("trial-1", { trial: {} }), scene("end", {})];

  it("begins at the step that is asked for, or at the first that has an answer", async () => {
    assert.equal(await now(server("trial-1", scenes)), scenes[2]?.answer);
    assert.equal(await now(server("consent", scenes)), scenes[1]?.answer);
  });

  it("goes on when a step is answered", async () => {
    const asked = server("quiz", scenes);
    assert.equal((await asked.api.send("POST /api/participant/quiz")).body.passed, true);
    assert.equal(await now(asked), scenes[2]?.answer);
    await asked.deliver("", { choice: "left", decision_ms: 1 });
    assert.equal(await now(asked), scenes[3]?.answer);
  });

  it("stays where it is when a device is reported", async () => {
    const asked = server("quiz", scenes);
    await asked.api.send("POST /api/participant/device");
    assert.equal(await now(asked), scenes[1]?.answer);
  });

  it("says after practice which face it was, whichever was asked for", async () => {
    for (const { question, choice, correct } of /** @type {const} */ ([
      { question: "fake", choice: "left", correct: true },
      { question: "fake", choice: "right", correct: false },
      { question: "real", choice: "left", correct: false },
      { question: "real", choice: "right", correct: true },
    ])) {
      const { body } = await server("practice-1", [practice(question)]).deliver("", { choice, decision_ms: 1 });
      assert.deepEqual(body.feedback, { correct, fake: "left" });
    }
  });

  it("says how somebody leaves", async () => {
    assert.deepEqual((await server("quiz", scenes).api.send("POST /api/participant/withdraw")).body, { code: "BYE" });
  });
});

describe("the storage of a preview", () => {
  it("keeps what is written until the page is left, and nothing in the browser", () => {
    /** @type {any[]} */
    const kept = [];
    const browser = { getItem: () => '"old"', setItem: (/** @type {any[]} */ ...one) => kept.push(one) };
    globalThis.localStorage = /** @type {any} */ (browser);
    const storage = new PreviewStorage("preview.");
    assert.equal(storage.read("session"), null);
    storage.write("session", { token: "a" });
    assert.deepEqual(storage.read("session"), { token: "a" });
    storage.remove("session");
    assert.equal(storage.read("session"), null);
    assert.deepEqual(kept, []);
    Reflect.deleteProperty(globalThis, "localStorage");
  });
});
