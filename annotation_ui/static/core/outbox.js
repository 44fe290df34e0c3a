/**
 * The outbox: a decision is kept before it is sent and forgotten when it is acknowledged. Sending the same
 * decision twice is harmless (the server knows it again), so everything that is not an answer is tried again.
 *
 * @import { Decision } from "../../participant.d.ts"
 * @typedef {{trial: string, study: string, token: string, body: Decision}} Entry
 * @typedef {{put: (entry: Entry) => Promise<void>, all: () => Promise<Entry[]>, remove: (trial: string) => Promise<void>, outlivesPage?: boolean}} Shelf
 * @typedef {"saved" | "settled" | "refused" | "forgotten"} Verdict
 * @typedef {{status: number, detail: string, body?: any}} Answer status 0 = nobody answered
 * @typedef {{verdict: Verdict, detail: string, body?: any}} Delivered
 *
 * @typedef {object} Post
 * @property {Shelf} shelf
 * @property {(entry: Entry) => Promise<Answer>} send never throws
 * @property {(ms: number) => Promise<void>} sleep may return early, when the network is back
 * @property {(waiting: boolean) => void} onWaiting
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
    const delivery = this.line.then(() => this.send(entry));
    this.line = delivery;
    return delivery;
  }

  /** Send what an earlier page of this study left behind. @param {string} study @returns {Promise<number>} how many */
  async deliverLeftovers(study) {
    const left = (await this.post.shelf.all()).filter((entry) => entry.study === study);
    for (const entry of left) await this.send(entry);
    return left.length;
  }

  /** @param {Entry} entry @returns {Promise<Delivered>} */
  async send(entry) {
    const { post } = this;
    for (let failures = 1; ; failures += 1) {
      const { status, detail, body } = await post.send(entry);
      const found = verdict(status);
      if (found !== "again") {
        post.onWaiting(false);
        await post.shelf.remove(entry.trial);
        return { verdict: found, detail, body };
      }
      post.onWaiting(true);
      await post.sleep(backOff(failures, post.random()));
    }
  }
}
