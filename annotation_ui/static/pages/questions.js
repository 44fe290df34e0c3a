/** Questions in words: the quiz before the faces, and what a study asks at its end. */

import { MAX_ANSWER_CHARACTERS } from "../core/contract.js";
import { find } from "./dom.js";

/**
 * @import { AskedQuestion, Step } from "../../page.d.ts"
 * @import { BrowserStorage } from "./storage.js"
 * @typedef {{[id: string]: string}} Answers
 */

const MOST_BUTTONS = 8; // more options than that make a list to open

export class QuestionPage {
  /**
   * @param {"quiz" | "questions"} kind @param {BrowserStorage} storage answers outlive a reload
   * @param {(answers: Answers) => void} onAnswers
   */
  constructor(kind, storage, onAnswers) {
    this.kind = kind;
    this.storage = storage;
    this.root = find(document, `[data-page=${kind}]`, HTMLElement);
    this.form = find(this.root, "form", HTMLFormElement);
    this.fields = find(this.root, ".questions", HTMLElement);
    this.button = find(this.form, "button[type=submit]", HTMLButtonElement);
    /** @type {readonly AskedQuestion[]} */
    this.questions = [];
    this.form.addEventListener("input", (event) => this.note(event));
    this.form.addEventListener("paste", (event) => this.count(event, "pastes"));
    this.form.addEventListener("drop", (event) => this.count(event, "drops"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.isComplete()) onAnswers(this.answers);
    });
  }

  /** @param {Step} step */
  show({ questions }) {
    this.questions = questions;
    this.fields.replaceChildren(...questions.map((question) => field(question, this.kind)));
    for (const [id, value] of Object.entries(this.storage.read(this.kind) ?? {})) this.fill(id, String(value));
    this.busy(false);
  }

  /** @param {string} id @param {string} value */
  fill(id, value) {
    for (const control of this.controls(id)) {
      if (control instanceof HTMLInputElement) control.checked = control.value === value;
      else control.value = value;
    }
  }

  /** @param {string} id @returns {(HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement)[]} */
  controls(id) {
    return [...this.form.querySelectorAll(`[name="${CSS.escape(id)}"]`)].filter(isControl);
  }

  /** Those that have one. @returns {Answers} */
  get answers() {
    const given = [...new FormData(this.form)].map(([id, value]) => /** @type {const} */ ([id, String(value).trim()]));
    return Object.fromEntries(given.filter(([, value]) => value !== ""));
  }

  /** @param {Event} event */
  note(event) {
    this.storage.write(this.kind, this.answers);
    if (event.target instanceof Element) complain(event.target.closest("[data-question]"), "");
  }

  /** What was pasted or dragged into a text field is counted and not kept. @param {Event} event @param {"pastes" | "drops"} what */
  count(event, what) {
    if (!(event.target instanceof HTMLTextAreaElement)) return;
    const counted = this.pasted;
    this.storage.write("pasted", { ...counted, [what]: (counted[what] ?? 0) + 1 });
  }

  /** Nothing where there is no text field. @returns {{pastes?: number, drops?: number}} */
  get pasted() {
    if (!this.form.querySelector("textarea")) return {};
    return { pastes: 0, drops: 0, ...this.storage.read("pasted") };
  }

  isComplete() {
    const given = this.answers;
    const open = this.questions.filter(({ id, required }) => (this.kind === "quiz" || required) && !given[id]);
    this.mark(
      open.map(({ id }) => id),
      "Please answer this question.",
    );
    return open.length === 0;
  }

  /** @param {readonly string[]} ids @param {string} text */
  mark(ids, text) {
    for (const part of this.fields.querySelectorAll("[data-question]")) {
      complain(part, ids.includes(part.getAttribute("data-question") ?? "") ? text : "");
    }
    this.controls(ids[0] ?? "")[0]?.focus();
  }

  /** @param {string} text */
  say(text) {
    find(this.root, "[role=status]", HTMLElement).textContent = text;
  }

  /** @param {boolean} isBusy */
  busy(isBusy) {
    this.button.disabled = isBusy;
  }
}

/** @param {Element} element @returns {element is HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} */
const isControl = (element) => element.matches("input, textarea, select");

/** @param {Element | null} part @param {string} text */
function complain(part, text) {
  if (!part) return;
  const error = find(part, ".field__error", HTMLElement);
  error.textContent = text;
  error.hidden = !text;
  for (const control of part.querySelectorAll("textarea, select")) {
    control.setAttribute("aria-invalid", String(text !== ""));
  }
}

/** @param {string} tag @param {{[attribute: string]: string}} attributes @param {...(Node | string)} inside */
function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/** @param {AskedQuestion} question @param {"quiz" | "questions"} kind the quiz sends the number of an option, from 1 */
function field(question, kind) {
  const error = `${kind}-${question.id}-error`;
  const options = (question.options ?? []).map((text, index) => ({
    text,
    value: kind === "quiz" ? String(index + 1) : text,
  }));
  const isOpen = question.kind !== "text" && options.length <= MOST_BUTTONS;
  const input = isOpen ? radios(question, options, error) : [box(question, options, kind, error)];
  const name = [
    question.text,
    ...(kind === "questions" && !question.required ? [make("span", { class: "muted small" }, " (optional)")] : []),
  ];
  const label = isOpen ? make("legend", {}, ...name) : make("label", { for: `${kind}-${question.id}` }, ...name);
  const complaint = make("p", { class: "field__error", id: error, hidden: "" });
  // A legend lies on the border of its fieldset in some browsers, whatever the style says: the card has the border.
  const asked = isOpen ? [make("fieldset", { class: "question-card__options" }, label, ...input)] : [label, ...input];
  return make("div", { class: "card question-card field", "data-question": question.id }, ...asked, complaint);
}

/** @param {AskedQuestion} question @param {{text: string, value: string}[]} options @param {string} error */
function radios({ id }, options, error) {
  return options.map(({ text, value }) =>
    make(
      "label",
      { class: "check" },
      make("input", { type: "radio", name: id, value, "aria-describedby": error }),
      make("span", {}, text),
    ),
  );
}

/** @param {AskedQuestion} question @param {{text: string, value: string}[]} options @param {string} kind @param {string} error */
function box(question, options, kind, error) {
  const shared = { id: `${kind}-${question.id}`, name: question.id, "aria-describedby": error };
  if (question.kind === "text") {
    return make("textarea", { ...shared, class: "textarea", rows: "3", maxlength: String(MAX_ANSWER_CHARACTERS) });
  }
  const choices = options.map(({ text, value }) => make("option", { value }, text));
  return make("select", { ...shared, class: "select" }, make("option", { value: "" }, "Please choose"), ...choices);
}
