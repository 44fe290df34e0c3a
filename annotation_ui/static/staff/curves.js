// @ts-check
/** The curves of a run: loss terms, accuracy, and entropy of the model's maps beside the human ones. */

/** @typedef {Record<string, any>} Epoch the payload of an epoch event */
/** @typedef {{react: (element: HTMLElement, traces: object[], layout: object, options: object) => Promise<void>}} Plotly */

// Okabe and Ito's colours, told apart by every kind of colour vision, in an order that fits both schemes.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
export const OPTIONS = {
  displaylogo: false,
  // Without a mouse the buttons would always be there, and on a phone they lie over the title.
  displayModeBar: globalThis.matchMedia?.("(hover: none)").matches ? false : "hover",
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

const COUNT = "with_map"; // stands among the terms, but counts images

/** @param {string} name of a design token */
export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {string} title @param {object} [axis] */
function layout(title, axis = {}) {
  const line = { gridcolor: token("--line"), zerolinecolor: token("--line"), linecolor: token("--line-strong") };
  return {
    title: { text: title, font: { size: 16 }, x: 0.02, xanchor: "left" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font-text"), color: token("--ink"), size: 13 },
    margin: { l: 52, r: 12, t: 44, b: 30 },
    height: 320,
    showlegend: true,
    legend: { orientation: "h", y: -0.12 },
    xaxis: { ...line, rangemode: "tozero", tickformat: "d" },
    yaxis: { ...line, ...axis },
    uirevision: "kept", // zoom stays while new epochs arrive
  };
}

/** @param {Epoch[]} epochs @param {string} name @param {(epoch: Epoch) => unknown} value @param {object} line */
function trace(epochs, name, value, line) {
  return {
    name,
    x: epochs.map(({ epoch }) => epoch),
    y: epochs.map((epoch) => value(epoch) ?? null),
    mode: "lines+markers",
    marker: { size: 5 },
    line,
  };
}

/** @param {number} index */
const colour = (index) => COLOURS[index % COLOURS.length];

/** @param {Epoch[]} epochs every term of the loss, dashed on validation */
function loss(epochs) {
  const names = [...new Set(epochs.flatMap(({ terms }) => Object.keys(terms ?? {})))].filter((name) => name !== COUNT);
  return names.flatMap((name, index) => {
    const solid = trace(epochs, name, ({ terms }) => terms[name], { color: colour(index) });
    const dashed = trace(epochs, `${name}, validation`, ({ val_terms }) => val_terms?.[name], {
      color: colour(index),
      dash: "dot",
    });
    return dashed.y.some((value) => value !== null) ? [solid, dashed] : [solid];
  });
}

/** @param {Epoch[]} epochs */
const accuracy = (epochs) => [
  trace(epochs, "train", ({ train_accuracy }) => train_accuracy, { color: colour(0) }),
  trace(epochs, "validation", ({ val_accuracy }) => val_accuracy, { color: colour(1) }),
];

/** @param {Epoch[]} epochs */
const entropy = (epochs) => [
  trace(epochs, "model", ({ cam_entropy }) => cam_entropy, { color: colour(0) }),
  trace(epochs, "human", ({ human_entropy }) => human_entropy, { color: colour(1) }),
  {
    ...trace(epochs, "even map", ({ max_entropy }) => max_entropy, { color: token("--muted"), dash: "dash" }),
    mode: "lines",
  },
];

/** @param {string} id @param {object[]} traces @param {object} shape */
function plot(id, traces, shape) {
  const plotly = /** @type {{Plotly?: Plotly}} */ (/** @type {unknown} */ (window)).Plotly;
  const element = document.getElementById(id);
  if (plotly && element) void plotly.react(element, traces, shape, OPTIONS);
}

/** @param {Epoch[]} epochs in their order; nothing is drawn of none */
export function curves(epochs) {
  plot("plot-loss", loss(epochs), layout("Loss terms by epoch"));
  plot("plot-accuracy", accuracy(epochs), layout("Accuracy by epoch", { tickformat: ".0%" }));
  plot("plot-entropy", entropy(epochs), layout("Entropy of the maps by epoch", { title: { text: "nats" } }));
}
