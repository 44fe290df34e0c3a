// @ts-check
/**
 * What stays in the browser. Inside a marketplace's frame a browser may refuse all of it; then memory and the
 * address (`#p=…`) have to do, and everything else works as before.
 *
 * @typedef {import("../core/outbox.js").Entry} Entry
 * @typedef {import("../core/outbox.js").Shelf} Shelf
 * @typedef {import("../core/judgement.js").Draft} Draft
 * @typedef {{token: string, annotate: boolean, trials: number}} Session
 */

/** Text by name, in localStorage or, where that is refused, in memory. */
export class Notes {
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

/** @param {string} token empty to take it out */
export function putTokenInAddress(token) {
  history.replaceState(null, "", location.pathname + location.search + (token ? `#p=${token}` : ""));
}

const PATIENCE = 2000; // ms; some browsers neither open a database nor refuse it

/** @returns {Promise<Shelf>} in IndexedDB or, where that is refused, in memory */
export async function openShelf() {
  try {
    const late = new Promise((_, reject) => setTimeout(reject, PATIENCE));
    return databaseShelf(await Promise.race([openDatabase(), late]));
  } catch {
    return memoryShelf();
  }
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

/** @param {IDBDatabase} database @returns {Shelf} */
function databaseShelf(database) {
  /** @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest} act @returns {Promise<any>} */
  const run = (mode, act) =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction("outbox", mode);
      const request = act(transaction.objectStore("outbox"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  const spare = memoryShelf(); // a full disk must not keep a decision from being sent
  return {
    put: (entry) => run("readwrite", (store) => store.put(entry)).catch(() => spare.put(entry)),
    all: () => run("readonly", (store) => store.getAll()).catch(() => spare.all()),
    remove: (trial) => run("readwrite", (store) => store.delete(trial)).catch(() => spare.remove(trial)),
  };
}

/** @returns {Shelf} */
function memoryShelf() {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  return {
    put: async (entry) => void entries.set(entry.trial, entry),
    all: async () => [...entries.values()],
    remove: async (trial) => void entries.delete(trial),
  };
}
