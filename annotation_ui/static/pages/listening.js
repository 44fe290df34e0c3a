/** Listens to the input of a page and counts it. It changes nothing and keeps no content. */

/** @import { Device, InputTally } from "../core/input.js" */

const PASSIVE = { capture: true, passive: true };

/** @param {InputTally} tally @param {AbortSignal} [signal] */
export function listenToInput(tally, signal) {
  const options = signal ? { ...PASSIVE, signal } : PASSIVE;
  document.addEventListener("pointermove", (event) => moved(event, tally), options);
  document.addEventListener("pointerdown", (event) => pressed(event, tally), options);
  document.addEventListener(
    "pointerup",
    (event) => event.pointerType === "mouse" && tally.leave(place(event)),
    options,
  );
  document.addEventListener("click", (event) => event.isTrusted || tally.script("clicks"), options);
  document.addEventListener("keydown", (event) => keyed(event, tally), options);
  document.addEventListener("keyup", (event) => tally.keyUp(event.code, event.timeStamp), options);
}

/** Does a program control the browser? WebDriver has to say so; not every program does. */
export const isControlled = () => navigator.webdriver === true;

/** @param {PointerEvent} event */
const place = ({ clientX, clientY }) => ({ x: clientX, y: clientY });

/** @param {PointerEvent} event @param {InputTally} tally */
function moved(event, tally) {
  if (!event.isTrusted) tally.script("moves");
  else if (event.pointerType === "mouse") tally.move(place(event), event.buttons > 0);
}

/** @param {PointerEvent} event @param {InputTally} tally */
function pressed(event, tally) {
  if (!event.isTrusted) return tally.script("presses");
  if (isDevice(event.pointerType)) tally.press(event.pointerType, place(event));
}

/** @param {string} type @returns {type is Device} */
const isDevice = (type) => ["mouse", "pen", "touch"].includes(type);

/** @param {KeyboardEvent} event @param {InputTally} tally */
function keyed(event, tally) {
  if (!event.isTrusted) return tally.script("keys");
  if (!event.repeat) tally.keyDown(event.code, event.timeStamp);
}
