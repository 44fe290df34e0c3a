// @ts-check
/** The page of a run: its curves and its log, asked for every two seconds until it has ended. */
import { curves } from "./curves.js";
import { sentence } from "./log.js";

/** @typedef {{id: number, kind: string, at: string, payload: Record<string, any>}} Event */

const PAUSE = 2000; // ms
const LONGEST_LOG = 400; // lines

const page = /** @type {HTMLElement} */ (document.getElementById("run"));
const log = /** @type {HTMLElement} */ (document.getElementById("log"));
const progress = /** @type {HTMLElement} */ (document.getElementById("progress"));
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @type {Event[]} */
let epochs = [];
let last = 0;

/** @param {Event} event */
function record(event) {
  last = Math.max(last, event.id);
  // A resumed run trains its last epochs again. What it reported of them before does not count.
  if (event.kind === "started") epochs = epochs.filter(({ payload }) => payload.epoch < event.payload.first_epoch);
  if (event.kind === "epoch") epochs.push(event);
  if (event.kind !== "step") appendToLog(event);
}

/** @param {Event} event */
function appendToLog({ at, kind, payload }) {
  const line = document.createElement("li");
  const stamp = document.createElement("time");
  stamp.dateTime = at;
  stamp.textContent = time.format(new Date(at));
  line.append(stamp, ` ${sentence(kind, payload)}`);
  log.prepend(line);
  while (log.childElementCount > LONGEST_LOG) log.lastElementChild?.remove();
}

/** @param {Event | undefined} event */
function showProgress(event) {
  if (!event) return;
  const { kind, payload } = event;
  const speed = payload.images_per_s ? ` · ${Math.round(payload.images_per_s)} images/s` : "";
  if (kind === "step") {
    progress.textContent = `Epoch ${payload.epoch}, step ${payload.step} of ${payload.steps}${speed}`;
  }
  if (kind === "epoch") progress.textContent = `Epoch ${payload.epoch} of ${payload.epochs}${speed}`;
}

/** @returns {Promise<{state: string, done: boolean, more: boolean, events: Event[]} | null>} null while the server does not answer */
async function fetchEvents() {
  try {
    const answer = await fetch(`${page.dataset.events}?after=${last}`, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function poll() {
  const answer = document.hidden ? null : await fetchEvents();
  if (answer) {
    answer.events.forEach(record);
    showProgress(answer.events.at(-1));
    if (answer.events.length > 0) curves(epochs.map(({ payload }) => payload));
    if (answer.state !== page.dataset.state) location.reload(); // it started, or there are final figures
    if (answer.done) return;
  }
  setTimeout(poll, answer?.more ? 0 : PAUSE);
}

await poll();
if (page.dataset.ended === "yes") progress.textContent = epochs.length ? "" : "No epoch was finished.";
