// @ts-check
/** The page on which staff see a trial again as it went. */
import { Playback } from "../canvas/playback.js";
import { chosenAt, duration, moments } from "../core/replay.js";
import { clock, told } from "./replay-words.js";

/** @typedef {import("../core/replay.js").Moment} Moment */
/** @typedef {import("../core/replay.js").Visited} Visited */
/** @typedef {{image_id: number, width: number, height: number}} Shown */
/** @typedef {Visited & {left: Shown, right: Shown | null}} Trial */

const STEP = 100; // ms, of the slider
const NEAR = 1; // ms: a step from a moment leads to another one

/** @template {HTMLElement} T @param {string} id @returns {T} */
const byId = (id) => /** @type {T} */ (document.getElementById(id));

class Replay {
  constructor() {
    /** @type {Trial} */
    this.trial = JSON.parse(byId("record").textContent ?? "");
    this.root = byId("replay");
    this.play = byId("play");
    this.goOn = /** @type {HTMLInputElement} */ (byId("go-on"));
    this.speed = /** @type {HTMLSelectElement} */ (byId("speed"));
    this.slider = /** @type {HTMLInputElement} */ (byId("replay-time"));
    this.clock = byId("clock");
    this.list = byId("moments");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.end = Math.ceil(duration(this.trial) / STEP) * STEP;
    this.moments = moments(this.trial);
    this.playback = this.makePlayback();
    this.at = 0;
    this.last = 0;
    this.frame = 0;
    this.slider.max = String(this.end);
    this.slider.step = String(STEP);
    this.list.replaceChildren(...this.moments.map((moment) => this.line(moment)));
    this.listen();
  }

  /** The paint lies over the face that was chosen in the end. */
  makePlayback() {
    const side = this.trial.choice === "right" ? "right" : "left";
    const face = this.trial[side];
    if (!this.trial.strokes || !face) return null;
    const made = new Playback(this.trial.strokes, face);
    this.root.querySelector(`[data-side="${side}"] .layers`)?.append(made.surface.canvas, made.cursor.element);
    return made;
  }

  /** @param {Moment} moment */
  line(moment) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.className = "replay__moment";
    button.type = "button";
    const time = document.createElement("span");
    time.className = "muted number";
    time.textContent = clock(moment.t_ms);
    button.append(time, told(moment));
    button.addEventListener("click", () => this.seek(moment.end_ms));
    item.append(button);
    return item;
  }

  listen() {
    this.play.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.seek(this.slider.valueAsNumber));
    this.goOn.addEventListener("change", () => this.remember());
    this.speed.addEventListener("change", () => this.remember());
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-step]"))) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** The links to other trials keep the speed, and whether the visit goes on by itself. */
  remember() {
    for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-trial]"))) {
      const address = new URL(link.href);
      address.searchParams.set("speed", this.speed.value);
      address.searchParams.set("go_on", this.goOn.checked ? "1" : "");
      link.href = address.href;
    }
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const target = event.target instanceof HTMLElement ? event.target : document.body;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select, textarea, input:not([type=range])")) {
      return;
    }
    const isSlider = target === this.slider;
    const isControl = target.matches("button, a, summary");
    const act = /** @type {Record<string, false | (() => void)>} */ ({
      " ": !isControl && (() => this.toggle()),
      ArrowLeft: !isSlider && (() => this.step(-1)),
      ArrowRight: !isSlider && (() => this.step(1)),
      Home: () => this.seek(0),
      End: () => this.seek(this.end),
      "+": () => this.hurry(1),
      "-": () => this.hurry(-1),
      n: () => this.leave("next"),
      p: () => this.leave("previous"),
    })[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @param {number} by */
  hurry(by) {
    const { options, selectedIndex } = this.speed;
    this.speed.selectedIndex = Math.min(options.length - 1, Math.max(0, selectedIndex + by));
    this.remember();
  }

  /** To another trial. @param {string} rel @param {boolean} [playing] */
  leave(rel, playing = false) {
    const link = document.querySelector(`[data-trial][rel="${rel}"]`);
    if (!(link instanceof HTMLAnchorElement)) return;
    const address = new URL(link.href);
    if (playing) address.searchParams.set("play", "1");
    location.assign(address);
  }

  /** To the next moment, or the one before. @param {number} by 1 or -1 */
  step(by) {
    const stops = [0, ...this.moments.map(({ end_ms }) => end_ms), this.end].sort((a, b) => a - b);
    const found =
      by > 0 ? stops.find((stop) => stop > this.at + NEAR) : stops.findLast((stop) => stop < this.at - NEAR);
    this.seek(found ?? (by > 0 ? this.end : 0));
  }

  /** Show a moment and stay there. @param {number} t_ms */
  seek(t_ms) {
    this.pause();
    this.show(t_ms);
  }

  toggle() {
    if (this.frame) return this.pause();
    if (this.at >= this.end) this.show(0);
    this.play.textContent = "Pause";
    this.last = performance.now();
    this.frame = requestAnimationFrame((now) => this.advance(now));
  }

  pause() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.play.textContent = "Play";
  }

  /** @param {number} now */
  advance(now) {
    this.show(Math.min(this.end, this.at + Math.max(0, now - this.last) * Number(this.speed.value)));
    this.last = now;
    if (this.at < this.end) this.frame = requestAnimationFrame((next) => this.advance(next));
    else {
      this.pause();
      if (this.goOn.checked) this.leave("next", true);
    }
  }

  /** @param {number} t_ms since the pair was shown */
  show(t_ms) {
    this.at = t_ms;
    // Who wants little motion sees each stroke when it is done.
    this.playback?.show(t_ms, { whole: this.still.matches && this.frame !== 0 });
    this.slider.value = String(t_ms);
    this.slider.setAttribute("aria-valuetext", `${clock(t_ms)} of ${clock(this.end)}`);
    this.clock.textContent = `${clock(t_ms)} / ${clock(this.end)}`;
    this.root.dataset.chosen = chosenAt(this.trial, t_ms) ?? "";
    this.mark();
  }

  /** What has happened last. */
  mark() {
    const now = this.moments.findLastIndex((moment) => moment.t_ms <= this.at);
    [...this.list.children].forEach((item, index) => {
      item.firstElementChild?.toggleAttribute("aria-current", index === now);
    });
    const current = this.list.children[now];
    if (!(current instanceof HTMLElement)) return;
    // Only the list scrolls, and never the page.
    const { offsetTop, offsetHeight } = current;
    if (offsetTop < this.list.scrollTop) this.list.scrollTop = offsetTop;
    const below = offsetTop + offsetHeight - this.list.clientHeight;
    if (below > this.list.scrollTop) this.list.scrollTop = below;
  }
}

const replay = new Replay();
replay.remember();
replay.show(replay.end);
if (replay.root.dataset.play && !replay.still.matches) replay.toggle();
