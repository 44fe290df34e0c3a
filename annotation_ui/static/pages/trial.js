/** The trial page: two faces, one question, a choice and, in the annotating arm, the paint that says why. */

import * as drawings from "../core/drawing.js";
import * as judgements from "../core/judgement.js";
import { note } from "../core/events.js";
import { firstRadius } from "../core/stroke.js";
import { actionsOf, commandsOf } from "./commands.js";
import { byId, button } from "./dom.js";
import { Face } from "./face.js";
import { PRACTICE_OVER, URGENT, hint, nameSides, showFeedback, showQuestion, stacked, urgent } from "./hints.js";
import { Lens } from "./lens.js";
import { listen } from "./shortcuts.js";
import { Toolbar } from "./toolbar.js";

/**
 * @import { Decision, Draft, Feedback, Judgement, Side, Trial, TrialEvent } from "../../participant.d.ts"
 * @import { Stroke } from "../core/stroke.js"
 * @import { Images } from "./face.js"
 *
 * @typedef {object} Orders
 * @property {(trial: string, decision: Decision) => void} onSubmit
 * @property {(draft: Draft) => void} onDraft
 * @property {() => void} onNoticed the feedback has been read
 * @property {() => boolean} isInFront no dialog is open
 */

export class TrialPage {
  /** @param {Orders} orders */
  constructor(orders) {
    this.orders = orders;
    this.root = byId("trial");
    this.hint = byId("hint");
    this.next = button("next");
    this.switch = button("switch");
    this.faces = { left: new Face(this.root, "left"), right: new Face(this.root, "right") };
    this.toolbar = new Toolbar(
      (command) => commandsOf(this)[command](),
      () => this.lens.showBrush(this.paper),
    );
    this.lens = new Lens(this.faces, this.toolbar);
    /** @type {Judgement | null} */
    this.judgement = null;
    /** @type {import("../../participant.d.ts").Advice | null | undefined} */
    this.advice = null;
    /** @type {readonly TrialEvent[]} */
    this.events = [];
    this.begunAt = 0;
    this.shownAt = 0;
    this.isBusy = false;
    this.next.addEventListener("click", () =>
      this.root.classList.contains("trial--feedback") ? orders.onNoticed() : this.submit(),
    );
    this.switch.addEventListener("click", () => this.isOn && this.switchFace());
    for (const face of Object.values(this.faces)) this.listenTo(face);
    listen(actionsOf(this), () => this.isOn);
    stacked.addEventListener("change", () => nameSides(this.faces, this.advice));
  }

  get isOn() {
    return this.judgement !== null && !this.isBusy && this.orders.isInFront();
  }

  /** ms since the pair was shown */
  get elapsed() {
    return performance.now() - this.shownAt;
  }

  /** @param {Face} face */
  listenTo(face) {
    face.frame.addEventListener("click", () => this.isOn && this.choose(face.side));
    face.radio.addEventListener("change", () => (this.isOn ? this.choose(face.side) : this.reflect()));
  }

  /**
   * Put a pair on the page. The clock starts with `begin`, when the page becomes visible.
   *
   * @param {Trial} trial @param {import("../../participant.d.ts").Rule} rule @param {{left: Images, right: Images | null}} images
   * @param {readonly TrialEvent[]} events what came before
   */
  prepare(trial, rule, images, events) {
    this.judgement = judgements.begin(trial, rule);
    this.advice = trial.advice;
    this.events = trial.advice ? note(events, "advice_shown", 0) : events;
    this.isBusy = true;
    this.toolbar.choose("brush");
    if (!this.toolbar.radius) this.toolbar.resize(firstRadius(trial.left));
    const orders = {
      brush: () => ({ tool: this.toolbar.tool, radius: this.toolbar.radius }),
      shownAt: () => this.shownAt,
      mayPaint: () => !this.isBusy,
      onStroke: (/** @type {Stroke} */ stroke) => this.addStroke(stroke),
    };
    const sight = {
      onResize: (/** @type {number} */ presses) => this.paper && this.toolbar.step(presses),
      onLook: (/** @type {import("../core/viewport.js").Viewport} */ viewport) => this.lens.look(viewport),
    };
    this.root.style.setProperty("--ratio", String(trial.left.width / trial.left.height));
    for (const face of Object.values(this.faces)) {
      const picture = trial[face.side];
      const shown = images[face.side];
      face.root.hidden = !picture;
      if (picture && shown) face.show(shown, picture, orders, sight);
      else face.clear();
    }
    this.toolbar.reflectZoom(false);
    showQuestion(this.root, this.faces, trial);
    this.reflect();
  }

