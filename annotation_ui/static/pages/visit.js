/** A participant's visit, from consent to completion code: what the server says next is what is shown next. */

import { UNDER_WAY, isBeginning, move, start } from "../core/visit.js";
import { checkDevice } from "./browser.js";
import { showBusy } from "./consent.js";
import { byId, button } from "./dom.js";
import { leaveText, showCompletion, showEnding } from "./endings.js";
import { codeInAddress, consentOf, isAnotherSession } from "./entry.js";
import { sleep } from "./pictures.js";
import { QuestionPage } from "./questions.js";
import { bringToFront, showArm } from "./screens.js";
import { Server } from "./server.js";
import { Stage } from "./stage.js";
import { Notes, forgetLink, ownLink, putLinkInAddress, putTokenInAddress, tokenInAddress } from "./storage.js";

/**
 * @import { Completion, Decision, Feedback, PageData, Step, Trial, VisitEvent } from "../../participant.d.ts"
 * @import { Delivered } from "../core/outbox.js"
 * @import { Reply } from "./server.js"
 * @import { Answers } from "./questions.js"
 * @import { Session } from "./storage.js"
 * @typedef {{trial: Trial, feedback: Feedback}} Lesson
 */

const PATIENCE = 3000; // ms for an answer, before the next pair is shown while the outbox goes on trying

export class Visit {
  /** @param {PageData} page @param {import("../core/outbox.js").Shelf} shelf */
  constructor(page, shelf) {
    this.page = page;
    this.server = new Server(page, shelf);
    this.code = codeInAddress();
    this.link = page.link_token ? ownLink(page.link_token, this.code !== "") : "";
    this.notes = new Notes(`cyborg.${page.study}.${page.external_id ?? this.link}.`);
    this.server.api.token = tokenInAddress() || this.session?.token || "";
    this.state = start({ ...page, known: (this.code || this.server.api.token) !== "" });
    byId("device-leave").textContent = leaveText(page.source);
    this.hasWorked = false;
    this.quiz = new QuestionPage("quiz", this.notes, (answers) => this.sendQuiz(answers));
    this.questions = new QuestionPage("questions", this.notes, (answers) =>
      this.send(this.questions, "answers", answers),
    );
    this.stage = new Stage(this.notes, page.breaks_every, (event) => this.tell(event), {
      onSubmit: (trial, decision) => this.submit(trial, decision),
      onNoticed: () => this.noticed(),
      onDraft: (draft) => this.server.keepDraft(draft),
      isInFront: () => this.state.page === "trial" && !document.querySelector("dialog[open]"),
    });
  }

  /** @returns {Session | null} */
  get session() {
    return this.notes.read("session");
  }

  /** @param {VisitEvent} event @returns {boolean} did the page change? */
  tell(event) {
    const before = this.state;
    this.state = move(before, event);
    const isNew = this.state.page !== before.page;
    if (isNew) this.show();
    return isNew;
  }

  /** Tell, and ask the server what comes next. @param {VisitEvent} event */
  async moveOn(event) {
    if (this.tell(event)) await this.goOn();
  }

  show() {
    const { page } = this.state;
    if (page === "ended") showEnding(this.state, this.page, this.server.reference);
    if (page === "finished" && this.state.completion) showCompletion(this.state.completion, this.page);
    if (page === "debrief") byId("debrief").innerHTML = this.state.completion?.debrief_html ?? "";
    if (page !== "trial" && page !== "feedback") this.stage.trialPage.clear();
    byId("progress").hidden = !["trial", "feedback", "loading", "break"].includes(page);
    byId("visit-tools").hidden = !UNDER_WAY.includes(page);
    bringToFront(page);
  }

  async begin() {
    this.show();
    if (this.page.preview || (this.code && !(await this.comeBackBy(this.code)))) return;
    showArm(this.session?.annotate ?? true);
    if (isAnotherSession(this.page, this.session)) await this.join({});
    if (!this.server.api.token) return this.page.state === "closed" ? this.comeBack() : undefined;
    this.remember(this.session ?? { token: this.server.api.token, annotate: true, trials: 0, assignment: null });
    await this.arrive();
  }

