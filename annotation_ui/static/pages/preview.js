/**
 * The participant's page with another server behind it: staff see any step of any arm, and nothing is recorded.
 *
 * @import { Script } from "./preview-server.js"
 * @import { Session } from "./storage.js"
 */

import { byId, find } from "./dom.js";
import { PreviewServer, PreviewStorage } from "./preview-server.js";
import { Visit } from "./visit.js";
import { numberSteps, showExample, wire } from "./wiring.js";

/** A visit whose address stays as it is. */
class PreviewVisit extends Visit {
  /** @override @param {Session} session */
  remember(session) {
    this.server.api.token = session.token;
    this.storage.write("session", session);
  }

  /** @override */
  leaveAddress() {
    // There is nothing in it.
  }

  /** @override */
  startAnew() {
    location.reload();
  }
}

/** @param {Visit} visit @param {Script} script */
async function goTo(visit, { step, annotate }) {
  if (step === "consent") return visit.begin();
  if (step === "declined") return visit.handle({ type: "declined", ...visit.page.ways_out.declined });
  if (step !== "instructions") visit.storage.write("briefed", true);
  visit.remember({ token: "preview", annotate, trials: 0, assignment: null, version: page.version });
  visit.handle({ type: "consent_given" });
  visit.handle({ type: "joined" });
  if (step === "withdrawn") return visit.withdraw();
  await visit.arrive();
}

const page = /** @type {import("../../participant.d.ts").PageData} */ (JSON.parse(byId("page").textContent ?? ""));
const script = /** @type {Script} */ (JSON.parse(byId("script").textContent ?? ""));
numberSteps(page);
const server = /** @type {any} */ (new PreviewServer(script));
const visit = new PreviewVisit(page, server, new PreviewStorage("preview."));
wire(visit);
showExample(() => script.annotate);
const bar = find(document, "#preview", HTMLFormElement);
bar.addEventListener("change", () => bar.submit());
document.documentElement.dataset["started"] = "";
await goTo(visit, script);
