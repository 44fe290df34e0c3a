/** A participant's visit, from consent to completion code. The server says what comes next, and the page shows it. */

import { UNDER_WAY, isBeginning, move, start } from "../core/visit.js";
import { checkDevice } from "./browser.js";
import { showBusy } from "./consent.js";
import { byId, button } from "./dom.js";
import { leaveText, showCompletion, showEnding } from "./endings.js";
import { codeInAddress, consentOf, isAnotherSession } from "./entry.js";
import { sleep } from "./pictures.js";
import { QuestionPage } from "./questions.js";
import { bringToFront, showArm } from "./screens.js";
import { TrialSequence } from "./sequence.js";
import {
  BrowserStorage,
  forgetLink,
  openVersion,
  ownLink,
  putLinkInAddress,
  putTokenInAddress,
  tokenInAddress,
} from "./storage.js";

/**
 * @import { Draft, PracticeFeedback, Step, VisitEvent } from "../../page.d.ts"
 * @import { Completion, DecisionBody, DeviceBody, Enrolled, Enrolment, PageData } from "../../participant.d.ts"
 * @import { Delivery } from "../core/outbox.js"
 * @import { Reply, Server } from "./server.js"
 * @import { Answers } from "./questions.js"
 * @import { Session } from "./storage.js"
 */

const PATIENCE = 3000; // ms for an answer, before the next pair is shown while the outbox tries again

export class Visit {
  /** @param {PageData} page @param {Server} server @param {BrowserStorage} [storage] */
  constructor(page, server, storage) {
    this.page = page;
    this.server = server;
    this.code = codeInAddress();
    this.link = page.link_token ? ownLink(page.link_token, this.code !== "") : "";
    this.storage = storage ?? new BrowserStorage(`cyborg.${page.study}.${page.external_id ?? this.link}.`);
    this.server.api.token = tokenInAddress() || this.session?.token || "";
    this.state = start({ ...page, known: (this.code || this.server.api.token) !== "" });
    byId("device-leave").textContent = leaveText(page.source);
    this.hasWorked = false;
    this.quiz = new QuestionPage("quiz", this.storage, (answers) => this.sendQuiz(answers));
    this.questions = new QuestionPage("questions", this.storage, (answers) => this.sendAnswers(answers));
    this.sequence = new TrialSequence(this.storage, page.breaks_every, (event) => this.handle(event), {
      onSubmit: (trial, decision) => this.submit(trial, decision),
      onFeedbackRead: () => this.feedbackRead(),
      onDraft: (draft) => this.server.keepDraft(draft),
      isInFront: () => this.state.page === "trial" && !document.querySelector("dialog[open]"),
    });
  }

  /** @returns {Session | null} */
  get session() {
    return this.storage.read("session");
  }

  /** @param {VisitEvent} event @returns {boolean} did the page change? */
  handle(event) {
    const before = this.state;
    this.state = move(before, event);
    const isNew = this.state.page !== before.page;
    if (isNew) this.show();
    return isNew;
  }

  /** Handle an event, and show what the server says comes next. @param {VisitEvent} event */
  async advance(event) {
    if (this.handle(event)) await this.showNext();
  }

  show() {
    const { page } = this.state;
    if (page === "ended") showEnding(this.state, this.page, this.server.reference);
    if (page === "finished" && this.state.completion) showCompletion(this.state.completion, this.page);
    if (page === "debrief") byId("debrief").innerHTML = this.state.completion?.debrief_html ?? "";
    if (page !== "trial" && page !== "feedback") this.sequence.trialPage.clear();
    byId("progress").hidden = !["trial", "feedback", "loading", "break"].includes(page);
    byId("visit-tools").hidden = !UNDER_WAY.includes(page);
    bringToFront(page);
  }

  async begin() {
    this.show();
    if (this.page.preview || (this.code && !(await this.returnBy(this.code)))) return;
    showArm(this.session?.annotate ?? true);
    if (isAnotherSession(this.page, this.session)) await this.join({});
    if (!this.server.api.token) return this.page.state === "closed" ? this.findCode() : undefined;
    const { version } = this.page;
    this.remember(
      this.session ?? { token: this.server.api.token, annotate: true, trials: 0, assignment: null, version },
    );
    await this.arrive();
  }

