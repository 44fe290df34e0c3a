/** The trial page: two faces, one question, a choice and, in the annotating arm, the paint that says why. */

import * as drawings from "../core/drawing.js";
import * as trials from "../core/trial.js";
import { addEvent, withInput } from "../core/events.js";
import { InputTally } from "../core/input.js";
import { firstRadius } from "../core/stroke.js";
import { actionsOf, commandsOf } from "./commands.js";
import { byId, button } from "./dom.js";
import { Face } from "./face.js";
import { PRACTICE_OVER, URGENT, hint, nameSides, showFeedback, showQuestion, stacked, urgent } from "./hints.js";
import { isControlled } from "./listening.js";
import { PairView } from "./view.js";
import { listen } from "./shortcuts.js";
import { Toolbar } from "./toolbar.js";
import { setTrap } from "./trap.js";

/**
 * @import { Draft, TrialState } from "../../page.d.ts"
 * @import { AdviceView, AnnotationRule, DecisionBody, Feedback, Side, TrialEvent, TrialView } from "../../participant.d.ts"
 * @import { Stroke } from "../core/stroke.js"
 * @import { Images } from "./face.js"
 *
 * @typedef {object} Callbacks
 * @property {(trial: string, decision: DecisionBody) => void} onSubmit
 * @property {(draft: Draft) => void} onDraft
 * @property {() => void} onFeedbackRead the feedback has been read
 * @property {() => boolean} isInFront no dialog is open
 */

export class TrialPage {
  /** @param {Callbacks} callbacks */
  constructor(callbacks) {
    this.callbacks = callbacks;
    this.root = byId("trial");
    this.hint = byId("hint");
    this.next = button("next");
    this.switch = button("switch");
    this.faces = { left: new Face(this.root, "left"), right: new Face(this.root, "right") };
    this.toolbar = new Toolbar(
      (command) => commandsOf(this)[command](),
      () => this.view.showBrush(this.activeBoard),
    );
    this.view = new PairView(this.faces, this.toolbar);
    /** @type {TrialState | null} */
    this.state = null;
    /** @type {AdviceView | null} */
    this.advice = null;
    /** @type {readonly TrialEvent[]} */
    this.events = [];
    this.input = new InputTally();
    /** @type {HTMLElement | null} */
    this.trap = null;
    this.begunAt = 0;
    this.shownAt = 0;
    this.isBusy = false;
    this.next.addEventListener("click", () =>
      this.root.classList.contains("trial--feedback") ? callbacks.onFeedbackRead() : this.submit(),
    );
    this.switch.addEventListener("click", () => this.isOn && this.switchFace());
    for (const face of Object.values(this.faces)) this.listenTo(face);
    listen(actionsOf(this), () => this.isOn);
    stacked.addEventListener("change", () => nameSides(this.faces, this.advice));
  }

