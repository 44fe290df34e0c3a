// @ts-check
/** What every staff page does beyond plain HTML: confirm what cannot be undone, copy, read a file, show local time. */

/** @param {string} question @param {string} yes @returns {HTMLDialogElement} closable by Escape, too */
function confirmation(question, yes) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.innerHTML =
    '<form method="dialog"><h2></h2><div class="dialog__actions"><button class="button" value="">Cancel</button>' +
    '<button class="button button--primary" value="yes"></button></div></form>';
  const title = /** @type {HTMLElement} */ (dialog.querySelector("h2"));
  const [asked = "", consequence = ""] = question.split(/(?<=\?)\s+(?!.*\?)/su);
  title.id = "confirmation-title";
  title.textContent = asked;
  if (consequence) {
    const text = document.createElement("p");
    text.textContent = consequence;
    title.after(text);
  }
  /** @type {HTMLElement} */ (dialog.querySelector('[value="yes"]')).textContent = yes;
  dialog.setAttribute("aria-labelledby", title.id);
  document.body.append(dialog);
  return dialog;
}

/** A form that carries a question is sent without it, once somebody has agreed. @param {SubmitEvent} event */
function ask(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const question = form.elements.namedItem("asks");
  if (!(question instanceof HTMLInputElement) || question.disabled || event.defaultPrevented) return;
  event.preventDefault();
  const yes = /** @type {HTMLInputElement} */ (form.elements.namedItem("asks_yes"));
  const dialog = confirmation(question.value, yes.value);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    question.disabled = true; // a disabled field is not sent
    form.requestSubmit(event.submitter);
    question.disabled = false;
  });
  dialog.showModal();
}

/** A form that takes its time says so and cannot be sent twice. @param {SubmitEvent} event */
function showBusy(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const button = event.submitter;
  if (event.defaultPrevented || !form.dataset.busy || !(button instanceof HTMLButtonElement)) return;
  button.textContent = form.dataset.busy;
  button.setAttribute("aria-disabled", "true");
  form.addEventListener("submit", (again) => again.preventDefault());
}

/** @param {MouseEvent} event */
async function copy(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-copies]") : null;
  if (!(button instanceof HTMLElement)) return;
  const field = document.getElementById(button.dataset.copies ?? "");
  if (!(field instanceof HTMLInputElement)) return;
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C"; // the clipboard needs https or localhost; the text is selected
  }
}

/** A chosen file fills its text area, where it can be read and changed before it is sent. @param {Event} event */
async function fill(event) {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.dataset.fills) return;
  const area = document.getElementById(input.dataset.fills);
  const file = input.files?.[0];
  if (area instanceof HTMLTextAreaElement && file) area.value = await file.text();
}

const minutes = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {ParentNode} root */
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    time.textContent = minutes.format(new Date(/** @type {HTMLTimeElement} */ (time).dateTime));
  }
}

document.addEventListener("submit", ask);
document.addEventListener("submit", showBusy);
document.addEventListener("click", copy);
document.addEventListener("change", fill);
localTimes(document);

// After a refused form the first field that needs another look is where typing goes on.
const invalid = document.querySelector('[aria-invalid="true"]');
if (invalid instanceof HTMLElement && !document.querySelector("[autofocus]")) invalid.focus();
