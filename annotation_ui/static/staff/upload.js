// @ts-check
/**
 * Shows what an upload would import, then sends images one by one, so that progress shows, a lost connection costs one
 * file, and each refusal has its reason.
 */
import { ending, isTable, kindsOf, mega, progress, summary, unfit, unwrapped } from "./upload-plan.js";
import { labelTables } from "./tables.js";
import { BadArchive, entriesOf, isHidden, unpack } from "./zip.js";

/** @typedef {import("./upload-plan.js").Found} Found */
/** @typedef {import("./upload-plan.js").Line} Line */
/** @typedef {import("./upload-plan.js").Plan} Plan */
/** @typedef {{imported: boolean, remarks: string[], ignored: {field: string, stored: string, given: string}[]}} Answer */
/** @typedef {{line: Line, file: Found}} Item */

const AT_ONCE = 2; // of the four requests of staff that a server works on
const TRIES = 5;
const LINES_SHOWN = 200;

const form = /** @type {HTMLFormElement} */ (document.getElementById("upload"));
const report = /** @type {HTMLElement} */ (document.getElementById("report"));
const title = /** @type {HTMLElement} */ (document.getElementById("report-title"));
const bar = /** @type {HTMLProgressElement} */ (report.querySelector("progress"));
const words = /** @type {HTMLElement} */ (document.getElementById("report-words"));
const lines = /** @type {HTMLElement} */ (document.getElementById("report-lines"));
const kinds = /** @type {HTMLElement} */ (document.getElementById("report-kinds"));
const go = /** @type {HTMLButtonElement} */ (document.getElementById("report-go"));
const stop = /** @type {HTMLButtonElement} */ (document.getElementById("report-stop"));
const audit = /** @type {HTMLElement} */ (document.getElementById("report-audit"));
const look = /** @type {HTMLButtonElement} */ (form.querySelector("button.button--primary"));
const largest = Number(form.dataset.largest);

/** Nothing more can be sent now; the message says why. */
class CannotGoOn extends Error {}

/** @type {Item[]} to be sent */
let waiting = [];
/** @type {import("./upload-plan.js").Counts} */
let counts = { imported: 0, there: 0, refused: 0 };
let trouble = "";
let hidden = 0;

/** @param {string} name @returns {string} what the form says */
const said = (name) => String(new FormData(form).get(name) ?? "").trim();

/** @param {File} archive @returns {Promise<Found[]>} */
async function filesOf(archive) {
  const entries = await entriesOf(archive).catch((error) => {
    throw error instanceof BadArchive ? new BadArchive(`${archive.name}: ${error.message}`) : error;
  });
  return entries.map((entry) => ({ path: entry.name, size: entry.size, read: () => unpack(archive, entry) }));
}

/** @returns {Promise<Found[]>} every chosen file, those of archives in place of the archives */
async function found() {
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input[type="file"]'));
  const files = [];
  for (const input of inputs) {
    const chosen = [...(input.files ?? [])].filter(({ name }) => !/\.zip$/iu.test(name));
    const plain = chosen.map((file) => ({
      path: file.webkitRelativePath || file.name,
      size: file.size,
      read: async () => file,
    }));
    files.push(...unwrapped(plain.filter(({ path }) => !isHidden(path))));
    for (const archive of input.files ?? []) {
      if (/\.zip$/iu.test(archive.name)) files.push(...unwrapped(await filesOf(archive)));
    }
  }
  return files;
}

/** @param {string} text */
function tell(text) {
  if (lines.childElementCount >= LINES_SHOWN) hidden += 1;
  const line = hidden ? lines.lastElementChild : lines.appendChild(document.createElement("li"));
  if (line) line.textContent = hidden ? `${hidden + 1} further lines are not shown.` : text;
}

/** @param {string[][]} rows */
function show(rows) {
  kinds.hidden = rows.length === 0;
  const body = /** @type {HTMLElement} */ (kinds.querySelector("tbody"));
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      for (const text of cells) row.appendChild(document.createElement("td")).textContent = text;
      row.lastElementChild?.classList.add("table__number");
      return row;
    }),
  );
  labelTables(kinds);
}

/** @param {Blob} blob @returns {Promise<string>} base64 */
async function encoded(blob) {
  const reader = new FileReader();
  await new Promise((resolve, reject) => {
    reader.onload = resolve;
    reader.onerror = reject;
    reader.readAsDataURL(blob);
  });
  return String(reader.result).split(",")[1] ?? "";
}

