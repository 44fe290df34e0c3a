/** Pictures that can be drawn at once when they are asked for. */

/** @typedef {(received: number, total: number) => void} OnBytes `total` is 0 where the server does not say it */

const PATIENCE = 30_000; // ms without a byte: a slow network may take longer for the whole

/**
 * Fetch and decode. The element itself is what is shown later, so nothing is fetched or decoded twice.
 *
 * @param {string} url @param {OnBytes} [onBytes] @returns {Promise<HTMLImageElement>}
 */
export async function loadPicture(url, onBytes = () => {}) {
  const picture = new Image();
  picture.decoding = "sync";
  picture.src = URL.createObjectURL(await download(url, onBytes));
  await picture.decode();
  return picture;
}

/** @param {string} url @param {OnBytes} onBytes @returns {Promise<Blob>} */
async function download(url, onBytes) {
  const stalled = new AbortController();
  const giveUp = () => stalled.abort(new Error("The picture took too long."));
  let timer = setTimeout(giveUp, PATIENCE);
  try {
    const response = await fetch(url, { credentials: "omit", signal: stalled.signal });
    const reader = response.body?.getReader();
    if (!response.ok || !reader) throw new Error(`The picture did not come: ${response.status}.`);
    const total = Number(response.headers.get("Content-Length"));
    const parts = [];
    let received = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, PATIENCE);
      parts.push(part.value);
      received += part.value.length;
      onBytes(received, total);
    }
    return new Blob(parts, { type: response.headers.get("Content-Type") ?? "" });
  } finally {
    clearTimeout(timer);
  }
}

/** Another element with the same picture, as ready to be drawn. @param {HTMLImageElement} picture */
export async function copyOf(picture) {
  const copy = new Image();
  copy.decoding = "sync";
  copy.src = picture.src;
  await copy.decode();
  return copy;
}

/** Let go of the bytes of a picture that is an element by now. @param {HTMLImageElement} picture */
export const release = (picture) => URL.revokeObjectURL(picture.src);

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
 * Make something visible, and return when it was: its frame is on the screen when the next one begins. A hidden
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
