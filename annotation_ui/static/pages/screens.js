/** Which page of the visit is in front, and what stands around it. */

import { byId } from "./dom.js";

/** @import { VisitState } from "../../page.d.ts" */

/** @param {VisitState["page"]} page the feedback is shown on the page of the trial */
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

/** @param {import("../../participant.d.ts").TrialView} trial */
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
