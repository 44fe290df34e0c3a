/**
 * The element that a page cannot do without.
 *
 * @template {Element} T
 * @param {ParentNode} root @param {string} selector @param {new () => T} type @returns {T}
 */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`The page has no ${type.name} ${selector}.`);
  return element;
}

/** @param {string} id */
export const byId = (id) => find(document, `#${id}`, HTMLElement);

/** @param {string} id */
export const button = (id) => find(document, `#${id}`, HTMLButtonElement);

/**
 * A button that says why it does nothing is still reached by the keyboard; `disabled` would hide it.
 *
 * @param {HTMLElement} element @param {boolean} isEnabled
 */
export function enable(element, isEnabled) {
  if (isEnabled) element.removeAttribute("aria-disabled");
  else element.setAttribute("aria-disabled", "true");
}
