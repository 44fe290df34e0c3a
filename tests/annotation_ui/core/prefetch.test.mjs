// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { backOff } from "../../../annotation_ui/static/core/outbox.js";
import { PicturePrefetch } from "../../../annotation_ui/static/core/prefetch.js";

const at = async () => {};
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("looking ahead", () => {
  test("asks for each picture once", async () => {
    /** @type {string[]} */
    const asked = [];
    const ahead = new PicturePrefetch(async (url) => asked.push(url) && url, at);
    ahead.want(["a", "b"]);
    ahead.want(["b"]);
    assert.equal(await ahead.take("b"), "b");
    assert.deepEqual(asked, ["a", "b"]);
  });
  test("fetches few at a time", async () => {
    /** @type {(() => void)[]} */
    const open = [];
    const ahead = new PicturePrefetch((url) => new Promise((resolve) => open.push(() => resolve(url))), at, 2);
    ahead.want(["a", "b", "c", "d"]);
    await settle();
    assert.equal(open.length, 2);
    open[0]?.();
    await settle();
    assert.equal(open.length, 3);
  });
  test("tries again", async () => {
    let tries = 0;
    const ahead = new PicturePrefetch(async (url) => (++tries < 3 ? Promise.reject(new Error("lost")) : url), at);
    assert.equal(await ahead.take("a"), "a");
    assert.equal(tries, 3);
  });
  test("tries six times, with pauses that double", async () => {
    let tries = 0;
    /** @type {number[]} */
    const pauses = [];
    const fail = async () => Promise.reject(new Error(String((tries += 1))));
    const ahead = new PicturePrefetch(fail, async (ms) => void pauses.push(ms));
    await assert.rejects(ahead.take("a"), /6/);
    assert.deepEqual(
      pauses,
      [1, 2, 4, 8, 16].map((times) => times * backOff(1, 0.5)),
    );
  });
  test("fetches three at a time, then and later", async () => {
    /** @type {(() => void)[]} */
    const open = [];
    const ahead = new PicturePrefetch((url) => new Promise((resolve) => open.push(() => resolve(url))), at);
    ahead.want(["a", "b", "c", "d"]);
    for (let turn = 0; turn < 4; turn += 1) {
      await settle();
      open.splice(0, 2).forEach((arrive) => arrive());
    }
    ahead.want(["e", "f", "g", "h"]);
    await settle();
    assert.equal(open.length, 3);
  });
  test("gives up in the end, and a later wish begins anew", async () => {
    let isBroken = true;
    const ahead = new PicturePrefetch(async (url) => (isBroken ? Promise.reject(new Error("gone")) : url), at);
    await assert.rejects(ahead.take("a"), /gone/);
    isBroken = false;
    assert.equal(await ahead.take("a"), "a");
  });
  test("a failure ahead of time harms nobody", async () => {
    const ahead = new PicturePrefetch(() => Promise.reject(new Error("gone")), at);
    ahead.want(["a"]);
    for (let turn = 0; turn < 30; turn += 1) await settle();
    assert.equal(ahead.pictures.size, 0);
  });
});
