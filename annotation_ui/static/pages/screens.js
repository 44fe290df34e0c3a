// @ts-check
/** Which page of the visit is in front, and what the endings say. */

import { byId } from "./dom.js";

/**
 * @typedef {import("../core/visit.js").State} State
 * @typedef {import("../core/visit.js").Ending} Ending
 * @typedef {import("../core/visit.js").Completion} Completion
 * @typedef {{source: string, assignment_id: string | null, turk_submit_to: string | null}} Visitor
 */

/** @type {{[ending in Ending]: {title: string, text: string, next: string, retry?: boolean}}} */
const ENDINGS = {
  declined: {
    title: "You have not taken part",
    text: "Nothing about you has been stored.",
    next: "You can close this window. If you came from a marketplace, please return the task there.",
  },
  withdrew: {
    title: "You have left the study",
    text: "The answers that you had given are deleted.",
    next: "You can close this window. If you came from a marketplace, please return the task there.",
  },
  study_not_open: {
    title: "This study is not taking participants now",
    text: "Nothing more is recorded.",
    next: "If you came from a marketplace, please return the task there so that it does not count against you.",
  },
  quota_full: {
    title: "All places are taken",
    text: "Enough people have taken part already. Thank you for your interest.",
    next: "If you came from a marketplace, please return the task there so that it does not count against you.",
  },
  already_took_part: {
    title: "You have already taken part",
    text: "Each person can take part in this study once.",
    next: "If you think this is a mistake, please write to the people who run the study.",
  },
  error: {
    title: "Something went wrong",
    text: "The answers that you have already given are safe.",
    next: "Loading the page again continues where you were.",
    retry: true,
  },
};

/** @param {State["page"]} page */
export function bringToFront(page) {
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

/** @param {Ending} ending @param {string} detail the server's own sentence, if it said one @param {string} reference */
export function showEnding(ending, detail, reference) {
  const { title, text, next, retry } = ENDINGS[ending];
  byId("ending-title").textContent = title;
  byId("ending-text").textContent = detail || text;
  byId("ending-next").textContent = next;
  byId("ending-retry").hidden = !retry;
  byId("ending-reference").hidden = !reference;
  byId("ending-reference-code").textContent = reference;
}

/** @param {Completion} completion @param {Visitor} visitor */
export function showCompletion(completion, visitor) {
  byId("completion-message").textContent = completion.message || "All your answers are saved.";
  byId("completion-code-block").hidden = !completion.code;
  byId("completion-code").textContent = completion.code;
  offerWayBack(completion.redirect_url ?? "");
  if (visitor.turk_submit_to && visitor.assignment_id) offerTurk(completion.code, visitor);
}

/** @param {string} url of the marketplace; only http and https lead anywhere */
function offerWayBack(url) {
  const link = byId("completion-link");
  if (!(link instanceof HTMLAnchorElement) || !/^https?:\/\//.test(url)) return;
  link.href = url;
  link.hidden = false;
  byId("completion-close").hidden = true;
}

/** MTurk pays for a form that its own page receives. @param {string} code @param {Visitor} visitor */
function offerTurk(code, visitor) {
  const form = byId("turk-form");
  if (!(form instanceof HTMLFormElement) || !visitor.turk_submit_to) return;
  form.action = visitor.turk_submit_to;
  form.prepend(hiddenField("assignmentId", visitor.assignment_id ?? ""), hiddenField("completionCode", code));
  form.hidden = false;
  byId("completion-close").textContent = "Your answers are saved. Submit the task so that you are paid.";
}

/** @param {string} name @param {string} value */
function hiddenField(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}

/** @param {number} position from 1 @param {number} total */
export function showProgress(position, total) {
  const bar = byId("progress-bar");
  if (bar instanceof HTMLProgressElement) {
    bar.max = total;
    bar.value = position - 1;
  }
  byId("progress-text").textContent = `${position} of ${total}`;
}

/** A quiet line above the page; empty takes it away. @param {string} text */
export function say(text) {
  const banner = byId("banner");
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}