  /** Both faces appear with the frame being made; `setClock` says more exactly when. @param {Draft | null} kept */
  begin(kept) {
    if (!this.judgement) return;
    this.begunAt = performance.now();
    this.shownAt = this.begunAt;
    this.isBusy = false;
    if (kept?.trial === this.judgement.trial) this.restore(kept);
    if (this.judgement.drawing.strokes.length) return this.redraw(this.judgement.drawing);
    this.reflect();
    this.keep();
  }

  /** @param {number} shownAt when both faces were on the screen, on the clock of performance.now */
  setClock(shownAt) {
    this.shownAt += shownAt - this.begunAt;
    this.begunAt = shownAt;
  }

  /** @param {Draft} kept */
  restore(kept) {
    if (!this.judgement) return;
    this.shownAt -= kept.elapsed;
    this.judgement = judgements.resume(this.judgement, kept);
    this.events = note(kept.events, "reload", kept.elapsed, { away_ms: Math.max(0, Date.now() - kept.at) });
  }

  /** @param {Side} side */
  choose(side) {
    if (!this.judgement || this.judgement.isRegion || this.judgement.choice === side) return;
    if (this.desk?.painter.isPainting) return this.reflect();
    const judgement = judgements.choose(this.judgement, side, this.elapsed);
    if (judgement === this.judgement) return this.offerSwitch();
    this.turnTo(judgement);
  }

  /** There is paint: the other face is chosen with a button that says what becomes of it. */
  offerSwitch() {
    this.reflect();
    this.say(URGENT.fixed, true);
    this.switch.hidden = false;
  }

  switchFace() {
    if (!this.judgement) return;
    this.noteEvent("clear");
    this.turnTo(judgements.switchFace(this.judgement, this.elapsed));
    this.faces[this.judgement.choice ?? "left"].radio.focus({ preventScroll: true });
  }

  /** @param {Judgement} judgement with another choice */
  turnTo(judgement) {
    this.judgement = judgement;
    this.noteEvent("choose", { side: judgement.choice ?? "" });
    this.reflect();
    this.keep();
  }

  /** @param {Stroke} stroke */
  addStroke(stroke) {
    if (!this.judgement) return;
    if (judgements.isClick(this.judgement, stroke)) return this.refuse(URGENT.click);
    const excess = judgements.excess(this.judgement, stroke);
    if (excess) return this.refuse(URGENT[excess]);
    this.draw(drawings.add(this.judgement.drawing, stroke));
  }

  /** Take the last stroke back. @param {string} why */
  refuse(why) {
    if (this.judgement) this.redraw(this.judgement.drawing);
    this.say(why, true);
  }

  /** @param {import("../core/drawing.js").Drawing} drawing */
  redraw(drawing) {
    this.paper?.surface.show(drawing.strokes);
    this.draw(drawing);
  }

  /** @param {import("../core/drawing.js").Drawing} drawing which is on the paper */
  draw(drawing) {
    if (!this.judgement) return;
    this.judgement = judgements.draw(this.judgement, drawing, this.paper?.painted?.covered() ?? 0);
    this.reflect();
    this.keep();
  }

  /** @param {"undo" | "redo" | "clear"} change */
  change(change) {
    if (!this.isOn || !this.judgement || this.desk?.painter.isPainting) return;
    const drawing = drawings[change](this.judgement.drawing);
    if (drawing === this.judgement.drawing) return;
    this.noteEvent(change);
    this.redraw(drawing);
  }

