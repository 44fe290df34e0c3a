/** What part of the two faces is shown: the same of both, so that neither is seen better than the other. */

/**
 * @import { Viewport } from "../core/viewport.js"
 * @import { Board } from "../canvas/board.js"
 * @import { Toolbar } from "./toolbar.js"
 * @typedef {{left: import("./face.js").Face, right: import("./face.js").Face}} Faces
 */

const BRUSH_SHOWN = 900; // ms

export class PairView {
  /** @param {Faces} faces @param {Toolbar} toolbar */
  constructor(faces, toolbar) {
    this.faces = faces;
    this.toolbar = toolbar;
    this.timer = 0;
  }

  /** Of the two boards, which show the same, the one that is always there. */
  get board() {
    return this.faces.left.workspace?.board;
  }

  /** @param {Viewport} viewport */
  look(viewport) {
    for (const { workspace } of Object.values(this.faces)) workspace?.board.look(viewport);
    this.toolbar.reflectZoom(viewport.scale > 1);
  }

  /** @param {number} factor 0 for the whole face */
  zoom(factor) {
    if (factor) this.board?.zoom(factor);
    else this.board?.whole();
  }

  /** @param {number} right @param {number} down eighths of a face */
  pan(right, down) {
    const { board } = this;
    board?.pan((-right * board.frame.clientWidth) / 8, (-down * board.frame.clientHeight) / 8);
  }

  /** Space is down or up. @param {boolean} isDown */
  hold(isDown) {
    for (const { workspace } of Object.values(this.faces)) workspace?.navigator.hold(isDown);
  }

  /** A ring as large as the brush, for a moment: where the pointer is, or in the middle of the face. @param {Board | undefined} board */
  showBrush(board) {
    if (!board || this.toolbar.tool === "lasso") return;
    board.cursor.resize(board.middle, this.toolbar.radius);
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => board.frame.matches(":hover") || board.cursor.hide(), BRUSH_SHOWN);
  }
}
