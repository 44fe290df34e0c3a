/**
 * How a participant gets into a visit: by consent, in a browser that was in it before, by a link from the staff.
 *
 * @import { Enrolment, PageData } from "../../participant.d.ts"
 * @import { BrowserStorage, Session } from "./storage.js"
 */

import { describeBrowser } from "./browser.js";

/** The code of a link by which the staff let a participant back in. */
export function codeInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("r") ?? "";
}

/**
 * What consent sends.
 *
 * @param {PageData} page @param {BrowserStorage} storage @param {string} link empty for who comes through a platform
 @returns {Enrolment}
 */
export function consentOf({ source, external_id, assignment_id, via, consent_version }, storage, link) {
  const who = external_id ? { external_id } : {};
  const by = { ...(link && { link_token: link }), ...(link && via && { via }) };
  const session = assignment_id ?? ownKey(storage);
  return { source, ...who, ...by, assignment_id: session, consent: true, consent_version, client: describeBrowser() };
}

/** A secret that shows that two requests are one person's, where the platform sends no session. @param {BrowserStorage} storage @returns {string} */
function ownKey(storage) {
  const fresh = () => Array.from(crypto.getRandomValues(new Uint32Array(6)), (part) => part.toString(36)).join("-");
  const key = storage.read("key") ?? fresh();
  storage.write("key", key);
  return key;
}

/** Has the platform sent a person whom this browser knows under another session? @param {PageData} page @param {Session | null} session */
export function isAnotherSession({ external_id, assignment_id }, session) {
  return Boolean(external_id && assignment_id && session && session.assignment !== assignment_id);
}
