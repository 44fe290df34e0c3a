// @ts-check
/** While something is under way, look every two seconds and show the page anew when its state has changed. */

const PAUSE = 2000; // ms
const waiting = document.querySelector("[data-waits]");

/** @param {string} address @returns {Promise<string>} empty while the server does not answer */
async function states(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.text() : "";
  } catch {
    return "";
  }
}

if (waiting instanceof HTMLElement) {
  const address = waiting.dataset.waits ?? "";
  let before = await states(address);
  setInterval(async () => {
    const now = document.hidden ? "" : await states(address);
    if (now && before && now !== before) location.reload();
    before = now || before;
  }, PAUSE);
}
