// @ts-check
/**
 * Turn the parts of a long page, elements with `data-tab`, into tabs that show one part at a time. The address says
 * which: by the id of a part, or of anything in it. Without this script the parts stand below each other.
 */

/** @param {HTMLElement[]} parts @returns {HTMLElement} a bar with a link for each */
function bar(parts) {
  const nav = document.createElement("nav");
  nav.className = "tabs";
  nav.setAttribute("aria-label", "Parts of this page");
  for (const part of parts) {
    const link = document.createElement("a");
    link.href = `#${part.id}`;
    link.textContent = part.dataset.tab ?? "";
    nav.append(link);
  }
  return nav;
}

/** @param {HTMLElement[]} parts @returns {HTMLElement | undefined} the one that the address means */
function meant(parts) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  return parts.find((part) => part.contains(target)) ?? parts[0];
}

/** @param {HTMLElement[]} parts @param {HTMLElement} nav */
function show(parts, nav) {
  const shown = meant(parts);
  parts.forEach((part, index) => {
    part.hidden = part !== shown;
    if (part === shown) nav.children[index]?.setAttribute("aria-current", "true");
    else nav.children[index]?.removeAttribute("aria-current");
  });
  window.dispatchEvent(new Event("resize")); // plots that were drawn while hidden take their full width now
}

const parts = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-tab]"))];
if (parts.length > 1) {
  const nav = bar(parts);
  parts[0]?.before(nav);
  show(parts, nav);
  window.addEventListener("hashchange", () => {
    show(parts, nav);
    const id = decodeURIComponent(location.hash.slice(1));
    if (!parts.some((part) => part.id === id)) document.getElementById(id)?.scrollIntoView();
  });
}
