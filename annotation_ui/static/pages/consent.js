/** Consent: read to the end, then ticked. A text that fits the window counts as read. */

import { button, byId, find } from "./dom.js";

const SCROLL = "Please read the text to the end first.";
const TICK = "Please tick the box if you agree, or choose “I do not want to take part”.";

/** @param {() => void} onAgree @param {() => void} onDecline */
export function listenToConsent(onAgree, onDecline) {
  const tick = find(document, "#agree", HTMLInputElement);
  const page = find(document, "[data-page=consent]", HTMLElement);
  const end = byId("consent-end");
  let isRead = false;
  // The end lies above the box, so that it is in view for those who reach the box by keyboard or screen reader.
  const look = () => {
    isRead ||= end.getBoundingClientRect().bottom <= innerHeight;
    page.classList.toggle("consent--read", isRead);
    return isRead;
  };
  new IntersectionObserver(look).observe(end);
  tick.addEventListener("click", (event) => {
    if (!look()) event.preventDefault();
    complain(tick, isRead ? "" : SCROLL);
  });
  byId("consent-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (tick.checked) return onAgree();
    complain(tick, look() ? TICK : SCROLL);
    tick.focus();
  });
  button("decline").addEventListener("click", onDecline);
}

/** @param {HTMLInputElement} tick @param {string} text */
function complain(tick, text) {
  byId("agree-error").textContent = text;
  byId("agree-error").hidden = !text;
  tick.setAttribute("aria-invalid", String(text !== ""));
}

/** Consent is on its way. @param {boolean} isBusy */
export function showBusy(isBusy) {
  const next = find(byId("consent-form"), "[type=submit]", HTMLButtonElement);
  next.disabled = isBusy;
  next.textContent = isBusy ? "One moment…" : "Continue";
}

/** A field that no person sees: what fills it in is a program. */
export const honeypot = () => find(document, "#website", HTMLInputElement).value;
