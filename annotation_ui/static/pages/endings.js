/** How a visit ends: why, and the way back to the platform that the participant came from. */

import { byId } from "./dom.js";

/**
 * @import { Ending, VisitState } from "../../page.d.ts"
 * @import { Completion } from "../../participant.d.ts"
 * @typedef {{source: string, panel: string | null, assignment_id: string | null, turk_submit_to: string | null}} Visitor
 */

const MISTAKE = "If you think this is a mistake, please write to the researchers.";

/** @type {{[ending in Ending]: {title: string, text: string, next?: string, isOver?: boolean}}} */
const ENDINGS = {
  declined: { title: "You have not taken part", text: "We have stored nothing about you." },
  withdrew: { title: "You have left the study", text: "We have deleted your answers." },
  study_not_open: { title: "This study is not taking participants now", text: "The researchers have paused it." },
  closed: { title: "This study is closed", text: "It takes no more participants." },
  quota_full: {
    title: "All places are taken",
    text: "Enough people have taken part already. Thank you for your interest.",
  },
  begun_elsewhere: {
    title: "You have begun this study elsewhere",
    text: "Please open it where you began.",
    next: "If you cannot, write to the researchers. They can send you a link that lets you back in.",
    isOver: false,
  },
  already_took_part: { title: "You have already taken part", text: "Each person can take part once.", next: MISTAKE },
  screened_out: { title: "You cannot continue this study", text: "Thank you for your time.", next: MISTAKE },
  error: {
    title: "Something went wrong",
    text: "The answers you have given are saved.",
    next: "Load the page again to continue where you were. If that does not help, write to the researchers.",
    isOver: false,
  },
};

/** @type {{[source: string]: string}} */
const NAMES = { prolific: "Prolific", mturk: "MTurk" };

/** What somebody calls the platform that they came from. @param {Visitor} visitor */
const platformOf = ({ source, panel }) => NAMES[source] ?? panel ?? undefined;

/** How to leave a platform without an answer, and without harm. @type {{[source: string]: string}} */
const RETURNS = {
  prolific:
    "return your submission: on the Prolific page, choose “Cancel participation”. A returned submission does not count against you.",
  mturk: "return the HIT on MTurk. A returned HIT does not count against you.",
};

const OWED_ON_PROLIFIC =
  "Please return your submission: on the Prolific page, choose “Cancel participation”. Then send the researchers the reference below in a message on Prolific. They can pay you for what you did.";

/**
 * What to do now.
 *
 * @param {Visitor} visitor @param {{hasLink: boolean, code: string | null, isOwed: boolean, reference: string}} hand what the page offers
 */
function wayOut(visitor, { hasLink, code, isOwed, reference }) {
  const { source } = visitor;
  const name = platformOf(visitor);
  if (hasLink) return name ? `Press the button to go back to ${name}.` : "Press the button to go on.";
  if (code && name) return `Please enter this code on ${name}.`;
  if (isOwed && source === "prolific") return OWED_ON_PROLIFIC;
  if (RETURNS[source]) return `Please ${RETURNS[source]}`;
  const contact =
    "If you have a question, write to the researchers who invited you and tell them the reference below. ";
  return `${reference ? contact : ""}You can close this window.`;
}

/** What to do where a device cannot show the study. @param {string} source */
export const leaveText = (source) =>
  RETURNS[source]
    ? `If you cannot do this, please ${RETURNS[source]}`
    : "If you cannot do this now, close this page. The same link brings you back.";

/** @param {VisitState} state @param {Visitor} visitor @param {string} reference */
export function showEnding({ ending, detail, code, redirect_url, isOwed }, visitor, reference) {
  const { title, text, next = "", isOver = true } = ENDINGS[ending ?? "error"];
  const quoted = ending === "declined" ? "" : reference;
  const name = platformOf(visitor);
  byId("ending-title").textContent = title;
  byId("ending-text").textContent = detail && !detail.startsWith(title) ? detail : text;
  const hasLink = offerLink("ending-link", redirect_url, name);
  byId("ending-next").textContent = wayOut(visitor, { hasLink, code, isOwed, reference: quoted });
  byId("ending-next").hidden = !isOver;
  byId("ending-more").textContent = next;
  byId("ending-retry").hidden = ending !== "error";
  showCode("ending", code, name ? `Code for ${name}` : "Code (only if you are asked for it)");
  if (code) {
    offerTurk(
      code,
      visitor,
      byId("ending-next"),
      isOwed ? PAID : "Please submit the HIT. Its code tells the researchers how your visit ended.",
    );
  }
  showReference("ending", quoted);
}

/** @param {Completion} completion @param {Visitor} visitor */
export function showCompletion({ message, code, redirect_url, reference }, visitor) {
  byId("completion-message").textContent = message || "All your answers are saved.";
  const hasLink = offerLink("completion-link", redirect_url);
  showCode("completion", code, hasLink ? "If the button does not work, enter this code" : "Your completion code");
  byId("completion-close").hidden = hasLink;
  byId("completion-close").textContent =
    visitor.source === "prolific" ? finishOnProlific(code) : "You can close this window now.";
  showReference("completion", reference ?? "");
  offerTurk(code ?? "", visitor, byId("completion-close"), PAID);
}

/** @param {string | null} code */
const finishOnProlific = (code) =>
  code
    ? "Please enter this code on Prolific."
    : "Please go back to the Prolific page and finish there. If Prolific asks for a code, choose that you have none: the researchers know your Prolific ID.";

/** @param {"completion" | "ending"} page @param {string | null} code @param {string} label */
function showCode(page, code, label) {
  byId(`${page}-code-block`).hidden = !code;
  byId(`${page}-code`).textContent = code ?? "";
  byId(`${page}-label`).textContent = label;
}

/** @param {"completion" | "ending"} page @param {string} reference */
function showReference(page, reference) {
  byId(`${page}-reference`).hidden = !reference;
  byId(`${page}-reference-code`).textContent = reference;
}

/** @param {string} id @param {string | null | undefined} url of the platform; only http and https lead anywhere @param {string} [name] */
function offerLink(id, url, name) {
  const link = byId(id);
  const leads = link instanceof HTMLAnchorElement && /^https?:\/\//.test(url ?? "");
  if (leads) link.href = String(url);
  if (leads && name) link.textContent = `Return to ${name}`;
  link.hidden = !leads;
  return leads;
}

const PAID = "Please submit the HIT so that you are paid.";

/**
 * MTurk pays for a form that its own page receives.
 *
 * @param {string} code @param {Visitor} visitor @param {HTMLElement} line says what to do; the form stands after it @param {string} text
 */
function offerTurk(code, visitor, line, text) {
  const form = byId("turk-form");
  if (!(form instanceof HTMLFormElement) || !visitor.turk_submit_to || !visitor.assignment_id) return;
  form.action = visitor.turk_submit_to;
  form.prepend(hiddenField("assignmentId", visitor.assignment_id), hiddenField("completionCode", code));
  form.hidden = false;
  line.after(form);
  line.textContent = text;
}

/** @param {string} name @param {string} value */
function hiddenField(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}