  /** Consent is the only thing that begins a participation. @param {Partial<Enrolment>} extra what the consent page adds */
  async agree(extra) {
    if (this.state.page !== "consent" || this.state.busy) return;
    this.handle({ type: "consent_given" });
    showBusy(true);
    const reply = await this.join(extra);
    showBusy(false);
    if (reply.status >= 300) return this.refuse(reply);
    showArm(reply.body.arm.annotate);
    this.handle({ type: "joined" });
    await this.arrive();
  }

  /** Continue by a link from the staff, also a second time in one browser. @param {string} code @returns {Promise<boolean>} may it go on? */
  async returnBy(code) {
    const reply = await this.server.ask(() => this.server.api.call("POST /api/participant/return", { body: { code } }));
    if (reply.status < 300) this.enter(reply.body);
    else if (!this.server.api.token) this.refuse(reply);
    return this.server.api.token !== "";
  }

  /** A closed study lets in only those who took part, so that they find their code. */
  async findCode() {
    if ((await this.join({})).status < 300) location.reload();
  }

  /** @param {Partial<Enrolment>} extra @returns {Promise<Reply<Enrolled>>} */
  async join(extra) {
    const consent = { ...consentOf(this.page, this.storage, this.link), ...extra };
    const reply = await this.server.ask(() => this.server.api.join(this.page.study, consent));
    if (reply.status < 300) this.enter(reply.body);
    if (reply.status < 300 && this.link) putLinkInAddress(this.link);
    return reply;
  }

  /** @param {Enrolled} enrolled */
  enter({ token, arm, trials, version }) {
    this.remember({ token, annotate: arm.annotate, trials, assignment: this.page.assignment_id, version });
  }

  /** @param {Session} session */
  remember(session) {
    this.server.api.token = session.token;
    this.storage.write("session", session);
    if (session.trials) byId("trial-count").textContent = `${session.trials} pairs of faces`;
    putTokenInAddress(session.token);
  }

  /** Check the device, send what an earlier page left behind, and continue. */
  async arrive() {
    const { device, check_image, version } = this.page;
    // The study may have changed since the visit began; its texts stay those of the beginning.
    const own = this.session?.version ?? version;
    if (own !== version && openVersion(own)) return;
    const report = (/** @type {DeviceBody} */ facts) =>
      void this.server.api.send("POST /api/participant/device", facts);
    // A decision that the server cannot take now is sent again and again while the visit continues.
    const leftovers = Promise.race([this.server.deliverLeftovers(), sleep(PATIENCE)]);
    await Promise.all([checkDevice(device, check_image, report), leftovers]);
    await this.advance({ type: "device_passed" });
  }

  /** Show what comes next: feedback that is not read yet, a page of questions, a pair, or the end. */
  async showNext() {
    /** @type {PracticeFeedback | null} */
    const practice = this.storage.read("feedback");
    if (practice) {
      await this.sequence.present(practice.trial);
      return this.showFeedback(practice);
    }
    const reply = await this.server.ask(() => this.server.api.next());
    if (reply.status !== 200) return this.refuse(reply);
    const next = reply.body;
    if ("done" in next) return this.end(next.completion);
    if ("trial" in next) void this.sequence.fetch(next.trial, next.preload);
    if (isBeginning(next) && !this.storage.read("briefed")) return void this.handle({ type: "instructions_due" });
    this.hasWorked = true;
    if ("step" in next) return this.showStep(next.step);
    this.sequence.upcoming = [...next.upcoming];
    this.sequence.rule = next.rule;
    this.sequence.takeOver(/** @type {Draft | null} */ (/** @type {unknown} */ (next.draft)));
    await this.sequence.present(next.trial);
  }

  /** The instructions have been read. */
  async instructionsRead() {
    this.storage.write("briefed", true);
    await this.advance({ type: "instructions_read" });
  }

  /** @param {Step} step */
  showStep(step) {
    this[step.kind].show(step);
    if (step.kind === "quiz") this.quiz.say(attempts(step.attempts_left));
    this.handle({ type: "step_due", step });
  }

  /** @param {Answers} answers */
  async sendQuiz(answers) {
    const numbers = Object.fromEntries(Object.entries(answers).map(([id, option]) => [id, Number(option)]));
    const reply = await this.sendStep(this.quiz, () =>
      this.server.api.send("POST /api/participant/quiz", { answers: numbers }),
    );
    if (!reply || reply.passed || !reply.attempts_left) return;
    this.quiz.say(`Some answers are wrong. ${attempts(reply.attempts_left)} The instructions are under “Help”.`);
    this.quiz.mark(reply.wrong, "This answer is wrong. Please choose another one.");
  }

