// @ts-check
/** Give each cell of a table the heading of its column: a narrow screen shows a row as a card, without headings. */

const ROLES = { THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TH: "columnheader", TD: "cell" };

/** @param {HTMLTableElement} table @returns {string[]} the words above each column */
function headings(table) {
  const cells = [...(table.tHead?.rows[0]?.cells ?? [])];
  const words = (/** @type {HTMLElement} */ cell) =>
    cell.querySelector('[role="img"]') ? "" : cell.textContent?.trim();
  return cells.flatMap((cell) => Array.from({ length: cell.colSpan }, (_, at) => (at ? "" : (words(cell) ?? ""))));
}

/** @param {HTMLTableElement} table */
function label(table) {
  const words = headings(table);
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    [...row.cells].forEach((cell, at) => {
      if (words[at]) cell.dataset.heading = words[at];
    });
  }
  // A screen reader takes what is laid out as cards for no table.
  table.setAttribute("role", "table");
  for (const part of table.querySelectorAll("thead, tbody, tr, th, td")) {
    const role = /** @type {Record<string, string>} */ (ROLES)[part.tagName];
    if (role && !part.hasAttribute("role")) {
      part.setAttribute("role", part.getAttribute("scope") === "row" ? "rowheader" : role);
    }
  }
  table.classList.add("table--cards");
}

/** @param {ParentNode} root */
export function labelTables(root) {
  root.querySelectorAll(".table").forEach((table) => table instanceof HTMLTableElement && table.tHead && label(table));
}

labelTables(document);
