// @ts-check
/** A participant's visit, from consent to completion code. */

import { LookAhead } from "../core/lookahead.js";
import { Outbox, backOff } from "../core/outbox.js";
import { move, start } from "../core/visit.js";
import { Example } from "../canvas/example.js";
import { Api } from "./api.js";
import { describeBrowser, watch } from "./browser.js";
import { byId, button, find } from "./dom.js";
import { loadPicture, reveal, sleep } from "./pictures.js";
import { bringToFront, say, showArm, showCompletion, showEnding, showProgress } from "./screens.js";
import { Notes, openShelf, putTokenInAddress, tokenInAddress } from "./storage.js";
import { TrialPage } from "./trial.js";

/**
 * @typedef {import("../core/judgement.js").Decision} Decision
 * @typedef {import("../core/judgement.js").Trial} Trial
 * @typedef {import("../core/visit.js").VisitEvent} VisitEvent
 * @typedef {import("./api.js").Reply} Reply
 * @typedef {import("./storage.js").Session} Session
 *
 * @typedef {object} PageData
 * @property {string} study
 * @property {string} consent_version
 * @property {string} source
 * @property {string | null} external_id
 * @property {string | null} assignment_id
 * @property {string | null} turk_submit_to
 * @property {boolean} preview
 * @property {string} api
 */

const PATIENCE = 3000; // ms for an answer, before the next pair is shown while the outbox goes on trying

const WAITING = "Saved on this device. Waiting for the network…";
const OFFLINE = "No connection. The page goes on by itself when the network is back.";
const BUSY = "The server is busy. The page goes on by itself in a moment.";

class Visit {
  /** @param {PageData} page @param {import("../core/outbox.js").Shelf} shelf */
  constructor(page, shelf) {
    this.page = page;
    this.api = new Api(page.api);
    this.notes = new Notes(`cyborg.${page.study}.${page.external_id ?? "link"}.`);
    this.pictures = new LookAhead(loadPicture, sleep);
    this.api.token = tokenInAddress() || this.session?.token || "";
    this.state = start({ preview: page.preview, known: this.api.token !== "" });
    this.reference = "";
    this.isWaiting = false;
    this.hasWorked = false;
    /** Pairs that the server has handed out already: with them the work goes on offline. @type {Trial[]} */
    this.upcoming = [];
    this.minStrokes = 1;
    this.outbox = new Outbox({
      shelf,
      send: (/** @type {import("../core/outbox.js").Entry} */ entry) => this.api.decide(entry.trial, entry.body, entry.token),
      sleep,
      onWaiting: (/** @type {boolean} */ isWaiting) => {
        this.isWaiting = isWaiting;
        say(isWaiting ? WAITING : "");
      },
      random: Math.random,
    });
    this.trialPage = new TrialPage({
      onSubmit: (trial, decision) => this.submit(trial, decision),
      onDraft: (draft) => this.notes.write("draft", draft),
      isInFront: () => this.state.page === "trial" && !document.querySelector("dialog[open]"),
    });
  }

  /** @returns {Session | null} */
  get session() {
    return this.notes.read("session");
  }

  /** @param {VisitEvent} event */
  tell(event) {
    const before = this.state;
    this.state = move(before, event);
    if (this.state.page !== before.page) this.show();
  }

  show() {
    const { page, ending, detail, completion } = this.state;
    if (ending) showEnding(ending, detail, this.reference);
    if (completion) showCompletion(completion, this.page);
    if (page !== "trial") this.trialPage.clear();
    byId("progress").hidden = page !== "trial" && page !== "loading";
    byId("visit-tools").hidden = !["instructions", "trial", "loading"].includes(page);
    bringToFront(page);
  }

  async begin() {
    this.show();
    showArm(this.session?.annotate ?? true);
    if (!this.api.token || this.page.preview) return;
    this.remember(this.session ?? { token: this.api.token, annotate: true, trials: 0 });
    await this.outbox.deliverLeftovers(this.page.study);
    await this.goOn();
  }

  /** Consent is the only thing that begins a participation. */
  async agree() {
    if (this.state.page !== "consent" || this.state.busy) return;
    this.tell({ type: "agreed" });
    const { source, external_id, assignment_id, consent_version } = this.page;
    const who = external_id ? { external_id, ...(assignment_id ? { assignment_id } : {}) } : {};
    const body = { source, ...who, consent: true, consent_version, client: describeBrowser() };
    const reply = await this.ask(() => this.api.join(this.page.study, body));
    if (reply.status >= 300) return this.refuse(reply);
    const { token, arm, trials } = reply.body;
    this.remember({ token, annotate: arm.annotate, trials });
    showArm(arm.annotate);
    byId("trial-count").textContent = `${trials} pairs of faces`;
    this.tell({ type: "joined", resumed: reply.status === 200 });
    if (reply.status === 200) await this.goOn();
  }

  /** @param {Session} session */
  remember(session) {
    this.api.token = session.token;
    this.notes.write("session", session);
    putTokenInAddress(session.token);
  }

  /** Ask until somebody answers. @param {() => Promise<Reply>} call @returns {Promise<Reply>} */
  async ask(call) {
    for (let failures = 1; ; failures += 1) {
      const reply = await call();
      const isAnswer = reply.status > 0 && reply.status < 500 && reply.status !== 429;
      if (reply.reference) this.reference = reply.reference;
      if (isAnswer) {
        say("");
        return reply;
      }
      say(reply.status ? BUSY : OFFLINE);
      await sleep(backOff(failures, Math.random()));
    }
  }

