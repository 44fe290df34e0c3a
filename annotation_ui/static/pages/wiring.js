/** The buttons of the participant's page, wired to its visit. */

import { Example } from "../canvas/example.js";
import { stepText } from "../core/visit.js";
import { watch } from "./browser.js";
import { honeypot, listenToConsent } from "./consent.js";
import { byId, button, find } from "./dom.js";
import { listenToInput } from "./listening.js";

/** @param {import("./visit.js").Visit} visit */
export function wire(visit) {
  listenToConsent(
    () => visit.agree({ website: honeypot() }),
    () => visit.handle({ type: "declined", ...visit.page.ways_out.declined }),
  );
  button("start").addEventListener("click", () => visit.instructionsRead());
  button("debriefed").addEventListener("click", () => visit.handle({ type: "debriefing_read" }));
  button("withdraw").addEventListener("click", async () => {
    await visit.withdraw();
    if (visit.state.page === "ended") find(document, "#leave", HTMLDialogElement).close();
  });
  button("ending-retry").addEventListener("click", () => location.reload());
  button("another").addEventListener("click", () => visit.startAnew());
  window.addEventListener("beforeunload", (event) => visit.server.isWaiting && event.preventDefault());
  for (const copy of document.querySelectorAll(".copy-code")) copy.addEventListener("click", () => copyCode(copy));
  for (const name of ["help", "leave"]) {
    const dialog = find(document, `#${name}`, HTMLDialogElement);
    button(`open-${name}`).addEventListener("click", () => dialog.showModal());
  }
  // A crash sends no event, so a stroke in progress is kept every second.
  const { trialPage } = visit.sequence;
  setInterval(() => trialPage.workspace?.painter.isPainting && trialPage.keep(), 1000);
  listenToInput(trialPage.input);
  watch(
    (kind, detail) => trialPage.noteEvent(kind, detail),
    () => trialPage.keep(),
  );
}

/** @param {Element} copy beside a code, before the line that says how it went */
async function copyCode(copy) {
  const code = find(/** @type {Element} */ (copy.parentElement), ".completion-code", HTMLElement);
  const said = find(/** @type {Element} */ (copy.closest(".code-block")), "[role=status]", HTMLElement);
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    said.textContent = "Copied.";
  } catch {
    getSelection()?.selectAllChildren(code);
    said.textContent = "The code is selected. Copy it with Ctrl C.";
  }
}

/** Which step of how many each page is. @param {import("../../participant.d.ts").PageData} page */
export function numberSteps(page) {
  for (const line of document.querySelectorAll("[data-step]")) {
    line.textContent = stepText(line.getAttribute("data-step") ?? "", page);
  }
}

/** The animated drawing above the instructions. @param {() => boolean} annotate does it paint? */
export const showExample = (annotate) =>
  new Example(
    find(document, "#example", HTMLCanvasElement),
    byId("example-caption"),
    button("example-toggle"),
    annotate,
  );
