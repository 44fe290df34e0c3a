/** One pair after the other: fetched ahead, shown when both faces are decoded, with a break in between. */

import { note } from "../core/events.js";
import { LookAhead } from "../core/lookahead.js";
import { isBreakDue } from "../core/visit.js";
import { byId, button } from "./dom.js";
import { Loading } from "./loading.js";
import { copyOf, loadPicture, release, reveal, sleep } from "./pictures.js";
import { showArm, showProgress } from "./screens.js";
import { TrialPage } from "./trial.js";

/**
 * @import { Draft, Picture, Rule, Trial, VisitEvent } from "../../participant.d.ts"
 * @import { Images } from "./face.js"
 * @typedef {Pick<import("./trial.js").Orders, "onSubmit" | "onNoticed" | "onDraft" | "isInFront">} Orders
 * @typedef {{trial: string, since: number, length: number | null}} Kept a break; wall clock, ms
 */

export class Stage {
  /**
   * @param {import("./storage.js").Notes} notes @param {number | null} breaksEvery main trials
   * @param {(event: VisitEvent) => boolean} tell @param {Orders} orders
   */
  constructor(notes, breaksEvery, tell, orders) {
    this.notes = notes;
    this.orders = orders;
    this.breaksEvery = breaksEvery;
    this.tell = tell;
    this.loading = new Loading();
    this.pictures = new LookAhead((url) => loadPicture(url, (...bytes) => this.loading.note(url, ...bytes)), sleep);
    this.pause = new Pause(notes);
    this.trialPage = new TrialPage({ ...orders, onDraft: (draft) => this.keep(draft) });
    /** Pairs that the server has handed out already: with them the work goes on offline. @type {Trial[]} */
    this.upcoming = [];
    /** @type {Rule} */
    this.rule = { min_strokes: 1, min_area: 0, max_area: 1 };
  }

  /** Here for a reload, with the server for another device. @param {Draft} draft */
  keep(draft) {
    this.notes.write("draft", draft);
    this.orders.onDraft(draft);
  }

  /** What another device has kept of a trial, if that is newer. @param {Draft | null | undefined} draft */
  takeOver(draft) {
    const own = this.notes.read("draft");
    if (draft && !(own?.trial === draft.trial && own.at >= draft.at)) this.notes.write("draft", draft);
  }

  /** Fetch a pair, and then those after it, which on a slow network must not slow it down. @param {Trial | undefined} trial @param {readonly string[]} later */
  async fetch(trial, later) {
    const now = trial ? addresses(trial) : [];
    this.pictures.want(now);
    await Promise.allSettled(now.map((url) => this.pictures.get(url)));
    this.pictures.want(later);
  }

  /** @param {Trial} trial */
  async present(trial) {
    showProgress(trial);
    showArm(trial.annotate);
    const pauseMs = this.pause.lengthBefore(trial);
    const isDue = isBreakDue(trial, this.breaksEvery) && pauseMs === null;
    const asked = performance.now();
    void this.fetch(trial, this.upcoming.flatMap(addresses));
    if (isDue) return this.rest(trial);
    this.loading.expect(addresses(trial));
    const images = await this.load(trial);
    if (!images) return this.offerRetry(() => this.present(trial));
    const load_ms = Math.round(performance.now() - asked);
    const events = pauseMs === null ? [] : note([], "break", 0, { pause_ms: pauseMs });
    this.trialPage.prepare(trial, this.rule, images, note(events, "loaded", 0, { load_ms }));
    const shownAt = await reveal(() => {
      this.tell({ type: "given", trial });
      this.trialPage.begin(this.notes.read("draft"));
    });
    this.trialPage.setClock(shownAt);
  }

  /** Both faces, decoded, each with what a model's map beside it needs; null when they cannot be had. @param {Trial} trial */
  async load({ left, right, advice }) {
    const images = [this.side(left, advice?.left_map), right && this.side(right, advice?.right_map)];
    try {
      const [ofLeft, ofRight] = await Promise.all(images);
      return ofLeft ? { left: ofLeft, right: ofRight ?? null } : null;
    } catch {
      return null;
    }
  }

  /** @param {Picture} picture @param {string | null | undefined} mapUrl @returns {Promise<Images>} */
  async side({ url }, mapUrl) {
    const [face, map] = await Promise.all([this.pictures.take(url), mapUrl ? this.pictures.take(mapUrl) : null]);
    /** @type {Images} */
    const images = map ? [face, await copyOf(face), map] : [face];
    images.forEach(release);
    return images;
  }

  /** @param {Trial} trial the next one */
  rest(trial) {
    this.pause.begin(trial);
    this.tell({ type: "paused" });
    button("go-on").onclick = () => {
      this.pause.end();
      if (this.tell({ type: "rested" })) this.present(trial);
    };
  }

  /** Go on when the network is back or when the participant says so. @param {() => void} again */
  offerRetry(again) {
    const retry = button("retry");
    const over = new AbortController();
    const go = () => {
      over.abort();
      retry.hidden = true;
      again();
    };
    this.loading.fail();
    retry.hidden = false;
    retry.addEventListener("click", go, { signal: over.signal });
    window.addEventListener("online", go, { signal: over.signal });
  }
}

/** Every picture of a trial. @param {Trial} trial */
const addresses = ({ left, right, advice }) =>
  [left.url, right?.url, advice?.left_map, advice?.right_map].filter((url) => typeof url === "string");

/** A break between two pairs: as long as one likes, or not at all; how long it was is noted. */
class Pause {
  /** @param {import("./storage.js").Notes} notes a break outlives a reload */
  constructor(notes) {
    this.notes = notes;
    this.timer = 0;
  }

  /** How long the break before this trial was; null when there was none yet. @param {Trial} trial @returns {number | null} */
  lengthBefore(trial) {
    /** @type {Kept | null} */
    const kept = this.notes.read("break");
    return kept?.trial === trial.id ? kept.length : null;
  }

  /** @param {Trial} trial the next one */
  begin(trial) {
    /** @type {Kept | null} */
    const kept = this.notes.read("break");
    const since = kept?.trial === trial.id ? kept.since : Date.now();
    this.notes.write("break", { trial: trial.id, since, length: null });
    byId("break-text").textContent = `You have finished ${trial.position - 1} of ${trial.total} pairs. They are saved.`;
    this.tick(since);
    this.timer = window.setInterval(() => this.tick(since), 1000);
  }

  /** @param {number} since */
  tick(since) {
    const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
    byId("break-time").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  end() {
    window.clearInterval(this.timer);
    /** @type {Kept} */
    const kept = this.notes.read("break");
    this.notes.write("break", { ...kept, length: Math.max(0, Date.now() - kept.since) });
  }
}
