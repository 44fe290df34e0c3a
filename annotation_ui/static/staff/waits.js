// @ts-check
/**
 * While jobs run, ask every two seconds how far they are, and reload the page when the state of one has changed. An
 * element with `data-waits` names the address to ask, and its `data-state` the states that the page shows; `data-job`
 * marks where the progress of a job stands.
 */

/** @typedef {{state: string, done: number, total: number}} Progress */

const PAUSE = 2000; // ms
const waiting = document.querySelector("[data-waits]");

/** @param {Record<string, {state: string}>} jobs @returns {string} their states, whatever the order of their names */
const states = (jobs) =>
  JSON.stringify(
    Object.entries(jobs)
      .map(([id, { state }]) => [id, state])
      .sort(),
  );

/** @param {string} id @param {Progress} work */
function showProgress(id, { done, total }) {
  const place = document.querySelector(`[data-job="${CSS.escape(id)}"]`);
  const bar = place?.querySelector("progress");
  const words = place?.querySelector("span");
  if (!bar || !words) return;
  bar.max = total || 1;
  bar.value = done;
  words.textContent = total ? `${done} of ${total}` : "";
}

/** @param {string} address @returns {Promise<Record<string, Progress> | null>} null while the server does not answer */
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
  // The states of the page, not those of the first answer: a job may have ended between the two.
  const shown = states(JSON.parse(state));
  setInterval(async () => {
    const jobs = document.hidden ? null : await ask(address);
    if (!jobs) return;
    if (states(jobs) !== shown) location.reload();
    else Object.entries(jobs).forEach(([id, job]) => showProgress(id, job));
  }, PAUSE);
}
