/** Has a pen been near this page? From then on a touch is the hand that holds it: it neither paints nor zooms. */

let isNear = false;

for (const type of /** @type {const} */ (["pointerover", "pointerdown", "pointermove"])) {
  const notice = (/** @type {PointerEvent} */ event) => void (isNear ||= event.pointerType === "pen");
  window.addEventListener(type, notice, { capture: true, passive: true });
}

/** @param {PointerEvent} event */
export const isPalm = (event) => isNear && event.pointerType === "touch";
