import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plan } from "../../../annotation_ui/static/staff/upload-plan.js";

const NOTHING = { label: "", source: "" };

/** @param {string} path @param {{label: string, source: string}} [form] */
function planned(path, form = NOTHING, size = 10) {
  const { items, refused } = plan([{ path, size, read: async () => new Blob() }], { ...form, largest: 1000 });
  return {
    items: items.map(({ name, label, source }) => [name, label, source]),
    reasons: refused.map(({ reason }) => reason),
  };
}

describe("a file to send", () => {
  for (const { path, item } of [
    { path: "real/a.png", item: ["real/a.png", "real", "real"] },
    { path: "real/london/a.png", item: ["real/london/a.png", "real", "london"] },
    { path: "fake/gan/deep/a.png", item: ["fake/gan/deep/a.png", "fake", "gan"] },
    { path: "faces/fake/gan/a.png", item: ["fake/gan/a.png", "fake", "gan"] },
  ]) {
    it(`is what its folders say: ${path}`, () => assert.deepEqual(planned(path).items, [item]));
  }

  it("takes its source from the form where its folder has none", () => {
    const said = { label: "real", source: "gan" };
    assert.deepEqual(planned("fake/a.png", said).items, [["fake/a.png", "fake", "gan"]]);
  });

  it("is what the form says where its folders say nothing", () => {
    const said = { label: "fake", source: "gan" };
    assert.deepEqual(planned("a.png", said).items, [["a.png", "fake", "gan"]]);
  });

  for (const { path, form, size, reason } of [
    { path: "a.png", form: NOTHING, size: 10, reason: /neither in real/u },
    { path: "a.png", form: { label: "fake", source: "" }, size: 10, reason: /needs a source/u },
    { path: "fake/a.png", form: NOTHING, size: 10, reason: /needs a source/u },
    { path: "real/a.png", form: NOTHING, size: 2_000_000, reason: /has 2 MB/u },
    { path: "real/a.png", form: NOTHING, size: 0, reason: /is empty/u },
  ]) {
    it(`is refused with the reason: ${path}, ${size} bytes, ${reason.source}`, () => {
      const { items, reasons } = planned(path, form, size);
      assert.deepEqual(items, []);
      assert.match(reasons.join(), reason);
    });
  }
});
