import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ending,
  isTable,
  kindsOf,
  summary,
  unfit,
  unwrapped,
} from "../../../annotation_ui/static/staff/upload-plan.js";

/** @param {string} path */
const file = (path, size = 10) => ({ path, size, read: async () => new Blob() });

/** @param {Partial<import("../../../annotation_ui/static/staff/upload-plan.js").Line>} [said] */
const line = (said) => ({
  ...{ file: 0, name: "a.png", label: "real", source: "real", split: null, group: null },
  ...{ x: null, y: null, w: null, h: null, where: "" },
  ...said,
});

const NOTHING = { manifest: null, faults: [], missing: [], left_out: [], files: [] };

describe("what was chosen", () => {
  for (const { given, wanted } of [
    { given: ["faces/m.csv", "faces/a.png"], wanted: ["m.csv", "a.png"] },
    { given: ["x/y/m.csv", "x/y/z/a.png"], wanted: ["m.csv", "z/a.png"] },
    { given: ["real/a.png", "real/b.png"], wanted: ["real/a.png", "real/b.png"] },
    { given: ["faces/real/a.png"], wanted: ["real/a.png"] },
    { given: ["a.png", "faces/b.png"], wanted: ["a.png", "faces/b.png"] },
    { given: [], wanted: [] },
  ]) {
    it(`is named without the folder around everything: ${given.join(" ")}`, () => {
      const names = unwrapped(given.map((path) => file(path))).map(({ path }) => path);
      assert.deepEqual(names, wanted);
    });
  }

  it("has its manifest at the top", () => {
    assert.deepEqual(["m.csv", "M.CSV", "a/m.csv", "csv", "m.csv.png"].map(isTable), [true, true, false, false, false]);
  });

  it("cannot be sent where it is empty or too large", () => {
    assert.deepEqual(
      [file("a", 0), file("a", 2_000_001), file("a")].map((one) => unfit(one, 1_000_000)),
      ["is empty.", "has 2 MB; a file may have 1 MB.", ""],
    );
  });
});

describe("what will be imported", () => {
  it("is counted by class, source and split", () => {
    const files = [line(), line({ label: "fake", source: "gan", split: "test" }), line()];
    assert.deepEqual(kindsOf(files), [
      ["fake", "gan", "test", "1"],
      ["real", "real", "none", "2"],
    ]);
  });

  it("is said in one sentence", () => {
    const files = [line({ group: "one" }), line({ group: "one", x: 1 })];
    const plan = { ...NOTHING, manifest: "m.csv", files, missing: ["m.csv, line 4: b.png"] };
    const wanted = "2 images named by m.csv to import, 1 group, 1 face box, 1 line of m.csv without a file.";
    assert.equal(summary(plan), `${wanted} Nothing is stored yet.`);
  });

  it("is nothing where the manifest has a fault", () => {
    const plan = { ...NOTHING, manifest: "m.csv", faults: ["m.csv, line 2: …", "m.csv, line 3: …"] };
    assert.equal(summary(plan), "Nothing can be imported: m.csv has 2 faults.");
  });
});

describe("an end", () => {
  it("says what stays and what was not sent", () => {
    const wanted = "Stopped. What was imported is stored and stays; 3 images were not sent.";
    assert.equal(ending("Stopped.", 3), wanted);
  });

  it("is done where nothing waits", () => assert.equal(ending("Stopped.", 0), "Done: what was imported is stored."));
});
