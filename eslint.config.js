import js from "@eslint/js";
import globals from "globals";

/** Imports of one folder may only point down: pages -> canvas -> core. */
const nothingFrom = (/** @type {string[]} */ ...folders) => ({
  "no-restricted-imports": ["error", { patterns: folders.map((folder) => ({ group: [`**/${folder}/**`] })) }],
});

export default [
  js.configs.recommended,
  {
    files: ["annotation_ui/static/**/*.js"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    rules: {
      complexity: ["error", 10],
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-lines": ["error", { max: 300, skipBlankLines: true }],
      "max-lines-per-function": ["error", 60],
      "no-console": "error",
      "no-implicit-globals": "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["annotation_ui/static/core/**/*.js"],
    // The core runs in Node as it runs in a browser: no document, no window.
    languageOptions: { globals: Object.fromEntries(Object.keys(globals.browser).map((name) => [name, "off"])) },
    rules: nothingFrom("canvas", "pages"),
  },
  { files: ["annotation_ui/static/canvas/**/*.js"], rules: nothingFrom("pages") },
  {
    files: ["annotation_ui/static/start.js"],
    // Read by browsers that are too old for everything else.
    languageOptions: { ecmaVersion: 5, sourceType: "script" },
    rules: { "no-var": "off", "prefer-const": "off" },
  },
  {
    files: ["tests/annotation_ui/**/*.mjs"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.node },
  },
];
