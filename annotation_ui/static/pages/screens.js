/** Which page of the visit is in front, and what the endings say. */

import { byId } from "./dom.js";

/**
 * @import { Completion, Ending, State } from "../../participant.d.ts"
 * @typedef {{source: string, assignment_id: string | null, turk_submit_to: string | null}} Visitor
 */

const LATER = "If you think this is a mistake, please write to the researchers.";

/** @type {{[ending in Ending]: {title: string, text: string, next?: string, canRetry?: boolean}}} */
const ENDINGS = {
  declined: { title: "You have not taken part", text: "We have stored nothing about you." },
  withdrew: { title: "You have left the study", text: "We have deleted your answers." },
  study_not_open: { title: "This study is not taking participants now", text: "Nothing more is recorded." },
  closed: { title: "This study is closed", text: "Nothing more is recorded." },
  quota_full: { title: "All places are taken", text: "Enough people have taken part already. Thank you for your interest." },
  begun_elsewhere: {
    title: "You have begun this study elsewhere",
    text: "Please open it where you began.",
    next: "If you cannot, write to the people who run the study. They can send you a link that lets you back in.",
  },
  already_took_part: { title: "You have already taken part", text: "Each person can take part once.", next: LATER },
  screened_out: { title: "You cannot continue this study", text: "Thank you for your time.", next: LATER },
  error: {
    title: "Something went wrong",
    text: "The answers you have given are saved.",
    next: "Load the page again to continue where you were.",
    canRetry: true,
  },
};

/** Where somebody goes from an ending that is not the end of the study, by where they came from. @type {{[source: string]: string}} */
const WAYS_BACK = {
  mturk: "Please return the HIT on MTurk, so that it does not count against you.",
  prolific: "Please return your submission on Prolific, so that it does not count against you.",
};

/** @param {State["page"]} page the feedback is told on the page of the trial */
export function bringToFront(page) {
  if (page === "feedback") return;
  for (const section of document.querySelectorAll("[data-page]")) {
    if (section instanceof HTMLElement) section.hidden = section.dataset["page"] !== page;
  }
  window.scrollTo(0, 0);
  const title = document.querySelector(`[data-page="${page}"] h1`);
  if (title instanceof HTMLElement) title.focus({ preventScroll: true });
}

/** Show what is for one arm only. @param {boolean} annotate */
export function showArm(annotate) {
  for (const part of document.querySelectorAll("[data-arm=annotate]")) {
    if (part instanceof HTMLElement) part.hidden = !annotate;
  }
}

/** @param {State} state @param {Visitor} visitor @param {string} reference */
export function showEnding({ ending, detail, code, redirect_url }, visitor, reference) {
  const { title, text, next, canRetry } = ENDINGS[ending ?? "error"];
  byId("ending-title").textContent = title;
  byId("ending-text").textContent = detail || text;
  byId("ending-next").textContent = [next, redirect_url || code ? "" : wayBack(ending ?? "error", visitor)].filter(Boolean).join(" ");
  byId("ending-retry").hidden = !canRetry;
  byId("ending-code-block").hidden = !code;
  byId("ending-code").textContent = code ?? "";
  if (code) offerTurk(code, visitor, "ending-next");
  offerLink("ending-link", redirect_url);
  showReference("ending", ending === "declined" ? "" : reference);
}

/** @param {Ending} ending @param {Visitor} visitor @returns {string} nothing where the visit goes on, here or elsewhere */
function wayBack(ending, { source }) {
  if (ending === "error" || ending === "begun_elsewhere") return "";
  return WAYS_BACK[source] ?? "You can close this window.";
}

/** @param {Completion} completion @param {Visitor} visitor */
export function showCompletion(completion, visitor) {
  byId("completion-message").textContent = completion.message || "All your answers are saved.";
  byId("completion-code-block").hidden = !completion.code;
  byId("completion-code").textContent = completion.code ?? "";
  byId("completion-close").hidden = offerLink("completion-link", completion.redirect_url);
  showReference("completion", completion.reference ?? "");
  offerTurk(completion.code ?? "", visitor, "completion-close");
}

/** @param {"completion" | "ending"} page @param {string} reference */
function showReference(page, reference) {
  byId(`${page}-reference`).hidden = !reference;
  byId(`${page}-reference-code`).textContent = reference;
}

/** @param {string} id @param {string | null | undefined} url of the marketplace; only http and https lead anywhere */
function offerLink(id, url) {
  const link = byId(id);
  const leads = link instanceof HTMLAnchorElement && /^https?:\/\//.test(url ?? "");
  if (leads) link.href = String(url);
  link.hidden = !leads;
  return leads;
}

/**
 * MTurk pays for a form that its own page receives.
 *
 * @param {string} code @param {Visitor} visitor @param {string} line says what to do; the form stands before it
 */
function offerTurk(code, visitor, line) {
  const form = byId("turk-form");
  if (!(form instanceof HTMLFormElement) || !visitor.turk_submit_to || !visitor.assignment_id) return;
  form.action = visitor.turk_submit_to;
  form.prepend(hiddenField("assignmentId", visitor.assignment_id), hiddenField("completionCode", code));
  form.hidden = false;
  byId(line).before(form);
  byId(line).textContent = "Your answers are saved. Submit the task so that you are paid.";
}

/** @param {string} name @param {string} value */
function hiddenField(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}

/** @param {import("../../participant.d.ts").Trial} trial */
export function showProgress({ kind, position, total }) {
  const bar = byId("progress-bar");
  if (bar instanceof HTMLProgressElement) {
    bar.max = total;
    bar.value = position - 1;
  }
  byId("progress-text").textContent = `${kind === "practice" ? "Practice " : ""}${position} of ${total}`;
}

/** A quiet line above the page; empty takes it away. @param {string} text */
export function say(text) {
  const banner = byId("banner");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}