  get isOn() {
    return this.state !== null && !this.isBusy && this.callbacks.isInFront();
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
   * @param {TrialView} trial @param {AnnotationRule} rule @param {{left: Images, right: Images | null}} images
   * @param {readonly TrialEvent[]} events what came before
   */
  prepare(trial, rule, images, events) {
    this.state = trials.begin(trial, rule);
    this.advice = trial.advice;
    this.events = trial.advice ? addEvent(events, "advice_shown", 0) : events;
    this.input.reset();
    this.trap?.remove();
    this.trap = trial.trap ? setTrap(byId("pair"), this.input) : null;
    this.isBusy = true;
    this.toolbar.choose("brush");
    if (!this.toolbar.radius) this.toolbar.resize(firstRadius(trial.left));
    const callbacks = {
      brush: () => ({ tool: this.toolbar.tool, radius: this.toolbar.radius }),
      shownAt: () => this.shownAt,
      mayPaint: () => !this.isBusy,
      onStroke: (/** @type {Stroke} */ stroke) => this.addStroke(stroke),
    };
    const viewCallbacks = {
      onResize: (/** @type {number} */ presses) => this.activeBoard && this.toolbar.step(presses),
      onLook: (/** @type {import("../core/viewport.js").Viewport} */ viewport) => this.view.look(viewport),
    };
    this.root.style.setProperty("--ratio", String(trial.left.width / trial.left.height));
    for (const face of Object.values(this.faces)) {
      const picture = trial[face.side];
      const shown = images[face.side];
      face.root.hidden = !picture;
      if (picture && shown) face.show(shown, picture, callbacks, viewCallbacks);
      else face.clear();
    }
    this.toolbar.reflectZoom(false);
    showQuestion(this.root, this.faces, trial);
    this.reflect();
  }

  /** Both faces appear with the frame being made; `setClock` says more exactly when. @param {Draft | null} saved */
  begin(saved) {
    if (!this.state) return;
    this.begunAt = performance.now();
    this.shownAt = this.begunAt;
    this.isBusy = false;
    if (saved?.trial === this.state.trial) this.restore(saved);
    if (this.state.drawing.strokes.length) return this.redraw(this.state.drawing);
    this.reflect();
    this.keep();
  }

  /** @param {number} shownAt when both faces were on the screen, on the clock of performance.now */
  setClock(shownAt) {
    this.shownAt += shownAt - this.begunAt;
    this.begunAt = shownAt;
  }

  /** @param {Draft} saved */
  restore(saved) {
    if (!this.state) return;
    this.shownAt -= saved.elapsed;
    this.state = trials.resume(this.state, saved);
    this.events = addEvent(saved.events, "reload", saved.elapsed, { away_ms: Math.max(0, Date.now() - saved.at) });
  }

  /** @param {Side} side */
  choose(side) {
    if (!this.state || this.state.isRegion || this.state.choice === side) return;
    if (this.workspace?.painter.isPainting) return this.reflect();
    const state = trials.choose(this.state, side, this.elapsed);
    if (state === this.state) return this.offerSwitch();
    this.turnTo(state);
  }

  /** There is paint: the other face is chosen with a button that says that the paint is lost. */
  offerSwitch() {
    this.reflect();
    this.say(URGENT.fixed, true);
    this.switch.hidden = false;
  }

  switchFace() {
    if (!this.state) return;
    this.noteEvent("clear");
    this.turnTo(trials.switchFace(this.state, this.elapsed));
    this.faces[this.state.choice ?? "left"].radio.focus({ preventScroll: true });
  }

  /** @param {TrialState} state with another choice */
  turnTo(state) {
    this.state = state;
    this.noteEvent("choose", { side: state.choice ?? "" });
    this.reflect();
    this.keep();
  }

  /** @param {Stroke} stroke */
  addStroke(stroke) {
    if (!this.state) return;
    if (trials.isClick(this.state, stroke)) return this.refuse(URGENT.click);
    const excess = trials.excess(this.state, stroke);
    if (excess) return this.refuse(URGENT[excess]);
    this.draw(drawings.add(this.state.drawing, stroke));
  }

  /** Take the last stroke back. @param {string} why */
  refuse(why) {
    if (this.state) this.redraw(this.state.drawing);
    this.say(why, true);
  }

  /** @param {import("../core/drawing.js").Drawing} drawing */
  redraw(drawing) {
    this.activeBoard?.surface.show(drawing.strokes);
    this.draw(drawing);
  }

  /** @param {import("../core/drawing.js").Drawing} drawing which is on the board */
  draw(drawing) {
    if (!this.state) return;
    this.state = trials.draw(this.state, drawing, this.activeBoard?.painted?.covered() ?? 0);
    this.reflect();
    this.keep();
  }

  /** @param {"undo" | "redo" | "clear"} change */
  change(change) {
    if (!this.isOn || !this.state || this.workspace?.painter.isPainting) return;
    const drawing = drawings[change](this.state.drawing);
    if (drawing === this.state.drawing) return;
    this.noteEvent(change);
    this.redraw(drawing);
  }

  get workspace() {
    const choice = this.state?.choice;
    return choice ? this.faces[choice].workspace : null;
  }

  /** The board one may paint on now. */
  get activeBoard() {
    return this.state && trials.mayPaint(this.state) ? this.workspace?.board : undefined;
  }

  submit() {
    if (!this.isOn || !this.state) return;
    this.workspace?.painter.finish();
    const lack = trials.missing(this.state);
    if (lack) return this.say(urgent(this.state, lack), true);
    this.busy(true);
    const now = this.elapsed;
    const events = withInput(this.events, this.input.facts(isControlled()), now);
    const decision = trials.decision(this.state, now, events);
    this.callbacks.onSubmit(this.state.trial, decision);
  }

  /** The server refused the decision. @param {string} detail */
  showRefusal(detail) {
    this.busy(false);
    this.say(detail, true);
  }

  /** Practice: say which face is fake, until the participant continues. @param {Feedback} feedback @param {boolean} isLast */
  showFeedback(feedback, isLast) {
    this.busy(false);
    this.isBusy = true; // nothing more is painted
    this.next.textContent = "Continue";
    this.view.zoom(0);
    showFeedback(this.root, this.faces, feedback, this.state?.choice);
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
    this.state = null;
    this.trap?.remove();
    this.root.classList.remove("trial--feedback");
    for (const face of Object.values(this.faces)) face.clear();
    this.busy(false);
  }

  reflect() {
    const { state } = this;
    if (!state) return;
    const mayPaint = trials.mayPaint(state);
    this.root.classList.toggle("trial--chosen", state.choice !== null);
    this.root.classList.toggle("trial--painted", !trials.mayChoose(state));
    const sides = [this.faces.left, this.faces.right].sort((face) => (face.side === state.choice ? 1 : -1));
    for (const face of sides) face.reflect(face.side === state.choice, mayPaint);
    const { drawing } = state;
    this.toolbar.reflect({
      canUndo: drawings.canUndo(drawing),
      canRedo: drawings.canRedo(drawing),
      canClear: !drawings.isEmpty(drawing),
    });
    this.say(hint(state, trials.missing(state)), false);
  }

  /** @param {string} text @param {boolean} isUrgent */
  say(text, isUrgent) {
    this.switch.hidden = true;
    this.hint.textContent = text;
    this.hint.classList.toggle("actions__hint--urgent", isUrgent);
  }

  /** @param {import("../core/events.js").Kind} kind @param {{[name: string]: string | number}} [detail] */
  noteEvent(kind, detail) {
    if (this.state && this.shownAt) this.events = addEvent(this.events, kind, this.elapsed, detail);
  }

  /** Keep what there is, with the stroke in progress: a page may end at any moment. */
  keep() {
    if (!this.state || this.isBusy) return;
    const stroke = this.workspace?.painter.current();
    const drawing = stroke ? drawings.add(this.state.drawing, stroke) : this.state.drawing;
    const state = { ...this.state, drawing };
    this.callbacks.onDraft(trials.draft(state, this.elapsed, Date.now(), this.events));
  }

  /** Choose by a key; the next stop of Tab is the painting area. @param {Side} side */
  chooseByKey(side) {
    this.choose(side);
    if (this.state?.choice === side && !this.state.isRegion) {
      this.faces[side].radio.focus({ preventScroll: true });
    }
  }
}