  /** Consent is the only thing that begins a participation. @param {object} extra what the consent page adds */
  async agree(extra) {
    if (this.state.page !== "consent" || this.state.busy) return;
    this.tell({ type: "agreed" });
    showBusy(true);
    const reply = await this.join(extra);
    showBusy(false);
    if (reply.status >= 300) return this.refuse(reply);
    showArm(reply.body.arm.annotate);
    this.tell({ type: "joined" });
    await this.arrive();
  }

  /** By a link from the staff; a second time in one browser goes on where it led. @param {string} code @returns {Promise<boolean>} may it go on? */
  async comeBackBy(code) {
    const reply = await this.server.ask(() => this.server.api.comeBack(code));
    if (reply.status < 300) this.enter(reply.body);
    else if (!this.server.api.token) this.refuse(reply);
    return this.server.api.token !== "";
  }

  /** A closed study lets in whoever took part, and nobody else: they find their code. */
  async comeBack() {
    if ((await this.join({})).status < 300) location.reload();
  }

  /** @param {object} extra @returns {Promise<Reply>} */
  async join(extra) {
    const consent = { ...consentOf(this.page, this.notes, this.link), ...extra };
    const reply = await this.server.ask(() => this.server.api.join(this.page.study, consent));
    if (reply.status < 300) this.enter(reply.body);
    if (reply.status < 300 && this.link) putLinkInAddress(this.link);
    return reply;
  }

  /** @param {{token: string, arm: {annotate: boolean}, trials: number}} visit */
  enter({ token, arm, trials }) {
    this.remember({ token, annotate: arm.annotate, trials, assignment: this.page.assignment_id });
  }

  /** @param {Session} session */
  remember(session) {
    this.server.api.token = session.token;
    this.notes.write("session", session);
    if (session.trials) byId("trial-count").textContent = `${session.trials} pairs of faces`;
    putTokenInAddress(session.token);
  }

  /** Look at the browser, send what an earlier page left behind, go on. */
  async arrive() {
    const { device, check_image } = this.page;
    const report = (/** @type {object} */ facts) => void this.server.api.send("device", facts);
    // An answer that the server cannot take now goes on being sent while the visit goes on.
    const leftovers = Promise.race([this.server.deliverLeftovers(), sleep(PATIENCE)]);
    await Promise.all([checkDevice(device, check_image, report), leftovers]);
    await this.moveOn({ type: "fits" });
  }

  /** What comes next: what practice said and nobody has read, a page of questions, a pair, or the end. */
  async goOn() {
    /** @type {Lesson | null} */
    const lesson = this.notes.read("feedback");
    if (lesson) {
      await this.stage.present(lesson.trial);
      return this.explain(lesson);
    }
    const reply = await this.server.ask(() => this.server.api.next());
    if (reply.status !== 200) return this.refuse(reply);
    const { step, trial, upcoming, preload, rule, draft, done, completion } = reply.body;
    if (done) return this.end(completion);
    void this.stage.fetch(trial, preload ?? []);
    if (isBeginning(reply.body) && !this.notes.read("briefed")) return void this.tell({ type: "briefed" });
    this.hasWorked = true;
    if (step) return this.put(step);
    this.stage.upcoming = upcoming;
    this.stage.rule = rule;
    this.stage.takeOver(draft);
    await this.stage.present(trial);
  }

  /** The instructions have been read. */
  async understand() {
    this.notes.write("briefed", true);
    await this.moveOn({ type: "understood" });
  }

  /** @param {Step} step */
  put(step) {
    this[step.kind].show(step);
    if (step.kind === "quiz") this.quiz.say(attempts(step.attempts_left ?? 0));
    this.tell({ type: "asked", step });
  }

  /** @param {Answers} answers */
  async sendQuiz(answers) {
    const numbers = Object.fromEntries(Object.entries(answers).map(([id, option]) => [id, Number(option)]));
    const reply = await this.send(this.quiz, "quiz", numbers);
    if (!reply || reply.passed || !reply.attempts_left) return;
    this.quiz.say(`Some answers are wrong. ${attempts(reply.attempts_left)} The instructions are under “Help”.`);
    this.quiz.mark(reply.wrong, "This answer is wrong. Please choose another one.");
  }

