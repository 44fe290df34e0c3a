// @ts-check
/** The figures of an experiment, one architecture at a time, in the colours of the page's scheme. */
import { OPTIONS, token } from "./curves.js";
import { labelTables } from "./tables.js";

/** @typedef {{key: string, title: string, note: string, data: object[], layout: Record<string, any>}} Figure */
/** @typedef {{architectures: string[], architecture?: string, sources: string[], figures: Figure[]}} Answer */
/** @typedef {{newPlot: (element: HTMLElement, traces: object[], layout: object, options: object) => Promise<void>}} Plotly */

const page = /** @type {HTMLElement | null} */ (document.getElementById("experiment"));
const form = /** @type {HTMLFormElement} */ (document.getElementById("figure-form"));
const list = /** @type {HTMLElement} */ (document.getElementById("figure-list"));
const absent = /** @type {HTMLElement} */ (document.getElementById("figures-absent"));
const state = /** @type {HTMLElement} */ (document.getElementById("figure-state"));

/** @param {string} id @returns {HTMLSelectElement} */
const select = (id) => /** @type {HTMLSelectElement} */ (document.getElementById(id));

/** @param {HTMLSelectElement} element @param {string[]} values @param {string} chosen @param {string} [none] words for no choice */
function offer(element, values, chosen, none) {
  const options = values.map((value) => new Option(value, value, false, value === chosen));
  element.replaceChildren(...(none ? [new Option(none, "")] : []), ...options);
}

/** @param {Record<string, any>} own of the figure @returns {object} with the fonts and lines of the page */
function layout(own) {
  const line = { gridcolor: token("--line"), zerolinecolor: token("--line"), linecolor: token("--line-strong") };
  const quiet = own.annotations.map((/** @type {object} */ one) => ({
    ...one,
    font: { size: 11, color: token("--muted") },
  }));
  return {
    ...own,
    annotations: quiet,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font-text"), color: token("--ink"), size: 13 },
    margin: { l: 56, r: 12, t: 34, b: 56 },
    height: 420,
    legend: { orientation: "h", yref: "container", yanchor: "bottom", y: 0 },
    xaxis: { ...line, automargin: true, ...own.xaxis },
    yaxis: { ...line, automargin: true, ...own.yaxis },
  };
}

/** @param {Figure} figure @returns {HTMLElement} */
function framed(figure) {
  const frame = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const plot = document.createElement("div");
  frame.className = "plot";
  caption.textContent = figure.title;
  frame.append(caption, plot);
  return frame;
}

/** @param {Figure} figure @returns {HTMLElement} why there is no such figure */
function missing({ title, note }) {
  const line = document.createElement("li");
  line.textContent = `${title}: ${note}`;
  return line;
}

/** @param {HTMLElement} element @returns {Promise<void>} when it is laid out: at once, or when its tab is opened */
function laidOut(element) {
  return new Promise((resolve) => {
    const observer = new ResizeObserver(() => {
      if (!element.clientWidth) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(element);
  });
}

/** @param {Figure[]} figures those with nothing to show are named below the others */
async function draw(figures) {
  const plotly = /** @type {{Plotly?: Plotly}} */ (/** @type {unknown} */ (window)).Plotly;
  const full = figures.filter((figure) => figure.data.length);
  const frames = full.map(framed);
  list.replaceChildren(...frames); // all of them before the first is drawn
  absent.replaceChildren(...figures.filter((figure) => !figure.data.length).map(missing));
  await laidOut(list); // a plot takes the width that its frame has then
  full.forEach((figure, index) => {
    const plot = /** @type {HTMLElement} */ (frames[index]?.lastElementChild);
    if (plotly) void plotly.newPlot(plot, figure.data, layout(figure.layout), OPTIONS);
  });
}

/** @param {HTMLElement} home */
async function show(home) {
  const asked = new URLSearchParams({
    architecture: select("figure-architecture").value,
    source: select("figure-source").value,
  });
  try {
    const answer = await fetch(`${home.dataset.figures}?${asked}`, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const found = /** @type {Answer} */ (await answer.json());
    offer(select("figure-architecture"), found.architectures, found.architecture ?? "");
    offer(select("figure-source"), found.sources, asked.get("source") ?? "", "choose one");
    form.hidden = found.architectures.length === 0;
    state.textContent = found.figures.length ? "" : "No run has finished.";
    void draw(found.figures);
  } catch {
    state.textContent = "The figures cannot be shown now; load the page again.";
  }
}

/** @param {HTMLElement} home */
async function showDetails(home) {
  const answer = await fetch(home.dataset.details ?? "", { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const found = document.createElement("template");
  found.innerHTML = await answer.text();
  for (const part of found.content.querySelectorAll("[data-into]")) {
    const place = document.getElementById(part.getAttribute("data-into") ?? "");
    place?.replaceChildren(...part.childNodes);
    if (place) labelTables(place);
  }
}

if (page) {
  form.addEventListener("change", () => void show(page));
  await show(page);
  await showDetails(page);
}
