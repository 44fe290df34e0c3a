/** One of the two faces of a trial: its frame, its radio button, and the board one paints on. */

import { Board } from "../canvas/board.js";
import { KeyPainter } from "../canvas/keys.js";
import { Navigator } from "../canvas/navigator.js";
import { Painter } from "../canvas/painter.js";
import { find } from "./dom.js";

/**
 * @import { Picture, Side } from "../../participant.d.ts"
 * @import { Callbacks } from "../canvas/painter.js"
 * @import { Reports } from "../canvas/navigator.js"
 * @import { Viewport } from "../core/viewport.js"
 * @typedef {Pick<Reports, "onResize"> & {onLook: (viewport: Viewport) => void}} ViewCallbacks
 * @typedef {[face: HTMLImageElement, ...map: HTMLImageElement[]]} Images decoded: a face, and what lies beside it: a copy and, over that, a model's map
 */

export class Face {
  /** @param {HTMLElement} root @param {Side} side */
  constructor(root, side) {
    this.root = find(root, `.face[data-side="${side}"]`, HTMLElement);
    this.frame = find(this.root, ".face__frame", HTMLElement);
    this.view = find(this.root, ".face__view", HTMLElement);
    this.radio = find(this.root, "input", HTMLInputElement);
    this.tag = find(this.root, ".face__tag", HTMLElement);
    this.map = find(this.root, ".face__map", HTMLElement);
    this.side = side;
    /** @type {{board: Board, painter: Painter, navigator: Navigator, keys: KeyPainter} | null} */
    this.workspace = null;
  }

  /** @param {Images} images @param {Picture} picture @param {Callbacks} callbacks @param {ViewCallbacks} viewCallbacks */
  show([face, ...map], picture, callbacks, { onLook, onResize }) {
    this.leave();
    for (const image of [face, ...map]) Object.assign(image, { alt: "", draggable: false });
    this.map.replaceChildren(...map);
    this.map.hidden = map.length === 0;
    this.root.hidden = false;
    const board = new Board(this.frame, this.view, face, picture, onLook);
    const navigator = new Navigator(board, {
      onResize,
      onTakeOver: (now) => painter.interrupt(now),
      mayDrag: () => !painter.listening,
    });
    const painter = new Painter(board, { ...callbacks, mayPaint: () => callbacks.mayPaint() && !navigator.isBusy });
    this.workspace = { board, painter, navigator, keys: new KeyPainter(board, painter) };
    // The navigator listens first: it decides whether a press is a gesture before the painter sees it.
    navigator.enable();
  }

  /** A word in the corner of the face; empty takes it away. @param {string} text @param {string} [kind] */
  label(text, kind = "") {
    this.tag.textContent = text;
    this.tag.hidden = !text;
    this.tag.className = `face__tag ${kind && `face__tag--${kind}`}`;
  }

  /** @param {boolean} isChosen @param {boolean} mayPaint */
  reflect(isChosen, mayPaint) {
    this.root.classList.toggle("face--chosen", isChosen);
    this.radio.checked = isChosen;
    if (isChosen && mayPaint) this.start();
    else this.stop();
  }

  /** From here on one paints on this face. */
  start() {
    this.workspace?.board.prepare();
    this.workspace?.painter.enable();
    this.workspace?.keys.enable();
  }

  stop() {
    this.workspace?.keys.disable();
    this.workspace?.painter.disable();
    if (this.workspace?.board.painted) this.workspace.board.surface.show([]);
  }

  leave() {
    this.stop();
    this.workspace?.navigator.disable();
    this.frame.classList.remove("face__frame--zoomed");
  }

  clear() {
    this.leave();
    this.view.replaceChildren();
    this.map.replaceChildren();
    this.label("");
    this.workspace = null;
  }
}