  /**
   * Send a page of answers, and go on unless there is something to say about them.
   *
   * @param {QuestionPage} page @param {"quiz" | "answers"} what @param {object} answers @returns {Promise<any>}
   */
  async send(page, what, answers) {
    page.busy(true);
    const reply = await this.server.ask(() => this.server.api.send(what, { answers }));
    page.busy(false);
    if (reply.status === 401) return this.forget();
    if (reply.status === 422) return page.say(reply.detail);
    const isOver = reply.status !== 200 || what === "answers" || reply.body.passed || !reply.body.attempts_left;
    if (isOver) {
      this.notes.remove(page.kind);
      await this.moveOn({ type: "answered" });
    }
    return reply.body;
  }

  /** @param {Completion} completion */
  end(completion) {
    for (const name of ["draft", "break", "feedback"]) this.notes.remove(name);
    this.server.reference = completion.reference ?? this.server.reference;
    button("another").hidden = this.page.source !== "link" || this.hasWorked;
    this.tell({ type: "completed", completion });
  }

  /** @param {string} trial @param {Decision} decision */
  async submit(trial, decision) {
    this.tell({ type: "submitted" });
    const delivery = this.server.deliver(trial, decision);
    const patience = navigator.onLine ? PATIENCE : PATIENCE / 10;
    const answer = await Promise.race([delivery, sleep(patience).then(() => null)]);
    // What only memory holds, a reload would lose: then nothing is shown before the server has it.
    const mayGoOn = !answer && this.server.outbox.post.shelf.outlivesPage;
    const next = mayGoOn ? this.stage.upcoming.shift() : undefined;
    if (!next) return this.settle(await delivery);
    delivery.then(({ verdict }) => verdict === "forgotten" && this.forget());
    this.tell({ type: "kept" });
    await this.stage.present(next);
  }

  /** @param {Delivered} answer */
  async settle({ verdict, detail, body }) {
    const { trial } = this.state;
    if (verdict === "forgotten") return this.forget();
    if (verdict === "refused") {
      this.tell({ type: "returned" });
      return this.stage.trialPage.giveBack(detail);
    }
    if (!body?.feedback || !trial) return this.moveOn({ type: "kept" });
    this.notes.write("feedback", { trial, feedback: body.feedback });
    this.explain({ trial, feedback: body.feedback });
  }

  /** @param {Lesson} lesson */
  explain({ trial, feedback }) {
    this.tell({ type: "judged" });
    this.stage.trialPage.explain(feedback, trial.position === trial.total);
  }

  /** What practice said has been read. */
  async noticed() {
    this.notes.remove("feedback");
    await this.moveOn({ type: "noticed" });
  }

  /** @param {Reply} reply */
  refuse(reply) {
    if (reply.status === 401) return this.forget();
    this.server.reference = reply.reference;
    const { redirect_url = null, completion_code: code = null } = reply.body ?? {};
    this.tell({ type: "refused", error: reply.code, detail: reply.detail, redirect_url, code });
  }

  forget() {
    this.notes.remove("session");
    this.server.api.token = "";
    putTokenInAddress("");
    this.tell({ type: "forgotten" });
  }

  /** Somebody else sits down at a computer where a visit has ended. */
  startAnew() {
    this.notes.remove("session");
    forgetLink();
    this.leaveAddress();
    location.reload();
  }

  async withdraw() {
    const reply = await this.server.api.send("withdraw", {});
    const error = byId("leave-error");
    error.hidden = reply.status === 200;
    error.textContent = reply.detail || "We could not reach the server. Please try again when you are online.";
    if (reply.status !== 200) return;
    this.server.reference = reply.reference;
    this.notes.clear();
    this.leaveAddress();
    this.tell({ type: "withdrew", redirect_url: reply.body.redirect_url, code: reply.body.code });
  }

  leaveAddress() {
    putTokenInAddress("");
    putLinkInAddress(null);
  }
}

/** @param {number} left */
const attempts = (left) => `You have ${left} ${left === 1 ? "attempt" : "attempts"} left.`;
