// @ts-check
/** How far the datasets that are being frozen are, every two seconds. */

const PAUSE = 2000; // ms
const waiting = document.querySelector("[data-progress]");

/** @param {string} id @param {[number, number]} images done, of how many */
function tell(id, [done, total]) {
  const cell = document.querySelector(`[data-errand="${CSS.escape(id)}"]`);
  const bar = cell?.querySelector("progress");
  const words = cell?.querySelector("span");
  if (!bar || !words) return;
  bar.max = total || 1;
  bar.value = done;
  words.textContent = `${done} of ${total || "…"}`;
}

/** @param {string} address */
async function look(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (answer.ok) for (const [id, images] of Object.entries(await answer.json())) tell(id, images);
  } catch {
    // The server does not answer now; it is asked again.
  }
}

if (waiting instanceof HTMLElement) {
  setInterval(() => void (document.hidden || look(waiting.dataset.progress ?? "")), PAUSE);
}
