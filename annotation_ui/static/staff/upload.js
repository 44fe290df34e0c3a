// @ts-check
/** Sends images one by one, so that progress shows, a lost connection costs one file, and each refusal has its reason. */
import { mega, plan } from "./upload-plan.js";
import { BadArchive, entriesOf, isHidden, unpack } from "./zip.js";

/** @typedef {import("./upload-plan.js").Found} Found */
/** @typedef {import("./upload-plan.js").Item} Item */
/** @typedef {{imported: boolean, remarks: string[], ignored: {field: string, stored: string, given: string}[]}} Answer */

const AT_ONCE = 2; // of the four requests of staff that a server works on
const TRIES = 5;

const form = /** @type {HTMLFormElement} */ (document.getElementById("upload"));
const report = /** @type {HTMLElement} */ (document.getElementById("report"));
const bar = /** @type {HTMLProgressElement} */ (report.querySelector("progress"));
const words = /** @type {HTMLElement} */ (document.getElementById("report-words"));
const lines = /** @type {HTMLElement} */ (document.getElementById("report-lines"));
const stop = /** @type {HTMLButtonElement} */ (document.getElementById("report-stop"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button.button--primary"));
const largest = Number(form.dataset.largest);

let isStopped = false;

/** @param {string} name @returns {string} what the form says */
const said = (name) => String(new FormData(form).get(name) ?? "").trim();

/** @returns {Promise<Found[]>} every chosen file, those of archives in place of the archives */
async function found() {
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input[type="file"]'));
  const chosen = [...inputs].flatMap((input) => [...(input.files ?? [])]);
  const files = [];
  for (const file of chosen) {
    if (/\.zip$/iu.test(file.name)) {
      for (const entry of await entriesOf(file)) {
        files.push({ path: entry.name, size: entry.size, read: () => unpack(file, entry) });
      }
    } else {
      files.push({ path: file.webkitRelativePath || file.name, size: file.size, read: async () => file });
    }
  }
  return files.filter(({ path }) => !isHidden(path));
}

/** @param {string} text */
function tell(text) {
  const line = document.createElement("li");
  line.textContent = text;
  lines.append(line);
}

/** @param {Item} item @returns {Promise<FormData>} */
async function bodyOf(item) {
  const body = new FormData();
  const fields = {
    name: item.name,
    label: item.label,
    source: item.source,
    size: said("size"),
    faces: said("faces"),
  };
  for (const [name, value] of Object.entries(fields)) if (value) body.set(name, value);
  body.set("file", await item.read(), item.name.split("/").at(-1));
  return body;
}

/** @param {Item} item @returns {Promise<Answer>} Error: why it was refused */
async function send(item) {
  const body = await bodyOf(item);
  for (let tried = 1; tried <= TRIES; tried++) {
    const answer = await fetch("/api/images", { method: "POST", body }).catch(() => null);
    if (answer?.ok) return answer.json();
    if (answer?.status === 401) location.reload();
    if (answer && answer.status !== 503) throw new Error((await answer.json()).detail);
    await new Promise((resolve) => setTimeout(resolve, 1000 * tried));
  }
  throw new Error("the server did not answer.");
}

/** @param {Answer} answer @returns {string[]} what somebody should look at */
function remarksOf({ ignored, remarks }) {
  const kept = ignored.map(
    ({ field, stored, given }) => `its ${field} stays ${stored || "empty"}, ${given} is not taken.`,
  );
  return [...remarks, ...kept];
}

/** @param {Item[]} items @param {number} refused before anything was sent */
async function sendAll(items, refused) {
  const counts = { imported: 0, there: 0, refused };
  const waiting = [...items];
  bar.max = items.length;
  const show = () => {
    bar.value = items.length - waiting.length;
    words.textContent = `${counts.imported} imported, ${counts.there} already there, ${counts.refused} refused, ${waiting.length} to come.`;
  };
  const work = async () => {
    for (let item = waiting.shift(); item && !isStopped; item = waiting.shift()) {
      try {
        const done = await send(item);
        counts[done.imported ? "imported" : "there"]++;
        for (const line of remarksOf(done)) tell(`${item.name}: ${line}`);
      } catch (error) {
        counts.refused++;
        const reason = error instanceof Error ? error.message : String(error);
        tell(reason.startsWith(item.name) ? reason : `${item.name}: ${reason}`);
      }
      show();
    }
  };
  show();
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  words.textContent += isStopped ? " Stopped." : " Done.";
}

/** @param {number} refused @returns {string} why nothing is sent */
const nothing = (refused) =>
  refused
    ? `Nothing was sent: ${refused} refused, each for the reason below.`
    : "Nothing to send: choose files, a folder or a ZIP archive with images.";

/** @param {SubmitEvent} event */
async function upload(event) {
  event.preventDefault();
  lines.replaceChildren();
  report.hidden = false;
  words.textContent = "Reading what was chosen.";
  isStopped = false;
  button.disabled = true;
  stop.hidden = false;
  try {
    const { items, refused } = plan(await found(), { label: said("label"), source: said("source"), largest });
    refused.forEach(({ name, reason }) => tell(`${name}: ${reason}`));
    if (items.length === 0) words.textContent = nothing(refused.length);
    else await sendAll(items, refused.length);
  } catch (error) {
    words.textContent = error instanceof BadArchive ? `${error.message} Nothing was sent.` : String(error);
  }
  button.disabled = false;
  stop.hidden = true;
}

form.addEventListener("submit", upload);
stop.addEventListener("click", () => (isStopped = true));
for (const part of form.querySelectorAll("[data-scripted]")) part.removeAttribute("hidden");
form.querySelectorAll("[data-plain]").forEach((part) => part.setAttribute("hidden", ""));
const limit = document.getElementById("largest");
if (limit) limit.textContent = `${mega(largest)} MB`;
