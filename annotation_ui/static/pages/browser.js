/**
 * What kind of browser this is, whether it can show the study, and what happens to its window.
 *
 * @import { DeviceFacts } from "../../page.d.ts"
 * @import { DeviceNeeds } from "../../participant.d.ts"
 */

import { obstacles } from "../core/device.js";
import { byId, find } from "./dom.js";
import { loadPicture, sleep } from "./pictures.js";

/** What is stored with the consent, to understand times and sizes later. Nothing that identifies a person. */
export function describeBrowser() {
  return {
    user_agent: navigator.userAgent.slice(0, 300),
    screen: `${screen.width}x${screen.height}`,
    viewport: `${innerWidth}x${innerHeight}`,
    pixel_ratio: devicePixelRatio,
    touch: matchMedia("(any-pointer: coarse)").matches,
    language: navigator.language,
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "",
  };
}

/**
 * Report what bears on the times of a trial.
 *
 * @param {(kind: import("../core/events.js").Kind, detail?: {[name: string]: string | number}) => void} onEvent
 * @param {() => void} onMayEnd the page may be gone in a moment
 */
export function watch(onEvent, onMayEnd) {
  document.addEventListener("visibilitychange", () => {
    onEvent(document.hidden ? "hidden" : "visible");
    if (document.hidden) onMayEnd();
  });
  window.addEventListener("pagehide", onMayEnd);
  window.addEventListener("resize", () => onEvent("resize", { width: innerWidth, height: innerHeight }));
  for (const kind of /** @type {const} */ (["blur", "focus", "offline", "online"])) {
    window.addEventListener(kind, () => onEvent(kind));
  }
}

const AGAIN = 3000; // ms between two tries to load the picture

/** @param {string} query */
const has = (query) => matchMedia(query).matches;

/** @param {boolean} images_load @returns {DeviceFacts} */
const look = (images_load) => ({
  width: innerWidth,
  height: innerHeight,
  pixel_ratio: devicePixelRatio,
  pointer: has("(any-pointer: fine)") ? "fine" : has("(any-pointer: coarse)") ? "coarse" : "none",
  touch: navigator.maxTouchPoints > 0,
  images_load,
});

/**
 * The device check: silent when the device will do. Otherwise it says what to do and checks again after every change.
 *
 * @param {DeviceNeeds} needs @param {string} picture address of a small neutral picture
 * @param {(facts: DeviceFacts & {passed: boolean}) => void} report called at the first obstacle and when the device will do
 * @returns {Promise<void>} when all is well
 */
export async function checkDevice(needs, picture, report) {
  let hasPictures = await loads(picture);
  let isReported = false;
  const passes = () => {
    const facts = look(hasPictures);
    const found = obstacles(facts, needs);
    explain(found, facts, needs);
    if (!isReported || !found.length) report({ ...facts, passed: !found.length });
    isReported = true;
    return !found.length;
  };
  while (!passes()) {
    await Promise.race([changed(), sleep(AGAIN)]);
    hasPictures ||= await loads(picture);
  }
}

/** @param {string} picture */
const loads = (picture) =>
  loadPicture(picture).then(
    () => true,
    () => false,
  );

/** @returns {Promise<void>} when the window or the pointers are others */
function changed() {
  return new Promise((resolve) => {
    const over = new AbortController();
    const done = () => resolve(over.abort());
    window.addEventListener("resize", done, { signal: over.signal });
    matchMedia("(any-pointer: fine)").addEventListener("change", done, { signal: over.signal });
  });
}

/** @param {readonly string[]} found @param {DeviceFacts} facts @param {DeviceNeeds} needs */
function explain(found, { width, height }, { min_width, min_height }) {
  byId("device-checking").hidden = found.length > 0;
  byId("device-problems").hidden = found.length === 0;
  for (const part of byId("device-problems").querySelectorAll("[data-obstacle]")) {
    if (part instanceof HTMLElement) part.hidden = !found.includes(part.dataset["obstacle"] ?? "");
  }
  const size = find(document, "#device-size", HTMLElement);
  const text = `Your window is ${width} × ${height}. The study needs at least ${min_width} × ${min_height}.`;
  if (size.textContent !== text) size.textContent = text;
}
