/**
 * A button that stands in the markup of the page alone. It is out of sight, out of reach of pointer and Tab, and
 * not in the accessibility tree, so that only a program that reads the markup and makes the press itself meets it.
 */

/** @import { InputTally } from "../core/input.js" */

const TEXT = "Press this button before you choose.";

/** @param {HTMLElement} before the element that it stands before @param {InputTally} tally */
export function setTrap(before, tally) {
  const trap = document.createElement("div");
  trap.className = "visually-hidden unmet";
  trap.setAttribute("aria-hidden", "true");
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.textContent = "Press this button";
  button.addEventListener("click", () => (tally.trap.presses += 1));
  trap.append(TEXT, " ", button);
  before.before(trap);
  tally.trap.shown = 1;
  return trap;
}
