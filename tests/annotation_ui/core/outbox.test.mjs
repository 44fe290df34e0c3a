// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIRST_WAIT, Outbox, backOff, outcomeOf } from "../../../annotation_ui/static/core/outbox.js";

/**
 * @typedef {import("../../../annotation_ui/static/core/outbox.js").Entry} Entry
 * @typedef {import("../../../annotation_ui/static/core/outbox.js").OutboxOptions} OutboxOptions
 */

/** @type {Entry} */
const entry = { trial: "t1", study: "faces", token: "secret", body: { choice: "left", decision_ms: 5, events: [] } };

/** An outbox whose server answers with these statuses, one after the other. @param {number[]} statuses */
function postOffice(...statuses) {
  /** @type {Map<string, Entry>} */
  const kept = new Map();
  const log = {
    sent: /** @type {Entry[]} */ ([]),
    waits: /** @type {number[]} */ ([]),
    keptWhileSending: 0,
    waiting: /** @type {[number, number | null][]} */ ([]),
  };
  /** @type {OutboxOptions} */
  const options = {
    store: {
      put: async (item) => void kept.set(item.trial, item),
      all: async () => [...kept.values()],
      remove: async (trial) => void kept.delete(trial),
    },
    send: async (item) => {
      log.sent.push(item);
      log.keptWhileSending += kept.size;
      return { status: statuses[log.sent.length - 1] ?? 200, detail: "said so" };
    },
    sleep: async (ms) => void log.waits.push(ms),
    onWaiting: (failures, answer) => log.waiting.push([failures, answer?.status ?? null]),
    random: () => 0.5,
  };
  return { options, kept, log };
}

describe("the outbox", () => {
  test("keeps a decision before it is sent and forgets it when it is acknowledged", async () => {
    const { options, kept, log } = postOffice(200);
    assert.equal((await new Outbox(options).deliver(entry)).outcome, "saved");
    assert.equal(log.keptWhileSending, 1);
    assert.equal(kept.size, 0);
  });
  test("sends the very same decision until somebody answers", async () => {
    const { options, kept, log } = postOffice(0, 503, 429, 200);
    await new Outbox(options).deliver(entry);
    assert.deepEqual(log.sent, [entry, entry, entry, entry]);
    assert.equal(kept.size, 0);
  });
  test("waits longer after each failure", async () => {
    const { options, log } = postOffice(0, 0, 0, 200);
    await new Outbox(options).deliver(entry);
    assert.deepEqual(
      log.waits,
      [1, 2, 4].map((times) => times * FIRST_WAIT * 0.75),
    );
  });
  test("says that it waits and that it no longer does", async () => {
    const { options, log } = postOffice(0, 503, 200);
    await new Outbox(options).deliver(entry);
    assert.deepEqual(log.waiting, [
      [1, 0],
      [2, 503],
      [0, null],
    ]);
  });
  test("goes on when the trial is decided elsewhere or given away", async () => {
    const { options, kept } = postOffice(409);
    assert.equal((await new Outbox(options).deliver(entry)).outcome, "superseded");
    assert.equal(kept.size, 0);
  });
  test("hands back what the server refuses, with its reason", async () => {
    const { options, kept } = postOffice(422);
    assert.deepEqual(await new Outbox(options).deliver(entry), {
      outcome: "refused",
      detail: "said so",
      body: undefined,
    });
    assert.equal(kept.size, 0);
  });
  test("keeps a second decision while the first still waits, and sends them in order", async () => {
    const { options, kept, log } = postOffice(0, 0, 200, 200);
    const outbox = new Outbox(options);
    const later = { ...entry, trial: "t2" };
    const both = [outbox.deliver(entry), outbox.deliver(later)];
    await Promise.resolve();
    assert.deepEqual([...kept.keys()], ["t1", "t2"]);
    await Promise.all(both);
    assert.deepEqual(
      log.sent.map((item) => item.trial),
      ["t1", "t1", "t1", "t2"],
    );
    assert.equal(kept.size, 0);
  });
  test("lets others pass a decision that the server cannot take", async () => {
    const { options, kept, log } = postOffice();
    let isBroken = true;
    const { send } = options;
    options.send = async (item) => (item.trial === "t1" && isBroken ? { status: 500, detail: "" } : send(item));
    options.sleep = () => new Promise((resolve) => setTimeout(resolve, 1));
    const outbox = new Outbox(options);
    const stuck = outbox.deliver(entry);
    await outbox.deliver({ ...entry, trial: "t2" });
    assert.deepEqual([...kept.keys()], ["t1"]);
    isBroken = false;
    assert.equal((await stuck).outcome, "saved");
    assert.deepEqual(
      log.sent.map((item) => item.trial),
      ["t2", "t1"],
    );
  });
  test("sends what an earlier page left behind, of this study only", async () => {
    const { options, kept, log } = postOffice(200);
    kept.set("t1", entry);
    kept.set("t9", { ...entry, trial: "t9", study: "other" });
    assert.equal(await new Outbox(options).deliverLeftovers("faces"), 1);
    assert.deepEqual(log.sent, [entry]);
    assert.deepEqual([...kept.keys()], ["t9"]);
  });
});

describe("back-off", () => {
  test("begins with half a second and ends with twenty", () => {
    assert.deepEqual(
      [1, 2, 6, 7, 50].map((failures) => backOff(failures, 1)),
      [500, 1000, 16_000, 20_000, 20_000],
    );
  });
  test("waits half of that at least", () => {
    assert.deepEqual(
      [1, 50].map((failures) => backOff(failures, 0)),
      [250, 10_000],
    );
  });
  test("spreads a crowd over time", () => {
    assert.notEqual(backOff(3, 0), backOff(3, 0.9));
  });
});

describe("an outcome", () => {
  test("every status has one", () => {
    const expected = {
      0: "again",
      199: "refused",
      200: "saved",
      204: "saved",
      299: "saved",
      300: "refused",
      400: "refused",
      401: "token_unknown",
      403: "refused",
      404: "superseded",
      405: "refused",
      408: "again",
      409: "superseded",
      410: "superseded",
      411: "refused",
      413: "refused",
      422: "refused",
      425: "again",
      426: "refused",
      429: "again",
      430: "refused",
      499: "refused",
      500: "again",
      503: "again",
    };
    for (const [status, wanted] of Object.entries(expected)) assert.equal(outcomeOf(Number(status)), wanted);
  });
});
