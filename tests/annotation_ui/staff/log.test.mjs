import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sentence } from "../../../annotation_ui/static/staff/log.js";

describe("the log of a run", () => {
  it("names splits in the order in which they are used", () => {
    const said = sentence("started", {
      device: "cpu",
      images: { val: 2, test: 3, train: 8 },
      with_map: 5,
      epochs: 4,
      first_epoch: 1,
    });
    assert.match(said, /train 8, val 2, test 3 images, 5 with a map; 4 epochs\./);
  });

  it("says where a resumed run goes on", () => {
    assert.match(sentence("started", { images: {}, first_epoch: 3 }), /going on from epoch 3/);
  });

  it("shows a figure that is not defined as a dash", () => {
    assert.match(
      sentence("evaluated", { split: "test", metrics: { auc: null, accuracy: 0.5 } }),
      /AUC –, accuracy 0\.500/,
    );
  });

  it("says why a run failed", () => {
    assert.equal(sentence("failed", { error: "no memory" }), "Failed: no memory");
  });

  it("names what it does not know", () => {
    assert.equal(sentence("dream", {}), "dream");
  });
});
