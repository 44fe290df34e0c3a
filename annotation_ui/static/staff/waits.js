// @ts-check
/** While something is under way, look every two seconds and show the page anew when its state has changed. */

const PAUSE = 2000; // ms
const waiting = document.querySelector("[data-waits]");

/** States in one form, whatever the order of their names. @param {string} json @returns {string} */
const inOrder = (json) => JSON.stringify(Object.entries(JSON.parse(json)).sort());

/** @param {string} address @returns {Promise<string>} empty while the server does not answer */
async function states(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    return answer.ok ? inOrder(await answer.text()) : "";
  } catch {
    return "";
  }
}

if (waiting instanceof HTMLElement) {
  const { waits: address = "", state = "{}" } = waiting.dataset;
  // Not the first answer: what is under way may have ended between the page and that.
  const shown = inOrder(state);
  setInterval(async () => {
    const now = document.hidden ? "" : await states(address);
    if (now && now !== shown) location.reload();
  }, PAUSE);
}
