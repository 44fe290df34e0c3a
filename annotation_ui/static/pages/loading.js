/** How far the next pair of faces has come, for those who wait for it. */

import { byId, find } from "./dom.js";

export class Loading {
  constructor() {
    this.bar = find(document, "#waiting-bar", HTMLProgressElement);
    this.text = byId("waiting-text");
    /** What is waited for. @type {readonly string[]} */
    this.wanted = [];
    /** @type {Map<string, {received: number, total: number}>} */
    this.bytes = new Map();
  }

  /** @param {string} url @param {number} received bytes @param {number} total 0 where it is not known */
  note(url, received, total) {
    this.bytes.set(url, { received, total });
    if (this.wanted.includes(url)) this.show();
  }

  /** Wait for these from now on; what came ahead of time counts. @param {readonly string[]} urls */
  expect(urls) {
    this.wanted = urls;
    for (const url of this.bytes.keys()) if (!urls.includes(url)) this.bytes.delete(url);
    this.show();
  }

  fail() {
    this.wanted = [];
    this.bar.hidden = true;
    this.text.textContent = "We could not load the faces. Please check your connection.";
  }

  /** A picture of which nothing is known yet is taken to be as long as the longest: those of a pair are. */
  show() {
    const known = this.wanted.map((url) => this.bytes.get(url) ?? { received: 0, total: 0 });
    const longest = Math.max(0, ...known.map(({ total }) => total));
    const all = known.reduce((sum, { total }) => sum + (total || longest), 0);
    const received = known.reduce((sum, one) => sum + one.received, 0);
    const part = all ? Math.min(1, received / all) : 0;
    this.bar.hidden = !all;
    this.bar.value = part;
    this.text.textContent = all
      ? `Loading the next pair of faces: ${Math.floor(100 * part)}%`
      : "Loading the next pair of faces…";
  }
}
