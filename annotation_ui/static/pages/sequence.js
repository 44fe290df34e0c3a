/** The trials one after the other: fetched ahead, shown when both faces are decoded, with breaks between them. */

import { PAINT_SOMETHING } from "../core/contract.js";
import { addEvent } from "../core/events.js";
import { PicturePrefetch } from "../core/prefetch.js";
import { isBreakDue } from "../core/visit.js";
import { byId, button } from "./dom.js";
import { Loading } from "./loading.js";
import { copyOf, loadPicture, release, reveal, sleep } from "./pictures.js";
import { showArm, showProgress } from "./screens.js";
import { TrialPage } from "./trial.js";

/**
 * @import { Draft, VisitEvent } from "../../page.d.ts"
 * @import { AnnotationRule, Picture, TrialView } from "../../participant.d.ts"
 * @import { Images } from "./face.js"
 * @typedef {Pick<import("./trial.js").Callbacks, "onSubmit" | "onFeedbackRead" | "onDraft" | "isInFront">} Callbacks
 * @typedef {{trial: string, since: number, length: number | null}} BreakRecord wall clock, ms
 */

export class TrialSequence {
  /**
   * @param {import("./storage.js").BrowserStorage} storage @param {number | null} breaksEvery main trials
   * @param {(event: VisitEvent) => boolean} onEvent @param {Callbacks} callbacks
   */
  constructor(storage, breaksEvery, onEvent, callbacks) {
    this.storage = storage;
    this.callbacks = callbacks;
    this.breaksEvery = breaksEvery;
    this.onEvent = onEvent;
    this.loading = new Loading();
    this.pictures = new PicturePrefetch(
      (url) => loadPicture(url, (...bytes) => this.loading.note(url, ...bytes)),
      sleep,
    );
    this.break = new Break(storage);
    this.trialPage = new TrialPage({ ...callbacks, onDraft: (draft) => this.keep(draft) });
    /** Trials that the server has given already: with them the visit goes on offline. @type {TrialView[]} */
    this.upcoming = [];
    /** @type {AnnotationRule} */
    this.rule = PAINT_SOMETHING;
  }

  /** Keep a draft here for a reload, and with the server for another device. @param {Draft} draft */
  keep(draft) {
    this.storage.write("draft", draft);
    this.callbacks.onDraft(draft);
  }

  /** Take over the draft of another device, if it is newer. @param {Draft | null | undefined} draft */
  takeOver(draft) {
    const own = this.storage.read("draft");
    if (draft && !(own?.trial === draft.trial && own.at >= draft.at)) this.storage.write("draft", draft);
  }

  /** Fetch a pair and then those after it, which must not slow it down. @param {TrialView} trial @param {readonly string[]} later */
  async fetch(trial, later) {
    const now = addresses(trial);
    this.pictures.want(now);
    await Promise.allSettled(now.map((url) => this.pictures.get(url)));
    this.pictures.want(later);
  }

  /** @param {TrialView} trial */
  async present(trial) {
    showProgress(trial);
    showArm(trial.annotate);
    const breakMs = this.break.lengthBefore(trial);
    const isDue = isBreakDue(trial, this.breaksEvery) && breakMs === null;
    const asked = performance.now();
    void this.fetch(trial, this.upcoming.flatMap(addresses));
    if (isDue) return this.startBreak(trial);
    this.loading.expect(addresses(trial));
    const images = await this.load(trial);
    if (!images) return this.offerRetry(() => this.present(trial));
    const load_ms = Math.round(performance.now() - asked);
    const events = breakMs === null ? [] : addEvent([], "break", 0, { pause_ms: breakMs });
    this.trialPage.prepare(trial, this.rule, images, addEvent(events, "loaded", 0, { load_ms }));
    const shownAt = await reveal(() => {
      this.onEvent({ type: "trial_shown", trial });
      this.trialPage.begin(this.storage.read("draft"));
    });
    this.trialPage.setClock(shownAt);
  }

  /** Both faces, decoded, each with a copy and a model's map if there is one; null when one did not load. @param {TrialView} trial */
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

  /** @param {TrialView} trial the next one */
  startBreak(trial) {
    this.break.begin(trial);
    this.onEvent({ type: "break_due" });
    button("go-on").onclick = () => {
      this.break.end();
      if (this.onEvent({ type: "break_over" })) this.present(trial);
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

/** Every picture of a trial. @param {TrialView} trial */
const addresses = ({ left, right, advice }) =>
  [left.url, right?.url, advice?.left_map, advice?.right_map].filter((url) => typeof url === "string");

/** A break between two pairs, as long as the participant likes; its length goes into the next decision. */
class Break {
  /** @param {import("./storage.js").BrowserStorage} storage a break outlives a reload */
  constructor(storage) {
    this.storage = storage;
    this.timer = 0;
  }

  /** How long the break before this trial was; null when there was none yet. @param {TrialView} trial @returns {number | null} */
  lengthBefore(trial) {
    /** @type {BreakRecord | null} */
    const record = this.storage.read("break");
    return record?.trial === trial.id ? record.length : null;
  }

  /** @param {TrialView} trial the next one */
  begin(trial) {
    /** @type {BreakRecord | null} */
    const record = this.storage.read("break");
    const since = record?.trial === trial.id ? record.since : Date.now();
    this.storage.write("break", { trial: trial.id, since, length: null });
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
    /** @type {BreakRecord} */
    const record = this.storage.read("break");
    this.storage.write("break", { ...record, length: Math.max(0, Date.now() - record.since) });
  }
}
