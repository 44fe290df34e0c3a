/** One of the two faces of a trial: its frame, its radio button, and the board one paints on. */

import { Board } from "../canvas/board.js";
import { KeyPainter } from "../canvas/keys.js";
import { Navigator } from "../canvas/navigator.js";
import { Painter } from "../canvas/painter.js";
import { find } from "./dom.js";

/**
 * @import { Picture, Side } from "../../participant.d.ts"
 * @import { Orders } from "../canvas/painter.js"
 * @import { Reports } from "../canvas/navigator.js"
 */

export class Face {
  /** @param {HTMLElement} root @param {Side} side */
  constructor(root, side) {
    this.root = find(root, `.face[data-side="${side}"]`, HTMLElement);
    this.frame = find(this.root, ".face__frame", HTMLElement);
    this.view = find(this.root, ".face__view", HTMLElement);
    this.radio = find(this.root, "input", HTMLInputElement);
    this.tag = find(this.root, ".face__tag", HTMLElement);
    this.side = side;
    /** @type {{board: Board, painter: Painter, navigator: Navigator, keys: KeyPainter} | null} */
    this.desk = null;
  }

  /** @param {readonly HTMLImageElement[]} layers decoded: the face and, over it, a model's map @param {Picture} picture @param {Orders} orders @param {Pick<Reports, "onResize">} reports */
  show(layers, picture, orders, reports) {
    this.stop();
    for (const layer of layers) Object.assign(layer, { alt: "", draggable: false });
    this.root.hidden = false;
    this.root.style.setProperty("--ratio", String(picture.width / picture.height));
    const board = new Board(this.frame, this.view, layers, picture);
    const navigator = new Navigator(board, { ...reports, onTakeOver: (now) => painter.interrupt(now) });
    const painter = new Painter(board, { ...orders, mayPaint: () => orders.mayPaint() && !navigator.isBusy });
    this.desk = { board, painter, navigator, keys: new KeyPainter(board, painter) };
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

  start() {
    this.desk?.board.prepare();
    // The navigator listens first: it decides whether a press is a gesture before the painter sees it.
    this.desk?.navigator.enable();
    this.desk?.painter.enable();
    this.desk?.keys.enable();
  }

  stop() {
    this.desk?.keys.disable();
    this.desk?.painter.disable();
    this.desk?.navigator.disable();
    if (this.desk?.board.painted) this.desk.board.surface.show([]);
    this.desk?.board.whole();
  }

  clear() {
    this.stop();
    this.view.replaceChildren();
    this.label("");
    this.desk = null;
  }
}