  /** The next pair, or the end. */
  async goOn() {
    const reply = await this.ask(() => this.api.next());
    if (reply.status !== 200) return this.refuse(reply);
    const { trial, upcoming, preload, rule, done, completion } = reply.body;
    if (done) {
      this.notes.remove("draft");
      button("another").hidden = this.page.source !== "link" || this.hasWorked;
      return this.tell({ type: "completed", completion });
    }
    this.hasWorked = true;
    this.upcoming = upcoming ?? [];
    this.minStrokes = rule.min_strokes;
    await this.present(trial, preload);
  }

  /** @param {Trial} trial @param {string[]} preload */
  async present(trial, preload) {
    showProgress(trial.position, trial.total);
    showArm(trial.annotate);
    const asked = performance.now();
    const loading = Promise.all([this.pictures.take(trial.left.url), this.pictures.take(trial.right.url)]);
    this.pictures.want(preload);
    const loaded = await loading.catch(() => null);
    if (!loaded) return this.offerRetry(() => this.present(trial, preload));
    const [left, right] = loaded;
    this.trialPage.prepare(trial, this.minStrokes, { left, right }, performance.now() - asked);
    const shownAt = await reveal(() => {
      this.tell({ type: "given", trial });
      this.trialPage.begin(this.notes.read("draft"));
    });
    this.trialPage.setClock(shownAt);
  }

  /** Go on when the network is back or when the participant says so. @param {() => void} again */
  offerRetry(again) {
    const retry = button("retry");
    const text = byId("waiting-text");
    const usual = text.textContent;
    const over = new AbortController();
    const go = () => {
      over.abort();
      retry.hidden = true;
      text.textContent = usual;
      again();
    };
    text.textContent = "The faces could not be loaded. Please check your connection.";
    retry.hidden = false;
    retry.addEventListener("click", go, { signal: over.signal });
    window.addEventListener("online", go, { signal: over.signal });
  }

  /** @param {string} trial @param {Decision} decision */
  async submit(trial, decision) {
    this.tell({ type: "submitted" });
    const entry = { trial, study: this.page.study, token: this.api.token, body: decision };
    const delivery = this.outbox.deliver(entry);
    const patience = navigator.onLine ? PATIENCE : PATIENCE / 10;
    const answer = await Promise.race([delivery, sleep(patience).then(() => null)]);
    const next = answer ? undefined : this.upcoming.shift();
    if (!next) return this.settle(await delivery);
    delivery.then(({ verdict }) => verdict === "forgotten" && this.forget());
    this.tell({ type: "kept" });
    await this.present(next, []);
  }

  /** @param {{verdict: import("../core/outbox.js").Verdict, detail: string}} answer */
  async settle({ verdict, detail }) {
    if (verdict === "forgotten") return this.forget();
    if (verdict === "refused") {
      this.tell({ type: "returned" });
      return this.trialPage.giveBack(detail);
    }
    this.tell({ type: "kept" });
    await this.goOn();
  }

  /** @param {Reply} reply */
  refuse(reply) {
    if (reply.status === 401) return this.forget();
    this.tell({ type: "refused", code: reply.code, detail: reply.detail });
  }

  forget() {
    this.notes.remove("session");
    this.api.token = "";
    putTokenInAddress("");
    this.tell({ type: "forgotten" });
  }

  /** Somebody else sits down at a computer where a visit has ended. */
  startAnew() {
    this.notes.remove("session");
    putTokenInAddress("");
    location.reload();
  }

  async withdraw() {
    const reply = await this.api.withdraw();
    const error = byId("leave-error");
    error.hidden = reply.status === 200;
    error.textContent = reply.detail || "That did not reach us. Please try again when you are online.";
    if (reply.status !== 200) return;
    find(document, "#leave", HTMLDialogElement).close();
    for (const name of ["session", "draft"]) this.notes.remove(name);
    putTokenInAddress("");
    this.tell({ type: "withdrew" });
  }
}

/** @param {Visit} visit */
function wire(visit) {
  const agree = find(document, "#agree", HTMLInputElement);
  byId("consent-form").addEventListener("submit", (event) => {
    event.preventDefault();
    byId("agree-error").hidden = agree.checked;
    agree.setAttribute("aria-invalid", String(!agree.checked));
    if (agree.checked) visit.agree();
    else agree.focus();
  });
  button("decline").addEventListener("click", () => visit.tell({ type: "declined" }));
  button("start").addEventListener("click", () => {
    visit.tell({ type: "understood" });
    visit.goOn();
  });
  button("withdraw").addEventListener("click", () => visit.withdraw());
  button("ending-retry").addEventListener("click", () => location.reload());
  button("another").addEventListener("click", () => visit.startAnew());
  window.addEventListener("beforeunload", (event) => visit.isWaiting && event.preventDefault());
  button("copy-code").addEventListener("click", copyCode);
  for (const name of ["help", "leave"]) {
    const dialog = find(document, `#${name}`, HTMLDialogElement);
    button(`open-${name}`).addEventListener("click", () => dialog.showModal());
  }
  watch((kind, detail) => visit.trialPage.noteEvent(kind, detail), () => visit.trialPage.keep());
}

async function copyCode() {
  const code = byId("completion-code");
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    byId("copy-said").textContent = "Copied.";
  } catch {
    getSelection()?.selectAllChildren(code);
    byId("copy-said").textContent = "The code is selected: copy it with Ctrl C.";
  }
}

const page = /** @type {PageData} */ (JSON.parse(byId("page").textContent ?? ""));
const visit = new Visit(page, await openShelf());
wire(visit);
new Example(find(document, "#example", HTMLCanvasElement), byId("example-caption"), button("example-toggle"), () => visit.session?.annotate ?? true);
await visit.begin();
