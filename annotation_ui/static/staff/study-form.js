// @ts-check
/**
 * The form of a study, beyond plain HTML: another row without loading the page again, totals while somebody types,
 * the same step after a question to the planner, and the step that needs another look in front.
 */

const SETTLED = 400; // ms without typing, after which the totals are asked for

const study = document.querySelector("form.study-form");
if (study instanceof HTMLFormElement) start(study);

/** @param {HTMLFormElement} form */
function start(form) {
  const here = form.querySelector("[data-totals-here]");
  const follow = settled(() => here && showTotals(form, here, "totals"));
  form.addEventListener("input", follow);
  form.addEventListener("change", follow);
  form.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-adds]") : null;
    if (!(button instanceof HTMLElement)) return;
    event.preventDefault();
    addRow(form, button.dataset.adds ?? "");
  });
  form.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-stays]") : null;
    button?.setAttribute("formaction", (form.getAttribute("action") ?? "") + location.hash);
  });
  showTrouble(form);
}

/** @param {() => void} work @returns {() => void} `work`, once no call has come for a moment */
function settled(work) {
  let timer = 0;
  return () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(work, SETTLED);
  };
}

/** What the form adds up to, taken from the page that its button for that would bring. @param {HTMLFormElement} form @param {Element} here @param {string} asked */
async function showTotals(form, here, asked) {
  const body = new FormData(form); // `form.action` is the button of that name
  body.set("action", asked);
  try {
    const reply = await fetch(form.getAttribute("action") ?? "", { method: "POST", body });
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const totals = page.querySelector("[data-totals-here]");
    if (totals) here.replaceChildren(...totals.childNodes);
  } catch {
    // Without a network the last totals stay; saving says what is wrong.
  }
}

/** An empty copy of the last row, with the next number. @param {HTMLFormElement} form @param {string} list */
function addRow(form, list) {
  const rows = form.querySelector(`[data-rows="${list}"]`);
  const last = rows?.lastElementChild;
  if (!rows || !(last instanceof HTMLElement)) return;
  const row = /** @type {HTMLElement} */ (last.cloneNode(true));
  const number = rows.children.length;
  for (const error of row.querySelectorAll(".field__error")) error.remove();
  for (const drawn of row.querySelectorAll("[data-region]")) drawn.replaceChildren();
  for (const element of row.querySelectorAll("*")) {
    renumber(element, `${list}.${number - 1}`, `${list}.${number}`);
    empty(element);
  }
  const legend = row.querySelector("[data-number]");
  if (legend) legend.textContent = String(number + 1);
  rows.append(row);
  const first = row.querySelector("input:not([type=hidden])");
  if (first instanceof HTMLElement) first.focus();
}

const NAMING = ["id", "name", "for", "aria-describedby", "data-region"];

/** @param {Element} element @param {string} before @param {string} after */
function renumber(element, before, after) {
  element.removeAttribute("aria-invalid");
  for (const name of NAMING) {
    const value = element.getAttribute(name);
    if (value !== null) element.setAttribute(name, value.replaceAll(before, after));
  }
}

/** @param {Element} element */
function empty(element) {
  if (element instanceof HTMLTextAreaElement) element.value = "";
  if (element instanceof HTMLSelectElement) element.selectedIndex = 0;
  if (element instanceof HTMLInputElement && element.type === "checkbox") element.checked = false;
  else if (element instanceof HTMLInputElement && element.type !== "hidden") element.value = "";
}

/** The steps with a complaint are marked, and the first of them is in front. @param {HTMLFormElement} form */
function showTrouble(form) {
  const steps = [...form.querySelectorAll("[data-tab]")].filter((step) => step.querySelector(".field__error"));
  for (const { id } of steps) form.querySelector(`.tabs a[href="#${id}"]`)?.classList.add("tabs__trouble");
  const first = form.querySelector('[aria-invalid="true"]');
  if (!steps[0]) return;
  window.addEventListener("hashchange", () => first instanceof HTMLElement && first.focus(), { once: true });
  location.hash = steps[0].id;
}
