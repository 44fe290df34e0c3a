// @ts-check
/**
 * Keeps the numbers of a study's page up to date: by a stream of events, or by asking where no stream comes through.
 * Hidden pages do neither, because a browser opens only six connections to one server.
 */
import { LiveParts } from "./live-parts.js";

const ASK = 10_000; // ms between two questions without a stream
const SILENCE = 40_000; // ms without a word after which a stream counts as broken: the server speaks every 15 s
const AGAIN = 60_000; // ms until another try at a stream

const root = /** @type {HTMLElement} */ (document.getElementById("live"));
const words = /** @type {HTMLElement} */ (document.getElementById("live-state"));
const address = root.dataset.live ?? "";
const parts = new LiveParts(root);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @type {EventSource | null} */
let stream = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} html @param {string} how */
function show(html, how) {
  parts.show(html);
  words.textContent = `${how} Counted at ${clock.format(new Date())}.`;
}

function listen() {
  stop();
  const events = new EventSource(address);
  stream = events;
  expectWord();
  events.addEventListener("numbers", (event) => {
    expectWord();
    show(event.data, "Live.");
  });
  events.addEventListener("alive", expectWord);
  events.addEventListener("ended", () => location.reload()); // to the login
  events.addEventListener("error", () => {
    // The browser tries again by itself, unless the server has refused.
    if (events.readyState === EventSource.CLOSED) void ask();
  });
}

function expectWord() {
  clearTimeout(timer);
  timer = setTimeout(ask, SILENCE);
}

function stop() {
  clearTimeout(timer);
  stream?.close();
  stream = null;
}

async function ask(until = Date.now() + AGAIN) {
  stop();
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (answer.redirected || [401, 403, 404].includes(answer.status)) return location.reload();
    if (answer.ok) show(await answer.text(), "Asked every ten seconds.");
  } catch {
    words.textContent = "The server does not answer; these numbers are old.";
  }
  if (!document.hidden) timer = setTimeout(() => (Date.now() < until ? ask(until) : listen()), ASK);
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
addEventListener("pagehide", stop);
addEventListener("pageshow", ({ persisted }) => persisted && listen());
if (!document.hidden) listen();