/** @param {Found[]} files @returns {Promise<Plan>} what the server says of them; nothing is stored */
async function planned(files) {
  const tables = [];
  for (const file of files.filter(({ path }) => isTable(path))) {
    tables.push({ name: file.path, content: await encoded(await file.read()) });
  }
  const names = files.map(({ path }) => path);
  const plan = JSON.stringify({ files: names, tables, label: said("label") || null, source: said("source") });
  const packed = await new Response(new Blob([plan]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
  if (packed.size > largest) {
    throw new CannotGoOn(
      `The names of the files and the manifest have more than ${mega(largest)} MB, even packed: choose fewer, or use the command line.`,
    );
  }
  const body = new FormData();
  body.set("packed", packed);
  return asked("/api/images/plan/packed", { method: "POST", body });
}

/**
 * Ask again while the server is busy or away.
 *
 * @param {string} address @param {RequestInit} request @returns {Promise<any>} Error: why it was refused
 */
async function asked(address, request) {
  for (let tried = 1; tried <= TRIES; tried++) {
    const answer = await fetch(address, request).catch(() => null);
    if (answer?.ok) return answer.json();
    if (answer?.status === 401) throw new CannotGoOn("You are logged out: log in again in another tab.");
    if (answer && answer.status < 500) throw new Error(await reasonOf(answer));
    if (!trouble) await new Promise((resolve) => setTimeout(resolve, 1000 * tried));
  }
  throw new CannotGoOn("The server does not answer.");
}

/** @param {Response} answer @returns {Promise<string>} */
async function reasonOf(answer) {
  const { detail } = await answer.json().catch(() => ({})); // a proxy answers with a page
  return detail ?? `the server answered with ${answer.status}.`;
}

/** @param {Item} item @returns {Promise<Answer>} Error: why it was refused */
async function send({ line, file }) {
  const body = new FormData();
  const { name, label, source, split, group, x, y, w, h } = line;
  const fields = { name, label, source, split, group, x, y, w, h, size: said("size"), faces: said("faces") };
  for (const [field, value] of Object.entries(fields)) {
    if (value !== null && value !== "") body.set(field, String(value));
  }
  body.set("file", await file.read(), name.split("/").at(-1));
  return asked("/api/images", { method: "POST", body });
}

/** @param {Answer} answer @returns {string[]} what somebody should look at */
function remarksOf({ ignored, remarks }) {
  const kept = ignored.map(
    ({ field, stored, given }) => `its ${field} stays ${stored || "empty"}, ${given} is not taken.`,
  );
  return [...remarks, ...kept];
}

/** @param {Line} line @param {string} text */
function tellOf({ name, where }, text) {
  const own = text.startsWith(name) ? text : `${name}: ${text}`;
  tell(where ? `${where}: ${own}` : own);
}

/** @param {Item} item */
async function sendOne(item) {
  try {
    const done = await send(item);
    counts[done.imported ? "imported" : "there"]++;
    for (const line of remarksOf(done)) tellOf(item.line, line);
  } catch (error) {
    if (error instanceof CannotGoOn) {
      trouble ||= error.message;
      waiting.unshift(item);
      return;
    }
    counts.refused++;
    tellOf(item.line, error instanceof Error ? error.message : String(error));
  }
}

/** Ask a worker by what of the images labels can be told, and show where it will say so. */
async function askForAudit() {
  const answer = await fetch("/api/images/audit", { method: "POST" }).catch(() => null);
  audit.hidden = !answer?.ok;
}

async function sendAll() {
  trouble = "";
  if (bar.value === 0) forgetLines(); // they were about what is not sent
  bar.max = bar.value + waiting.length;
  title.textContent = "Progress";
  bar.hidden = stop.hidden = false;
  go.hidden = true;
  const work = async () => {
    for (let item = waiting.shift(); item; item = trouble ? undefined : waiting.shift()) {
      await sendOne(item);
      words.textContent = progress(counts, waiting.length);
      bar.value = bar.max - waiting.length;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (counts.imported) await askForAudit();
  words.textContent = [progress(counts, waiting.length), ending(trouble, waiting.length)].join(" ");
  stop.hidden = true;
  offer("Send the others");
}

/** @param {string} text of the button that sends what waits */
function offer(text) {
  go.hidden = waiting.length === 0;
  go.textContent = text;
}

/** @param {Found[]} files @param {Plan} plan */
function preview(files, plan) {
  words.textContent = summary(plan);
  show(kindsOf(plan.files));
  [...plan.faults, ...plan.missing].forEach(tell);
  plan.left_out.forEach(({ name, reason }) => tell(`${name}: ${reason}`));
  waiting = plan.files.flatMap((line) => {
    const file = files[line.file];
    return file ? [{ line, file }] : [];
  });
  offer(waiting.length === 1 ? "Import 1 image" : `Import ${waiting.length.toLocaleString("en")} images`);
}

function forgetLines() {
  hidden = 0;
  lines.replaceChildren();
}

function forget() {
  [waiting, trouble] = [[], ""];
  counts = { imported: 0, there: 0, refused: 0 };
  forgetLines();
  show([]);
  bar.value = 0;
  bar.hidden = go.hidden = audit.hidden = true;
}

/** @param {SubmitEvent} event */
async function lookAtIt(event) {
  event.preventDefault();
  forget();
  title.textContent = "What will be imported";
  words.textContent = "Reading what was chosen.";
  report.hidden = false;
  look.disabled = true;
  try {
    const files = await found();
    const fit = files.filter((file) => isTable(file.path) || !unfit(file, largest));
    const sent = new Set(fit);
    if (files.length === 0) words.textContent = "Choose files, a folder or a ZIP archive with images.";
    else preview(fit, await planned(fit));
    const unsent = files.filter((file) => !sent.has(file));
    unsent.forEach((file) => tell(`${file.path}: ${unfit(file, largest)}`));
  } catch (error) {
    words.textContent = `${error instanceof Error ? error.message : String(error)} Nothing was sent.`;
  }
  look.disabled = false;
}

form.addEventListener("submit", lookAtIt);
form.addEventListener("change", () => {
  if (stop.hidden) [report.hidden, waiting] = [true, []]; // it is about something else
});
go.addEventListener("click", sendAll);
stop.addEventListener("click", () => (trouble = "Stopped."));
for (const part of form.querySelectorAll("[data-scripted]")) part.removeAttribute("hidden");
form.querySelectorAll("[data-plain]").forEach((part) => part.setAttribute("hidden", ""));
const limit = document.getElementById("largest");
if (limit) limit.textContent = `${mega(largest)} MB`;
