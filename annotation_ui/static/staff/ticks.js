// @ts-check
/** A box in the head of a table that ticks every row of it. */

for (const all of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-ticks]"))) {
  /** @type {NodeListOf<HTMLInputElement>} */
  const boxes = document.querySelectorAll(`input[type="checkbox"][name="${all.dataset.ticks}"]`);
  const reflect = () => {
    const ticked = [...boxes].filter(({ checked }) => checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  all.hidden = false;
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
  for (const box of boxes) box.addEventListener("change", reflect);
  reflect();
}
