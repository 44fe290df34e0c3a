/**
 * What stays in the browser. Inside a marketplace's frame a browser may refuse all of it. Then memory and the
 * address (`#p=…`) take its place, and everything else works as before.
 *
 * @import { Entry, OutboxStore } from "../core/outbox.js"
 * @typedef {{token: string, annotate: boolean, trials: number, assignment: string | null, version: number}} Session
 */

/** Text by name, in localStorage or, where that is refused, in memory. */
export class BrowserStorage {
  /** @param {string} prefix */
  constructor(prefix) {
    this.prefix = prefix;
    /** @type {Map<string, string>} */
    this.memory = new Map();
  }

  /** @param {string} name @returns {any} null when there is nothing to read */
  read(name) {
    return JSON.parse(this.memory.get(name) ?? this.stored(name) ?? "null");
  }

  /** @param {string} name @returns {string | null} */
  stored(name) {
    try {
      return localStorage.getItem(this.prefix + name);
    } catch {
      return null; // refused
    }
  }

  /** @param {string} name @param {unknown} value */
  write(name, value) {
    const text = JSON.stringify(value);
    this.memory.set(name, text);
    try {
      localStorage.setItem(this.prefix + name, text);
    } catch {
      // refused or full: memory has it
    }
  }

  clear() {
    const names = ["session", "briefed", "quiz", "questions", "pasted", "break", "draft", "feedback"];
    for (const name of names) this.remove(name);
  }

  /** @param {string} name */
  remove(name) {
    this.memory.delete(name);
    try {
      localStorage.removeItem(this.prefix + name);
    } catch {
      // refused: memory was all there was
    }
  }
}

/** The token in the address, so that a reload or the same link elsewhere continues. */
export function tokenInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("p") ?? "";
}

const LINK = "link"; // parameter of the address, and name in the storage

/** The link is one for all studies: a person who comes back for another study is the same person. */
const linkStorage = new BrowserStorage("cyborg.");

/**
 * Who a browser without an id is: whom the address names, else whom it was the last time.
 *
 * @param {string} served the address's own link if it has one, else a fresh one
 * @param {boolean} isKept also before consent: a participant who is let back in has consented @returns {string}
 */
export function ownLink(served, isKept) {
  const isPersonal = new URLSearchParams(location.search).get(LINK) === served;
  const link = isPersonal ? served : (linkStorage.read(LINK) ?? served);
  if (isKept) linkStorage.write(LINK, link);
  return link;
}

/** @param {string} token empty for none */
export function putTokenInAddress(token) {
  history.replaceState(null, "", location.pathname + location.search + (token ? `#p=${token}` : ""));
}

/** The next participant at this browser is another person. */
export const forgetLink = () => linkStorage.remove(LINK);

/** Put the link of a participant into the address, or take it out. @param {string | null} link */
export function putLinkInAddress(link) {
  const query = new URLSearchParams(location.search);
  if (link) {
    query.set(LINK, link);
    linkStorage.write(LINK, link);
  } else {
    query.delete(LINK);
  }
  history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : "") + location.hash);
}

/**
 * Open the page with the texts of another version of the study.
 *
 * @param {number} version @returns {boolean} is it on its way? Not when the address asks for that version already.
 */
export function openVersion(version) {
  const query = new URLSearchParams(location.search);
  if (query.get("v") === String(version)) return false;
  query.set("v", String(version));
  location.replace(`${location.pathname}?${query}${location.hash}`);
  return true;
}

const PATIENCE = 2000; // ms; some browsers neither open a database nor refuse it, or never end a transaction

/** @returns {Promise<OutboxStore>} in IndexedDB or, where that is refused, in memory */
export async function openOutboxStore() {
  try {
    return databaseStore(await inTime(openDatabase()));
  } catch {
    return memoryStore();
  }
}

/** @template T @param {Promise<T>} work @returns {Promise<T>} rejects when it takes too long */
function inTime(work) {
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error("The storage does not answer.")));
  return Promise.race([work, late]);
}

/** @returns {Promise<IDBDatabase>} */
function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("cyborg", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "trial" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("The database is held by another tab."));
  });
}

/** @param {IDBDatabase} database @returns {OutboxStore} */
function databaseStore(database) {
  /** @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest} act @returns {Promise<any>} */
  const run = (mode, act) =>
    inTime(
      new Promise((resolve, reject) => {
        const transaction = database.transaction("outbox", mode);
        const request = act(transaction.objectStore("outbox"));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error);
      }),
    );
  const spare = memoryStore(); // a full or broken disk must not keep a decision from being sent
  /** @type {OutboxStore} */
  const outboxStore = {
    outlivesPage: true,
    put: (entry) =>
      run("readwrite", (store) => store.put(entry)).catch(() => {
        outboxStore.outlivesPage = false;
        return spare.put(entry);
      }),
    all: () => run("readonly", (store) => store.getAll()).catch(() => spare.all()),
    remove: (trial) => run("readwrite", (store) => store.delete(trial)).catch(() => spare.remove(trial)),
  };
  return outboxStore;
}

/** @returns {OutboxStore} */
function memoryStore() {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  return {
    put: async (entry) => void entries.set(entry.trial, entry),
    all: async () => [...entries.values()],
    remove: async (trial) => void entries.delete(trial),
  };
}
