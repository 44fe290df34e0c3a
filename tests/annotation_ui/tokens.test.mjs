// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

/** @param {string} name */
const text = (name) => readFileSync(new URL(`../../annotation_ui/static/${name}`, import.meta.url), "utf8");

/** @param {string} css */
const colours = (css) => Object.fromEntries([...css.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((found) => [found[1], found[2]]));

const light = colours(text("tokens.css"));
const schemes = { light, dark: { ...light, ...colours(text("dark.css")) } };

/** Relative luminance as WCAG 2 defines it. @param {string} colour */
function luminance(colour) {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} one @param {string} two */
function contrast(one, two) {
  const [dark = 0, bright = 0] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}

const STATES = ["ok", "warn", "danger", "info", "simulated"];
const TEXT = [
  ...["ink", "muted"].flatMap((text) => ["paper", "surface", "sunken", "stage"].map((ground) => [text, ground])),
  ...["paper", "surface", "accent-soft"].map((ground) => ["accent", ground]),
  ...STATES.flatMap((state) => [[state, `${state}-soft`], ["ink", `${state}-soft`], [state, "surface"], [state, "paper"]]),
  ["accent-strong", "accent-soft"], ["on-accent", "accent"], ["on-accent", "accent-strong"], ["on-danger", "danger"],
  ["on-word", "real"], ["on-word", "fake"],
];
const CONTROLS = [["line-strong", "paper"], ["line-strong", "surface"], ["focus", "paper"], ["focus", "surface"], ["focus", "stage"]];

for (const [name, tokens] of Object.entries(schemes)) {
  describe(`the ${name} scheme`, () => {
    /** @param {string[]} pair @param {number} least */
    const reaches = ([one = "", two = ""], least) => {
      const found = contrast(tokens[one] ?? "", tokens[two] ?? "");
      assert.ok(found >= least, `${one} on ${two} has ${found.toFixed(2)}:1`);
    };
    test("has text that everyone can read", () => TEXT.forEach((pair) => reaches(pair, 4.5)));
    test("has controls that everyone can find", () => CONTROLS.forEach((pair) => reaches(pair, 3)));
  });
}