  get desk() {
    const choice = this.judgement?.choice;
    return choice ? this.faces[choice].desk : null;
  }

  /** The board one may paint on now. */
  get paper() {
    return this.judgement && judgements.mayPaint(this.judgement) ? this.desk?.board : undefined;
  }

  submit() {
    if (!this.isOn || !this.judgement) return;
    this.desk?.painter.finish();
    const lack = judgements.missing(this.judgement);
    if (lack) return this.say(urgent(this.judgement, lack), true);
    this.busy(true);
    const decision = judgements.decision(this.judgement, this.elapsed, this.events);
    this.orders.onSubmit(this.judgement.trial, decision);
  }

  /** The server wants something better. @param {string} detail */
  giveBack(detail) {
    this.busy(false);
    this.say(detail, true);
  }

  /** Practice: say which face is the fake one, until the participant goes on. @param {Feedback} feedback @param {boolean} isLast */
  explain(feedback, isLast) {
    this.busy(false);
    this.isBusy = true; // nothing more is painted
    this.next.textContent = "Continue";
    this.lens.zoom(0);
    showFeedback(this.root, this.faces, feedback, this.judgement?.choice);
    this.say(isLast ? PRACTICE_OVER : "", false);
    this.next.focus();
  }

  /** @param {boolean} isBusy */
  busy(isBusy) {
    this.isBusy = isBusy;
    this.root.setAttribute("aria-busy", String(isBusy));
    this.next.disabled = isBusy;
    this.next.textContent = isBusy ? "Saving…" : "Next";
    this.hint.style.visibility = isBusy ? "hidden" : "";
  }

  /** Take the pair away. */
  clear() {
    this.judgement = null;
    this.root.classList.remove("trial--feedback");
    for (const face of Object.values(this.faces)) face.clear();
    this.busy(false);
  }

  reflect() {
    const { judgement } = this;
    if (!judgement) return;
    const mayPaint = judgements.mayPaint(judgement);
    this.root.classList.toggle("trial--chosen", judgement.choice !== null);
    this.root.classList.toggle("trial--painted", !judgements.mayChoose(judgement));
    const sides = [this.faces.left, this.faces.right].sort((face) => (face.side === judgement.choice ? 1 : -1));
    for (const face of sides) face.reflect(face.side === judgement.choice, mayPaint);
    const { drawing } = judgement;
    this.toolbar.reflect({
      canUndo: drawings.canUndo(drawing),
      canRedo: drawings.canRedo(drawing),
      canClear: !drawings.isEmpty(drawing),
    });
    this.say(hint(judgement, judgements.missing(judgement)), false);
  }

  /** @param {string} text @param {boolean} isUrgent */
  say(text, isUrgent) {
    this.switch.hidden = true;
    this.hint.textContent = text;
    this.hint.classList.toggle("actions__hint--urgent", isUrgent);
  }

  /** @param {import("../core/events.js").Kind} kind @param {{[name: string]: string | number}} [detail] */
  noteEvent(kind, detail) {
    if (this.judgement && this.shownAt) this.events = note(this.events, kind, this.elapsed, detail);
  }

  /** Keep what there is, with the stroke in progress: a page may end at any moment. */
  keep() {
    if (!this.judgement || this.isBusy) return;
    const stroke = this.desk?.painter.current();
    const drawing = stroke ? drawings.add(this.judgement.drawing, stroke) : this.judgement.drawing;
    const judgement = { ...this.judgement, drawing };
    this.orders.onDraft(judgements.draft(judgement, this.elapsed, Date.now(), this.events));
  }

  /** By a key: the painting area is the next stop of Tab then. @param {Side} side */
  chooseByKey(side) {
    this.choose(side);
    if (this.judgement?.choice === side && !this.judgement.isRegion) {
      this.faces[side].radio.focus({ preventScroll: true });
    }
  }
}
