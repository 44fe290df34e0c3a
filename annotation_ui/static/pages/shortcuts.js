/** The keyboard on the trial page. */

/**
 * @import { Tool } from "../core/stroke.js"
 * @typedef {object} Actions
 * @property {(side: "left" | "right") => void} choose
 * @property {() => void} submit
 * @property {(tool: Tool) => void} tool
 * @property {(presses: number) => void} resize
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {() => void} clear
 * @property {(presses: number) => void} zoom in, or out if negative
 * @property {() => void} whole the whole face
 * @property {(right: number, down: number) => void} pan in eighths of the face
 * @property {(hasSpace: boolean) => void} space
 * @property {(isBare: boolean) => void} bare without the paint
 */

/** @type {{[key: string]: (actions: Actions) => void}} */
const KEYS = {
  ArrowLeft: (actions) => actions.choose("left"),
  ArrowUp: (actions) => actions.choose("left"),
  ArrowRight: (actions) => actions.choose("right"),
  ArrowDown: (actions) => actions.choose("right"),
  b: (actions) => actions.tool("brush"),
  l: (actions) => actions.tool("lasso"),
  e: (actions) => actions.tool("eraser"),
  h: (actions) => actions.bare(true),
  "[": (actions) => actions.resize(-1),
  "]": (actions) => actions.resize(1),
  Delete: (actions) => actions.clear(),
  Backspace: (actions) => actions.clear(),
  "+": (actions) => actions.zoom(1),
  "=": (actions) => actions.zoom(1),
  "-": (actions) => actions.zoom(-1),
  0: (actions) => actions.whole(),
};

/** @type {{[key: string]: (actions: Actions) => void}} */
const WITH_SHIFT = {
  ArrowLeft: (actions) => actions.pan(-1, 0),
  ArrowRight: (actions) => actions.pan(1, 0),
  ArrowUp: (actions) => actions.pan(0, -1),
  ArrowDown: (actions) => actions.pan(0, 1),
};

/** @type {{[key: string]: (actions: Actions) => void}} */
const WITH_CONTROL = {
  z: (actions) => actions.undo(),
  "shift+z": (actions) => actions.redo(),
  y: (actions) => actions.redo(),
};

/**
 * Listen until the signal aborts.
 *
 * @param {Actions} actions @param {() => boolean} isOn is the trial page in front?
 * @param {AbortSignal} [signal]
 */
export function listen(actions, isOn, signal) {
  const options = signal ? { signal } : {};
  document.addEventListener("keydown", (event) => isOn() && press(event, actions), options);
  document.addEventListener("keyup", (event) => release(event, actions), options);
  window.addEventListener("blur", () => actions.bare(false), options);
}

/** @param {KeyboardEvent} event @param {Actions} actions */
function release(event, actions) {
  if (event.key === " ") actions.space(false);
  if (plain(event) === "h") actions.bare(false);
}

/** @param {KeyboardEvent} event @param {Actions} actions */
function press(event, actions) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.altKey || isTyping(target)) return;
  if (event.key === "Enter" && !target.closest("button, a, summary")) return act(event, () => actions.submit());
  if (event.key === " ") return holdSpace(event, target, actions);
  const wanted = meaning(event);
  if (wanted) act(event, () => wanted(actions));
}

/** @param {KeyboardEvent} event */
function meaning(event) {
  if (event.ctrlKey || event.metaKey) return WITH_CONTROL[combination(event)];
  return (event.shiftKey && WITH_SHIFT[event.key]) || KEYS[plain(event)];
}

/** Keys whose action repeats while they are held. */
const REPEATED = ["[", "]", ...Object.keys(WITH_SHIFT)];

/** @param {KeyboardEvent} event @param {() => void} action */
function act(event, action) {
  event.preventDefault();
  if (!event.repeat || REPEATED.includes(event.key)) action();
}

/** Space on a control works the control. @param {KeyboardEvent} event @param {Element} target @param {Actions} actions */
function holdSpace(event, target, actions) {
  if (target.closest("button, a, input, summary")) return;
  event.preventDefault();
  actions.space(true);
}

/** A slider has its own arrow keys. @param {Element} target */
const isTyping = (target) => target.matches("input[type=range], input[type=text], textarea, select");

/** @param {KeyboardEvent} event */
const plain = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

/** @param {KeyboardEvent} event */
const combination = (event) => (event.shiftKey ? "shift+" : "") + event.key.toLowerCase();
