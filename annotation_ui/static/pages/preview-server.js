/**
 * A server for the preview: it answers from what the page brings, goes from step to step, and keeps nothing.
 *
 * @import { DecisionBody } from "../../participant.d.ts"
 * @import { Delivery } from "../core/outbox.js"
 * @import { Reply } from "./server.js"
 * @typedef {{step: string, label: string, answer: any, fake: string | null}} Scene `answer`: what the server would
 * say; null of a step to which no answer leads
 * @typedef {{annotate: boolean, step: string, scenes: Scene[], withdrawn: object}} Script
 */

import { BrowserStorage } from "./storage.js";

/** What a visit remembers, until the page is left. */
export class PreviewStorage extends BrowserStorage {
  /** @override @returns {null} */
  stored() {
    return null;
  }

  /** @override @param {string} name @param {unknown} value */
  write(name, value) {
    this.memory.set(name, JSON.stringify(value));
  }

  /** @override @param {string} name */
  remove(name) {
    this.memory.delete(name);
  }
}

export class PreviewServer {
  /** @param {Script} script */
  constructor(script) {
    this.script = script;
    this.answered = script.scenes.filter((scene) => scene.answer);
    this.at = Math.max(
      0,
      this.answered.findIndex((scene) => scene.step === script.step),
    );
    this.reference = "";
    this.isWaiting = false;
    this.outbox = { options: { store: { outlivesPage: false } } };
    this.api = {
      token: "",
      join: () => this.reply({ token: "preview", arm: { annotate: script.annotate }, trials: 0 }),
      next: () => this.reply(this.answered[this.at]?.answer),
      send: (/** @type {string} */ call) => this.take(call),
      call: (/** @type {string} */ call) => this.take(call),
    };
  }

  /** @param {any} body @returns {Promise<Reply<any>>} */
  async reply(body) {
    return { status: 200, body, code: "", detail: "", reference: "" };
  }

  /** What is sent is taken, and the next step is due. @param {string} call @returns {Promise<Reply<any>>} */
  take(call) {
    if (call.endsWith("/withdraw")) return this.reply(this.script.withdrawn);
    if (call.endsWith("/quiz") || call.endsWith("/answers")) this.at += 1;
    return this.reply({ passed: true, wrong: [], attempts_left: 1 });
  }

  /** @template Body @param {() => Promise<Reply<Body>>} call */
  ask(call) {
    return call();
  }

  keepDraft() {
    // Nothing is kept.
  }

  /** Practice says which face it was. @param {string} _trial @param {DecisionBody} decision @returns {Promise<Delivery>} */
  async deliver(_trial, decision) {
    const { fake = null, answer = null } = this.answered[this.at] ?? {};
    this.at += 1;
    const { kind, question } = answer?.trial ?? {};
    const isRight = (decision.choice === fake) === (question === "fake");
    const feedback = kind === "practice" ? { correct: isRight, fake } : undefined;
    return { outcome: "saved", detail: "", body: { saved: true, feedback } };
  }

  deliverLeftovers() {
    return Promise.resolve();
  }
}
