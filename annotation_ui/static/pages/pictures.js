/** Pictures that can be drawn at once when they are asked for. */

const PATIENCE = 30_000; // ms

/**
 * Fetch and decode. The element itself is what is shown later, so nothing is fetched or decoded twice.
 *
 * @param {string} url @returns {Promise<HTMLImageElement>}
 */
export async function loadPicture(url) {
  const picture = new Image();
  picture.decoding = "sync";
  picture.src = url;
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error("The picture took too long.")));
  await Promise.race([picture.decode(), late]);
  return picture;
}

/** Another element with the same picture, as ready to be drawn. @param {HTMLImageElement} picture */
export async function copyOf(picture) {
  const copy = new Image();
  copy.decoding = "sync";
  copy.src = picture.src;
  await copy.decode();
  return copy;
}

/** Wait, but not once the network is back. @param {number} ms @returns {Promise<void>} */
export function sleep(ms) {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
  });
}

/**
 * Make something visible, and tell when it was: its frame is on the screen when the next one begins. A hidden
 * tab draws no frames, so the clock of a hidden pair does not start.
 *
 * @param {() => void} show @returns {Promise<number>} on the clock of performance.now
 */
export function reveal(show) {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      show();
      requestAnimationFrame(resolve);
    });
  });
}
