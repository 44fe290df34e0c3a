// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { INK } from "../../annotation_ui/static/canvas/ink.js";

/** @param {string} name */
const text = (name) => readFileSync(new URL(`../../annotation_ui/static/${name}`, import.meta.url), "utf8");

/** @param {string} css */
const colours = (css) =>
  Object.fromEntries([...css.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((found) => [found[1], found[2]]));

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
  ...STATES.flatMap((state) => [
    [state, `${state}-soft`],
    ["ink", `${state}-soft`],
    [state, "surface"],
    [state, "paper"],
  ]),
  ["accent-strong", "accent-soft"],
  ["on-accent", "accent"],
  ["on-accent", "accent-strong"],
  ["on-danger", "danger"],
  ["on-word", "real"],
  ["fake", "surface"],
];
const CONTROLS = [
  ["line-strong", "paper"],
  ["line-strong", "surface"],
  ["focus", "paper"],
  ["focus", "surface"],
  ["focus", "stage"],
];

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

/** Dichromats' vision of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1. @type {{[kind: string]: number[][]}} */
const VISION = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
/** From very light to very dark: skin after Monk (2019), and hair. */
const FACES = [
  "#f6ede4",
  "#f3e7db",
  "#f7ead0",
  "#eadaba",
  "#d7bd96",
  "#a07e56",
  "#825c43",
  "#604134",
  "#3a312a",
  "#292420",
  "#d8b06a",
  "#8b2f12",
  "#b9b9b9",
];
const OPACITY = 0.55; // of the paint over a face, participant.css

/** @param {string} colour @returns {number[]} sRGB in [0, 1] */
const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);

/** What somebody sees, in CIELAB (D65). @param {number[]} srgb @param {number[][]} vision */
function lab(srgb, vision) {
  const linear = srgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  const [r = 0, g = 0, b = 0] = vision.map((row) =>
    Math.max(
      0,
      row.reduce((sum, weight, at) => sum + weight * (linear[at] ?? 0), 0),
    ),
  );
  const xyz = [
    (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
    0.2126 * r + 0.7152 * g + 0.0722 * b,
    (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
  ];
  const [x = 0, y = 0, z = 0] = xyz.map((part) =>
    part > 216 / 24389 ? Math.cbrt(part) : ((24389 / 27) * part + 16) / 116,
  );
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

describe("the paint", () => {
  test("has on a canvas the colour that the style sheets give it", () => {
    assert.equal(`#${INK.map((part) => part.toString(16).padStart(2, "0")).join("")}`, light["stroke"]);
  });
  for (const [kind, vision] of Object.entries(VISION)) {
    test(`stands out on every face for ${kind === "usual" ? "usual colour vision" : kind}`, () => {
      for (const face of FACES) {
        const bare = channels(face);
        const paint = channels(light["stroke"] ?? "").map(
          (part, at) => OPACITY * part + (1 - OPACITY) * (bare[at] ?? 0),
        );
        const distance = Math.hypot(...lab(bare, vision).map((part, at) => part - (lab(paint, vision)[at] ?? 0)));
        assert.ok(distance >= 20, `ΔE ${distance.toFixed(1)} on ${face}`);
      }
    });
  }
});
