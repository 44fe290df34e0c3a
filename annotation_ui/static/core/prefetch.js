/**
 * Fetches pictures ahead: few at a time, each once, again after growing pauses where it fails. A picture that is loaded
 * stays here until it is taken.
 *
 * @template Picture
 */

import { backOff } from "./outbox.js";

const TRIES = 6;

/** @template Picture */
export class PicturePrefetch {
  /**
   * @param {(url: string) => Promise<Picture>} load resolves when the picture can be drawn
   * @param {(ms: number) => Promise<void>} sleep @param {number} [atOnce]
   */
  constructor(load, sleep, atOnce = 3) {
    this.load = load;
    this.sleep = sleep;
    this.free = atOnce;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {Map<string, Promise<Picture>>} */
    this.pictures = new Map();
  }

  /** Begin to fetch; a picture that fails is fetched again when it is taken. @param {readonly string[]} urls */
  want(urls) {
    for (const url of urls) this.get(url).catch(() => this.pictures.delete(url));
  }

  /** @param {string} url @returns {Promise<Picture>} the same promise until it is taken */
  get(url) {
    const known = this.pictures.get(url);
    if (known) return known;
    const fetched = this.fetch(url);
    this.pictures.set(url, fetched);
    return fetched;
  }

  /** Get and forget. @param {string} url @returns {Promise<Picture>} */
  async take(url) {
    try {
      return await this.get(url);
    } finally {
      this.pictures.delete(url);
    }
  }

  /** @param {string} url @returns {Promise<Picture>} */
  async fetch(url) {
    for (let tries = 1; ; tries += 1) {
      await this.enter();
      try {
        return await this.load(url);
      } catch (error) {
        if (tries === TRIES) throw error;
      } finally {
        this.leave();
      }
      await this.sleep(backOff(tries, 0.5));
    }
  }

  /** @returns {Promise<void>} when it is this one's turn */
  enter() {
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  leave() {
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
