/**
 * The outbox: a decision is kept before it is sent and forgotten when it is acknowledged. Sending the same
 * decision twice is harmless (the server knows it again), so everything that is not an answer is tried again.
 *
 * @import { Decision } from "../../participant.d.ts"
 * @typedef {{trial: string, study: string, token: string, body: Decision}} Entry
 * @typedef {{put: (entry: Entry) => Promise<void>, all: () => Promise<Entry[]>, remove: (trial: string) => Promise<void>, outlivesPage?: boolean}} Shelf
 * @typedef {"saved" | "settled" | "refused" | "forgotten"} Verdict
 * @typedef {{status: number, detail: string, reference?: string, body?: any}} Answer status 0 = nobody answered
 * @typedef {{verdict: Verdict, detail: string, body?: any}} Delivered
 *
 * @typedef {object} Post
 * @property {Shelf} shelf
 * @property {(entry: Entry) => Promise<Answer>} send never throws
 * @property {(ms: number) => Promise<void>} sleep may return early, when the network is back
 * @property {(failures: number, answer: Answer | null) => void} onWaiting 0 and null when an answer has come
 * @property {() => number} random in [0, 1)
 */

export const FIRST_WAIT = 500; // ms
export const LONGEST_WAIT = 20_000; // ms

/** How long to wait after so many failures: doubling, at most 20 s, and spread so that a crowd does not return at once. @param {number} failures from 1 @param {number} random in [0, 1) */
export function backOff(failures, random) {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * (0.5 + random / 2);
}

/** @type {{[status: number]: Verdict | "again"}} */
const VERDICTS = {
  0: "again", // nobody answered
  401: "forgotten",
  404: "settled", // 404, 409, 410: decided elsewhere or given away, so there is nothing left to send
  408: "again",
  409: "settled",
  410: "settled",
  425: "again",
  429: "again",
};

/**
 * What an answer means for the decision that was sent.
 *
 * @param {number} status of HTTP; 0 = nobody answered @returns {Verdict | "again"}
 */
export function verdict(status) {
  if (status >= 200 && status < 300) return "saved";
  if (status >= 500) return "again";
  return VERDICTS[status] ?? "refused";
}

export class Outbox {
  /** @param {Post} post */
  constructor(post) {
    this.post = post;
    /** @type {Promise<unknown>} the last delivery in the line */
    this.line = Promise.resolve();
  }

  /**
   * Keep a decision, send it when its turn has come until it is answered, forget it.
   *
   * @param {Entry} entry @returns {Promise<Delivered>}
   */
  async deliver(entry) {
    await this.post.shelf.put(entry);
    /** @type {() => void} */
    let letOthersPass = () => {};
    const passed = new Promise((resolve) => (letOthersPass = () => resolve(null)));
    const delivery = this.line.then(() => this.send(entry, letOthersPass));
    this.line = Promise.race([delivery, passed]);
    return delivery;
  }

  /** Send what an earlier page of this study left behind. @param {string} study @returns {Promise<number>} how many */
  async deliverLeftovers(study) {
    const left = (await this.post.shelf.all()).filter((entry) => entry.study === study);
    await Promise.all(left.map((entry) => this.send(entry)));
    return left.length;
  }

  /**
   * @param {Entry} entry @param {() => void} onTrouble the server cannot take this one; it may take others
   * @returns {Promise<Delivered>}
   */
  async send(entry, onTrouble = () => {}) {
    const { post } = this;
    for (let failures = 1; ; failures += 1) {
      const answer = await post.send(entry);
      const { status, detail, body } = answer;
      const found = verdict(status);
      if (found !== "again") {
        post.onWaiting(0, null);
        await post.shelf.remove(entry.trial);
        return { verdict: found, detail, body };
      }
      post.onWaiting(failures, answer);
      if (status >= 500) onTrouble();
      await post.sleep(backOff(failures, post.random()));
    }
  }
}
