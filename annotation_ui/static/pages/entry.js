/**
 * How somebody comes into a visit: by consent, by a browser that was in it before, by a link from the staff.
 *
 * @import { PageData } from "../../participant.d.ts"
 * @import { Notes, Session } from "./storage.js"
 */

import { describeBrowser } from "./browser.js";

/** The code of a link by which the staff let somebody back in. */
export function codeInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("r") ?? "";
}

/**
 * What consent sends.
 *
 * @param {PageData} page @param {Notes} notes @param {string} link empty for who comes through a platform
 */
export function consentOf({ source, external_id, assignment_id, consent_version }, notes, link) {
  const who = external_id ? { external_id, assignment_id: assignment_id ?? ownKey(notes) } : {};
  const by = link ? { link_token: link } : {};
  return { source, ...who, ...by, consent: true, consent_version, client: describeBrowser() };
}

/** What shows that two requests are one person's where their platform tells no session. @param {Notes} notes @returns {string} */
function ownKey(notes) {
  const fresh = () => Array.from(crypto.getRandomValues(new Uint32Array(6)), (part) => part.toString(36)).join("-");
  const key = notes.read("key") ?? fresh();
  notes.write("key", key);
  return key;
}

/** Has a platform sent somebody whom this browser knows under another session? @param {PageData} page @param {Session | null} session */
export function isAnotherSession({ external_id, assignment_id }, session) {
  return Boolean(external_id && assignment_id && session && session.assignment !== assignment_id);
}
