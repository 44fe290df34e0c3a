/**
 * The outbox keeps a decision before it sends it, and removes it once the server has answered. Sending a decision
 * twice does no harm (the server recognises it), so whatever is no answer is tried again.
 *
 * @import { DecisionBody } from "../../participant.d.ts"
 * @typedef {{trial: string, study: string, token: string, body: DecisionBody}} Entry
 * @typedef {{put: (entry: Entry) => Promise<void>, all: () => Promise<Entry[]>, remove: (trial: string) => Promise<void>, outlivesPage?: boolean}} OutboxStore
 * @typedef {"saved" | "superseded" | "refused" | "token_unknown"} Outcome of sending a decision
 * @typedef {{status: number, detail: string, reference?: string, body?: any}} Answer status 0 = no answer came
 * @typedef {{outcome: Outcome, detail: string, body?: any}} Delivery
 *
 * @typedef {object} OutboxOptions
 * @property {OutboxStore} store
 * @property {(entry: Entry) => Promise<Answer>} send never throws
 * @property {(ms: number) => Promise<void>} sleep may return early, when the network is back
 * @property {(failures: number, answer: Answer | null) => void} onWaiting 0 and null when an answer has come
 * @property {() => number} random in [0, 1)
 */

export const FIRST_WAIT = 500; // ms
export const LONGEST_WAIT = 20_000; // ms

/**
 * How long to wait after so many failures: doubling, at most 20 s, and spread so that a crowd does not return at once.
 *
 * @param {number} failures from 1 @param {number} random in [0, 1) @returns {number} ms
 */
export function backOff(failures, random) {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * (0.5 + random / 2);
}

/** @type {{[status: number]: Outcome | "again"}} */
const OUTCOMES = {
  0: "again", // no answer came
  401: "token_unknown",
  404: "superseded", // 404, 409, 410: decided elsewhere or given away, so there is nothing left to send
  408: "again",
  409: "superseded",
  410: "superseded",
  425: "again",
  429: "again",
};

/**
 * What an answer means for the decision that was sent.
 *
 * @param {number} status of HTTP; 0 = no answer came @returns {Outcome | "again"}
 */
export function outcomeOf(status) {
  if (status >= 200 && status < 300) return "saved";
  if (status >= 500) return "again";
  return OUTCOMES[status] ?? "refused";
}

export class Outbox {
  /** @param {OutboxOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Promise<unknown>} the last delivery in the line */
    this.line = Promise.resolve();
  }

  /**
   * Keep a decision, send it when its turn has come until it is answered, remove it.
   *
   * @param {Entry} entry @returns {Promise<Delivery>}
   */
  async deliver(entry) {
    await this.options.store.put(entry);
    /** @type {() => void} */
    let letOthersPass = () => {};
    const passed = new Promise((resolve) => (letOthersPass = () => resolve(null)));
    const delivery = this.line.then(() => this.send(entry, letOthersPass));
    this.line = Promise.race([delivery, passed]);
    return delivery;
  }

  /** Send what an earlier page of this study left behind. @param {string} study @returns {Promise<number>} how many */
  async deliverLeftovers(study) {
    const left = (await this.options.store.all()).filter((entry) => entry.study === study);
    await Promise.all(left.map((entry) => this.send(entry)));
    return left.length;
  }

  /**
   * @param {Entry} entry @param {() => void} onTrouble the server cannot take this one; it may take others
   * @returns {Promise<Delivery>}
   */
  async send(entry, onTrouble = () => {}) {
    const { options } = this;
    for (let failures = 1; ; failures += 1) {
      const answer = await options.send(entry);
      const { status, detail, body } = answer;
      const outcome = outcomeOf(status);
      if (outcome !== "again") {
        options.onWaiting(0, null);
        await options.store.remove(entry.trial);
        return { outcome, detail, body };
      }
      options.onWaiting(failures, answer);
      if (status >= 500) onTrouble();
      await options.sleep(backOff(failures, options.random()));
    }
  }
}
