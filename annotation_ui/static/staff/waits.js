// @ts-check
/**
 * While something is under way, look every two seconds how far it is, and show the page anew when its state has
 * changed. An element with `data-waits` names the address to ask and in `data-state` what the page shows;
 * `data-job` marks where the progress of each piece of work stands.
 */

/** @typedef {{state: string, done: number, total: number}} Work */

const PAUSE = 2000; // ms
const waiting = document.querySelector("[data-waits]");

/** @param {Record<string, {state: string}>} works @returns {string} their states, whatever the order of their names */
const states = (works) =>
  JSON.stringify(
    Object.entries(works)
      .map(([id, { state }]) => [id, state])
      .sort(),
  );

/** @param {string} id @param {Work} work */
function tell(id, { done, total }) {
  const place = document.querySelector(`[data-job="${CSS.escape(id)}"]`);
  const bar = place?.querySelector("progress");
  const words = place?.querySelector("span");
  if (!bar || !words) return;
  bar.max = total || 1;
  bar.value = done;
  words.textContent = total ? `${done} of ${total}` : "";
}

/** @param {string} address @returns {Promise<Record<string, Work> | null>} null while the server does not answer */
async function ask(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

if (waiting instanceof HTMLElement) {
  const { waits: address = "", state = "{}" } = waiting.dataset;
  // Not the first answer: what is under way may have ended between the page and that.
  const shown = states(JSON.parse(state));
  setInterval(async () => {
    const works = document.hidden ? null : await ask(address);
    if (!works) return;
    if (states(works) !== shown) location.reload();
    else Object.entries(works).forEach(([id, work]) => tell(id, work));
  }, PAUSE);
}
