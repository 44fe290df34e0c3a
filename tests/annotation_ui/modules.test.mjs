// @ts-check
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const UI = fileURLToPath(new URL("../../annotation_ui", import.meta.url));
const STATIC = join(UI, "static");

/** @param {string} path */
const text = (path) => readFileSync(join(STATIC, path), "utf8");

/** @param {string} path @returns {string[]} what a module imports, from the static folder */
const imports = (path) =>
  [...text(path).matchAll(/^import [^;]*?from "(\.[^"]+)"/gm)].map((found) => join(dirname(path), String(found[1])));

/** @param {string} path @param {Set<string>} [seen] @returns {Set<string>} everything a page loads */
function loaded(path, seen = new Set([path])) {
  for (const next of imports(path)) if (!seen.has(next)) loaded(next, seen.add(next));
  return seen;
}

const page = readFileSync(join(UI, "templates/participant/study.html"), "utf8");
const participant = loaded("pages/participant.js");

describe("the participant's modules", () => {
  test("are all asked for at once, so that none waits for another", () => {
    const asked = [...page.matchAll(/"((?:core|canvas|pages)\/[a-z]+\.js)"/g)].map((found) => found[1]);
    assert.deepEqual(asked.sort(), [...participant].filter((path) => path !== "pages/participant.js").sort());
  });
  test("point from pages to canvas to core", () => {
    const order = ["core", "canvas", "pages"];
    for (const path of participant) {
      for (const next of imports(path))
        assert.ok(order.indexOf(dirname(next)) <= order.indexOf(dirname(path)), `${path} imports ${next}`);
    }
  });
  test("with the style and the page stay under 90 kB compressed", () => {
    const styles = ["tokens.css", "style.css", "participant.css"];
    const parts = readdirSync(join(UI, "templates/participant")).filter(
      (name) => name.startsWith("_") || name === "study.html",
    );
    const html = parts.map((name) => readFileSync(join(UI, "templates/participant", name), "utf8")).join("");
    const all = [html, ...["start.js", ...participant].map(text), ...styles.map(text)];
    const bytes = all.reduce((sum, one) => sum + gzipSync(one).length, 0);
    assert.ok(bytes < 90_000, `${bytes} bytes`);
  });
});

/** Not served as pages but written to disk, where they have to stand alone. */
const FILES = ["templates/staff/analysis_report.html"];

describe("the pages", () => {
  test("hold no script and no style of their own", () => {
    const templates = readdirSync(UI, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(".html") && !FILES.includes(name));
    assert.ok(templates.length > 5);
    for (const name of templates) {
      const html = readFileSync(join(UI, name), "utf8");
      assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/, name);
      for (const [tag] of html.matchAll(/<script[^>]*>/g)) assert.match(tag, /src=|type="application\/json"/, name);
    }
  });
});
