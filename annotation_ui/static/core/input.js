/**
 * How a pair was worked, as counts and lengths: never which key, never where, never what text. Staff read it as
 * evidence of a person or a program at the other end; docs/quality.md says what it can and cannot tell.
 *
 * @import { Kind } from "./events.js"
 * @typedef {{x: number, y: number}} Place CSS px
 * @typedef {"mouse" | "pen" | "touch"} Device
 * @typedef {[kind: Kind, facts: {[name: string]: number}]} Fact
 */

import { MAX_INPUT } from "./contract.js";

const APART = 2000; // ms; a longer pause between two keys is thinking, not rhythm

export class InputTally {
  constructor() {
    /** Where the mouse was last; it outlives a pair, because the mouse does. @type {Place | null} */
    this.at = null;
    /** Where its way to the next press began. @type {Place | null} */
    this.from = null;
    this.mouse = { presses: 0, moves: 0, path: 0, straight: 0 };
    /** The way that no press has ended yet. */
    this.way = { moves: 0, path: 0 };
    this.touches = { touch: 0, pen: 0 };
    this.scripted = { presses: 0, moves: 0, clicks: 0, keys: 0 };
    this.trap = { shown: 0, presses: 0 };
    /** @type {Map<string, number>} keys that are down, and since when */
    this.down = new Map();
    /** @type {number[]} */
    this.keyTimes = [];
    /** @type {number[]} */
    this.held = [];
  }

  /** A new pair: all but where the mouse is begins anew. */
  reset() {
    const { at, from } = this;
    Object.assign(this, new InputTally(), { at, from });
  }

  /** What no device did: a script of the page, or an extension of the browser, made the event. @param {"presses" | "moves" | "clicks" | "keys"} what */
  script(what) {
    this.scripted[what] += 1;
  }

  /** The mouse moved. @param {Place} place @param {boolean} isHeld with a button down */
  move(place, isHeld) {
    if (!isHeld) {
      this.way.moves += 1;
      this.way.path += this.at ? distance(this.at, place) : 0;
    }
    this.at = place;
    this.from ??= place;
  }

  /** @param {Device} device @param {Place} place */
  press(device, place) {
    if (device !== "mouse") {
      this.touches[device] += 1;
      return;
    }
    const { mouse, way } = this;
    mouse.presses += 1;
    mouse.moves += way.moves;
    // A press where no move led is a jump: its length is way and straight line alike.
    mouse.path += way.path + (this.at ? distance(this.at, place) : 0);
    mouse.straight += this.from ? distance(this.from, place) : 0;
    this.leave(place);
  }

  /** The button is up again: here the next way begins. @param {Place} place */
  leave(place) {
    this.at = place;
    this.from = place;
    this.way = { moves: 0, path: 0 };
  }

  /** @param {string} key told apart from others and forgotten when it is up @param {number} now ms */
  keyDown(key, now) {
    this.down.set(key, now);
    this.keyTimes.push(now);
  }

  /** @param {string} key @param {number} now ms */
  keyUp(key, now) {
    const since = this.down.get(key);
    if (since === undefined) return;
    this.down.delete(key);
    this.held.push(now - since);
  }

  /** What is sent with the decision; nothing of what did not happen. @param {boolean} isControlled does a program control the browser? @returns {Fact[]} */
  facts(isControlled) {
    const { mouse, touches, scripted, trap } = this;
    /** @type {Fact[]} */
    const facts = [
      ["controlled", { webdriver: Number(isControlled) }],
      ["trap", trap],
      ["scripted", scripted],
      ["mouse", mouse],
      ["touched", touches],
      ["keys", this.rhythm()],
    ];
    return facts.filter(([, counts]) => Object.values(counts).some((count) => count > 0)).map(whole);
  }

  /** Of the keys: how many, and medians in ms. A key that repeats because it is held is one key. */
  rhythm() {
    const gaps = this.keyTimes.slice(1).map((time, index) => time - /** @type {number} */ (this.keyTimes[index]));
    const near = gaps.filter((gap) => gap <= APART);
    const spread = quantile(near, 0.75) - quantile(near, 0.25);
    const held_ms = quantile(this.held, 0.5);
    return { count: this.keyTimes.length, gap_ms: quantile(near, 0.5), spread_ms: spread, held_ms };
  }
}

/** @param {Place} a @param {Place} b */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/** @param {Fact} fact @returns {Fact} in numbers that the server takes */
const whole = ([kind, counts]) => [
  kind,
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Math.min(MAX_INPUT, Math.round(count))])),
];

/** @param {readonly number[]} values @param {number} share @returns {number} 0 of nothing */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
