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
    this.desk = null;
  }

  /** @param {Images} images @param {Picture} picture @param {Orders} orders @param {Pick<Reports, "onResize">} reports */
  show([face, ...map], picture, orders, reports) {
    this.stop();
    for (const image of [face, ...map]) Object.assign(image, { alt: "", draggable: false });
    this.map.replaceChildren(...map);
    this.map.hidden = map.length === 0;
    this.root.hidden = false;
    this.root.style.setProperty("--ratio", String(picture.width / picture.height));
    const board = new Board(this.frame, this.view, face, picture);
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
    if (isChosen) this.start(mayPaint);
    else this.stop();
  }

  /** @param {boolean} mayPaint */
  start(mayPaint) {
    // The navigator listens first: it decides whether a press is a gesture before the painter sees it.
    this.desk?.navigator.enable();
    if (!mayPaint) return;
    this.desk?.board.prepare();
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
    this.map.replaceChildren();
    this.label("");
    this.desk = null;
  }
}
