// @ts-check
/** The parts of a page that follow: each is replaced when the server writes it in another way. */
import { localTimes } from "./page.js";
import { labelTables } from "./tables.js";

/** @param {string} html @returns {Map<string, string>} each part by its name, as the server wrote it */
function partsOf(html) {
  const parts = /** @type {NodeListOf<HTMLElement>} */ (
    new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-part]")
  );
  return new Map([...parts].map((part) => [part.dataset.part ?? "", part.outerHTML]));
}

/** @param {Element} part @returns {boolean} whether somebody is just using it */
function isInUse(part) {
  const selection = getSelection();
  const isSelected = selection !== null && !selection.isCollapsed && selection.containsNode(part, true);
  return isSelected || part.contains(document.activeElement);
}

/** @param {Element} old @param {string} html */
function replace(old, html) {
  const scrolled = [...old.querySelectorAll(".table-wrap")].map((wrap) => wrap.scrollLeft);
  const template = document.createElement("template");
  template.innerHTML = html;
  const part = /** @type {HTMLElement} */ (template.content.firstElementChild);
  old.replaceWith(part);
  labelTables(part);
  localTimes(part);
  part.querySelectorAll(".table-wrap").forEach((wrap, at) => (wrap.scrollLeft = scrolled[at] ?? 0));
}

export class LiveParts {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.state = root.querySelector("[data-state]")?.getAttribute("data-state");
    /** @type {Map<string, string>} what each part shows, once that is known */
    this.shown = new Map();
  }

  /** @param {string} html what the server writes now */
  show(html) {
    if (!html.includes(`data-state="${this.state}"`)) location.reload(); // other buttons belong on the page now
    for (const [name, next] of partsOf(html)) {
      const old = this.root.querySelector(`[data-part="${CSS.escape(name)}"]`);
      if (!old || this.shown.get(name) === next || isInUse(old)) continue;
      replace(old, next);
      this.shown.set(name, next);
    }
  }
}
