// @ts-check
/** What kind of browser this is, and what happens to its window. */

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
