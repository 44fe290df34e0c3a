// Answers questions about the page's own code: JSON in, JSON out, one line each way.
import * as readline from "node:readline";
import { restored } from "../../annotation_ui/static/core/drawing.js";
import * as trials from "../../annotation_ui/static/core/trial.js";
import { paintAll } from "../../annotation_ui/static/core/raster.js";
import { LARGEST_RADIUS, SMALLEST_RADIUS } from "../../annotation_ui/static/core/stroke.js";
import { work } from "../../annotation_ui/static/core/work.js";

const masked = ({ width, height, strokes }) => {
  const data = new Uint8Array(width * height);
  paintAll({ width, height, data }, strokes, 1);
  return data;
};

const judged = (about) => {
  const { width, height, strokes, rule, kind = "main" } = about;
  const trial = { id: "t", kind, left: { width, height }, annotate: true };
  const chosen = trials.choose(trials.begin(trial, rule), "left", 0);
  const painted = masked(about).reduce((sum, pixel) => sum + pixel, 0);
  return trials.draw(chosen, restored(strokes), painted / (width * height));
};

const ANSWERS = {
  brush: () => [SMALLEST_RADIUS, LARGEST_RADIUS],
  mask: (about) => masked(about).join(""),
  work: ({ width, strokes }) => strokes.reduce((sum, stroke) => sum + work(stroke, width), 0),
  missing: (about) => trials.missing(judged(about)),
  excess: ({ strokes, ...about }) => trials.excess(judged({ ...about, strokes: strokes.slice(0, -1) }), strokes.at(-1)),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { question, ...about } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(ANSWERS[question](about))}\n`);
}
