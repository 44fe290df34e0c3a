// @ts-check
/** The gallery: a quick view of one image after the other, without leaving the list. */
import { MapView, painted, subject } from "./map-view.js";

const cards = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".map-card"))];
const template = document.getElementById("quick-view");

/** @param {HTMLTemplateElement} quick */
function viewer(quick) {
  document.body.append(quick.content.cloneNode(true));
  const dialog = /** @type {HTMLDialogElement} */ (document.body.lastElementChild);
  /** @param {string} name */
  const part = (name) => /** @type {HTMLElement} */ (dialog.querySelector(`[data-part="${name}"]`));
  const title = /** @type {HTMLElement} */ (dialog.querySelector("h2"));
  const view = new MapView(dialog);
  let place = 0;

  /** @param {number} index */
  async function open(index) {
    place = (index + cards.length) % cards.length;
    const card = /** @type {HTMLElement} */ (cards[place]);
    const link = /** @type {HTMLAnchorElement} */ (card.querySelector("a"));
    title.textContent = `Image ${card.dataset.image}`;
    part("caption").innerText = /** @type {HTMLElement} */ (card.querySelector(".caption")).innerText.replaceAll(
      "\n",
      " · ",
    );
    part("more").setAttribute("href", link.href);
    view.show(subject(card));
    if (!dialog.open) dialog.showModal();
    const { annotations } = await painted(card.dataset.annotations ?? "");
    if (cards[place] === card) view.receive(annotations);
  }

  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () =>
    /** @type {HTMLElement | null} */ (cards[place]?.querySelector("button"))?.focus(),
  );
  dialog.addEventListener("click", ({ target }) => {
    const go = target instanceof Element ? target.closest("[data-go]") : null;
    if (go instanceof HTMLElement) open(place + Number(go.dataset.go));
    if (target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement) return; // the slider has the arrows
    if (event.key === "ArrowLeft") open(place - 1);
    if (event.key === "ArrowRight") open(place + 1);
  });
  return open;
}

if (template instanceof HTMLTemplateElement) {
  const open = viewer(template);
  cards.forEach((card, index) => {
    const button = /** @type {HTMLButtonElement} */ (card.querySelector(".map-card__quick"));
    button.hidden = false;
    button.addEventListener("click", () => open(index));
  });
}