  /** @param {Answers} answers */
  async sendAnswers(answers) {
    const body = { answers, ...this.questions.pasted };
    await this.sendStep(this.questions, () => this.server.api.send("POST /api/participant/answers", body));
  }

  /**
   * Send a page of answers, and continue unless the server wants others.
   *
   * @param {QuestionPage} page @param {() => Promise<Reply<any>>} call @returns {Promise<any>}
   */
  async sendStep(page, call) {
    page.busy(true);
    const reply = await this.server.ask(call);
    page.busy(false);
    if (reply.status === 401) return this.forget();
    if (reply.status === 422) return page.say(reply.detail);
    const isOver = reply.status !== 200 || page.kind === "questions" || reply.body.passed || !reply.body.attempts_left;
    if (isOver) {
      for (const name of [page.kind, "pasted"]) this.storage.remove(name);
      await this.advance({ type: "step_answered" });
    }
    return reply.body;
  }

  /** @param {Completion} completion */
  end(completion) {
    for (const name of ["draft", "break", "feedback"]) this.storage.remove(name);
    this.server.reference = completion.reference;
    button("another").hidden = this.page.source !== "link" || this.hasWorked;
    this.handle({ type: "completed", completion });
  }

  /** @param {string} trial @param {DecisionBody} decision */
  async submit(trial, decision) {
    this.handle({ type: "decision_sent" });
    const delivery = this.server.deliver(trial, decision);
    const patience = navigator.onLine ? PATIENCE : PATIENCE / 10;
    const answer = await Promise.race([delivery, sleep(patience).then(() => null)]);
    // A reload loses what only memory holds. Then nothing is shown before the server has the decision.
    const mayGoOn = !answer && this.server.outbox.options.store.outlivesPage;
    const next = mayGoOn ? this.sequence.upcoming.shift() : undefined;
    if (!next) return this.finish(await delivery);
    delivery.then(({ outcome }) => outcome === "token_unknown" && this.forget());
    this.handle({ type: "decision_kept" });
    await this.sequence.present(next);
  }

  /** @param {Delivery} answer */
  async finish({ outcome, detail, body }) {
    const { trial } = this.state;
    if (outcome === "token_unknown") return this.forget();
    if (outcome === "refused") {
      this.handle({ type: "decision_refused" });
      return this.sequence.trialPage.showRefusal(detail);
    }
    if (!body?.feedback || !trial) return this.advance({ type: "decision_kept" });
    this.storage.write("feedback", { trial, feedback: body.feedback });
    this.showFeedback({ trial, feedback: body.feedback });
  }

  /** @param {PracticeFeedback} practice */
  showFeedback({ trial, feedback }) {
    this.handle({ type: "feedback_due" });
    this.sequence.trialPage.showFeedback(feedback, trial.position === trial.total);
  }

  /** The participant has read the feedback of a practice trial. */
  async feedbackRead() {
    this.storage.remove("feedback");
    await this.advance({ type: "feedback_read" });
  }

  /** The server refuses to continue: show why. @param {Reply<any>} reply */
  refuse(reply) {
    if (reply.status === 401) return this.forget();
    this.server.reference = reply.reference;
    const { redirect_url = null, completion_code: code = null } = reply.body ?? {};
    this.handle({ type: "refused", error: reply.code, detail: reply.detail, redirect_url, code });
  }

  /** The token is void: the visit begins again with consent. */
  forget() {
    this.storage.remove("session");
    this.server.api.token = "";
    putTokenInAddress("");
    this.handle({ type: "token_unknown" });
  }

  /** Somebody else sits down at a computer where a visit has ended. */
  startAnew() {
    this.storage.remove("session");
    forgetLink();
    this.leaveAddress();
    location.reload();
  }

  async withdraw() {
    const reply = await this.server.api.send("POST /api/participant/withdraw", null);
    const error = byId("leave-error");
    error.hidden = reply.status === 200;
    error.textContent = reply.detail || "We could not reach the server. Please try again when you are online.";
    if (reply.status !== 200) return;
    this.server.reference = reply.reference;
    this.storage.clear();
    this.leaveAddress();
    this.handle({ type: "withdrew", redirect_url: reply.body.redirect_url, code: reply.body.code });
  }

  leaveAddress() {
    putTokenInAddress("");
    putLinkInAddress(null);
  }
}

/** @param {number} left */
const attempts = (left) => `You have ${left} ${left === 1 ? "attempt" : "attempts"} left.`;
