/** The participant's page: one visit. */

import { byId } from "./dom.js";
import { Server } from "./server.js";
import { openOutboxStore } from "./storage.js";
import { Visit } from "./visit.js";
import { numberSteps, showExample, wire } from "./wiring.js";

const page = /** @type {import("../../participant.d.ts").PageData} */ (JSON.parse(byId("page").textContent ?? ""));
numberSteps(page);
const visit = new Visit(page, new Server(page, await openOutboxStore()));
wire(visit);
showExample(() => visit.session?.annotate ?? true);
document.documentElement.dataset["started"] = "";
await visit.begin();
