// @ts-check
/** What participants read is short and plain, wherever it is written. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const TEMPLATES = "annotation_ui/templates/participant";
const PAGES = "annotation_ui/static/pages";

/** @param {string} path */
const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** @param {string} folder @param {string} end */
const files = (folder, end) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);

/** The text of a template, a line for each block; an expression is one word. @param {string} html */
function written(html) {
  const spoken = [...html.matchAll(/ (?:aria-label|title|data-free|data-chosen)="([^"]+)"/g)].map((found) => found[1]);
  const plain = html
    .replace(/<script[^]*?<\/script>|<svg[^]*?<\/svg>|\{%[^]*?%\}|\{#[^]*?#\}/g, "")
    .replace(/\{\{[^]*?\}\}/g, "X")
    .replace(/<\/?(?:a|abbr|code|em|kbd|span|strong)\b[^>]*>/g, "")
    .replace(/<[^>]*>/g, "\n");
  return [...plain.split("\n"), ...spoken];
}

/** Strings of a program that are sentences: a capital first, and a space. @param {string} code */
const strings = (code) =>
  [...code.replace(/"""[^]*?"""/g, "").matchAll(/(["`])([A-Z“](?:(?!\1)[^\n])* (?:(?!\1)[^\n])*)\1/g)].map((found) =>
    String(found[2]),
  );

const SAID = [
  ...files(TEMPLATES, ".html").flatMap((path) => written(read(path)).map((text) => ({ path, text }))),
  ...[
    ...files(PAGES, ".js"),
    "annotation_ui/static/canvas/example.js",
    "app/recruitment/platforms.py",
    "app/trials/endings.py",
  ].flatMap((path) => strings(read(path)).map((text) => ({ path, text }))),
  ...read("app/studies/texts.py")
    .split(/"""\\?/)
    .filter((_, index) => index % 2)
    .flatMap((text) => text.split(/\n\n/))
    .map((text) => ({ path: "app/studies/texts.py", text })),
].map(({ path, text }) => ({ path, text: String(text).replace(/\s+/g, " ").trim() }));

const LONG = 26; // words
const STILTED = [
  /\d %|\} %/, // English has no space before %
  /marketplace/i,
  /\b(?:whoever|whatever|whichever|meanwhile|somebody|nobody|thereof)\b/i,
  /\bshould you\b/i,
  /\bthat is (?:right|not right)\b/i,
  /\bgoes on\b|\bgo on with\b/i,
  /\bmind(?:s)? until\b/i,
  /\bthe (?:real|fake|right|wrong) one\b(?! ?[.:])/i,
];

describe("what participants read", () => {
  test("is found in every place", () => {
    for (const one of [
      "Choose this face",
      "You removed all your paint. Please paint the parts that made you choose this face.",
      "Taking part in this study",
    ]) {
      assert.ok(
        SAID.some(({ text }) => text.includes(one)),
        one,
      );
    }
  });
  test("has no sentence that one has to read twice", () => {
    const sentences = SAID.flatMap(({ path, text }) =>
      text.split(/(?<=[.?!:;])\s/).map((sentence) => ({ path, sentence })),
    );
    const long = sentences.filter(({ sentence }) => sentence.split(" ").length > LONG);
    assert.deepEqual(long, []);
  });
  test("has no stilted turn", () => {
    assert.deepEqual(
      SAID.filter(({ text }) => STILTED.some((turn) => turn.test(text))),
      [],
    );
  });
});
