/** What buttons and keys do on the trial page. */

/**
 * @import { Actions } from "./shortcuts.js"
 * @import { Command } from "./toolbar.js"
 * @import { TrialPage } from "./trial.js"
 */

const ZOOM = 1.4; // one press

/** By button. @param {TrialPage} page @returns {{[command in Command]: () => void}} */
export const commandsOf = (page) => ({
  undo: () => page.change("undo"),
  redo: () => page.change("redo"),
  clear: () => page.change("clear"),
  "zoom-in": () => page.view.zoom(ZOOM),
  "zoom-out": () => page.view.zoom(1 / ZOOM),
  "zoom-whole": () => page.view.zoom(0),
});

/** By key. @param {TrialPage} page @returns {Actions} */
export const actionsOf = (page) => ({
  choose: (side) => page.chooseByKey(side),
  submit: () => page.submit(),
  tool: (tool) => page.activeBoard && page.toolbar.choose(tool),
  resize: (presses) => page.toolbar.step(presses),
  undo: () => page.change("undo"),
  redo: () => page.change("redo"),
  clear: () => page.change("clear"),
  zoom: (presses) => page.view.zoom(ZOOM ** presses),
  whole: () => page.view.zoom(0),
  pan: (right, down) => page.view.pan(right, down),
  space: (isDown) => page.view.hold(isDown),
  bare: (isBare) => page.root.classList.toggle("trial--bare", isBare),
});
