/** Talking with the server over a network that comes and goes. */

import { Outbox, backOff } from "../core/outbox.js";
import { sleep } from "./pictures.js";
import { say } from "./screens.js";

/**
 * @import { Decision, Draft } from "../../participant.d.ts"
 * @import { Answer, Delivered, Entry } from "../core/outbox.js"
 * @typedef {{status: number, body: any, code: string, detail: string, reference: string}} Reply no answer is an answer with status 0
 */

const WAITING = "Saved on this device. Waiting for the network…";
const OFFLINE = "No connection. This page continues by itself when you are online again.";
const BUSY = "The server is busy. This page continues by itself in a moment.";
const OUR_SIDE = "Something is wrong on our side. Your answers are saved on this device. This page keeps trying.";
const DRAFTS_EVERY = 3000; // ms
const LASTING = 5; // failures, after which it is no longer called a moment

export class Server {
  /** @param {{api: string, study: string}} page @param {import("../core/outbox.js").Shelf} shelf */
  constructor({ api, study }, shelf) {
    this.study = study;
    this.api = new Api(api);
    /** What support is told when something goes wrong. */
    this.reference = "";
    this.isWaiting = false;
    /** @type {Draft | null} */
    this.draft = null;
    this.draftTimer = 0;
    /** What is said about sending and about asking; the first of them that says something is shown. */
    this.lines = { sending: "", asking: "" };
    this.outbox = new Outbox({
      shelf,
      send: (/** @type {Entry} */ entry) => this.api.decide(entry.trial, entry.body, entry.token),
      sleep,
      onWaiting: (/** @type {number} */ failures, /** @type {Answer | null} */ answer) => {
        this.isWaiting = failures > 0;
        this.tell("sending", answer ? trouble(answer, failures, WAITING) : "");
      },
      random: Math.random,
    });
  }

  /** Ask until somebody answers. @param {() => Promise<Reply>} call @returns {Promise<Reply>} */
  async ask(call) {
    for (let failures = 1; ; failures += 1) {
      const reply = await call();
      const isAnswer = reply.status > 0 && reply.status < 500 && reply.status !== 429;
      if (reply.reference) this.reference = reply.reference;
      if (isAnswer) {
        this.tell("asking", "");
        return reply;
      }
      this.tell("asking", trouble(reply, failures, reply.status ? BUSY : OFFLINE));
      await sleep(backOff(failures, Math.random()));
    }
  }

  /**
   * Let the server have the newest draft, every few seconds at most; one that does not arrive is no loss.
   *
   * @param {Draft} draft
   */
  keepDraft(draft) {
    this.draft = draft;
    this.draftTimer ||= window.setTimeout(() => {
      this.draftTimer = 0;
      if (this.draft && this.api.token) void this.api.keep(this.draft);
    }, DRAFTS_EVERY);
  }

  /** @param {"sending" | "asking"} about @param {string} text */
  tell(about, text) {
    this.lines[about] = text;
    say(this.lines.sending || this.lines.asking);
  }

  /** @param {string} trial @param {Decision} decision @returns {Promise<Delivered>} */
  deliver(trial, decision) {
    this.draft = null; // the decision says it all
    return this.outbox.deliver({ trial, study: this.study, token: this.api.token, body: decision });
  }

  /** Send what an earlier page left behind. */
  deliverLeftovers() {
    return this.outbox.deliverLeftovers(this.study);
  }
}

/** @param {Answer} answer that is none @param {number} failures @param {string} usual @returns {string} */
function trouble({ status, reference }, failures, usual) {
  if (status < 500 || failures < LASTING) return usual;
  return reference ? `${OUR_SIDE} Reference: ${reference}` : OUR_SIDE;
}

const PATIENCE = 15_000; // ms

/** Calls to the server. A call never hangs and never throws. */
class Api {
  /** @param {string} root such as "/api" */
  constructor(root) {
    this.root = root;
    this.token = "";
  }

  /** @param {string} study @param {object} consent @returns {Promise<Reply>} */
  join(study, consent) {
    return this.call("POST", `/studies/${encodeURIComponent(study)}/participants`, {
      body: consent,
      token: this.token,
    });
  }

  /** @param {string} code of a link from the staff @returns {Promise<Reply>} */
  comeBack(code) {
    return this.call("POST", "/participant/return", { body: { code } });
  }

  /** @returns {Promise<Reply>} */
  next() {
    return this.call("GET", "/participant/next", { token: this.token });
  }

  /** @param {string} trial @param {object} body @param {string} token @returns {Promise<Reply>} */
  decide(trial, body, token) {
    return this.call("PUT", `/trials/${encodeURIComponent(trial)}/decision`, { body, token });
  }

  /** @param {Draft} draft @returns {Promise<Reply>} */
  keep(draft) {
    return this.call("PUT", `/trials/${encodeURIComponent(draft.trial)}/draft`, { body: { draft }, token: this.token });
  }

  /** What the participant does beside deciding. @param {"device" | "quiz" | "answers" | "withdraw"} what @param {object} body @returns {Promise<Reply>} */
  send(what, body) {
    return this.call("POST", `/participant/${what}`, { token: this.token, body });
  }

  /**
   * @param {string} method @param {string} path @param {{body?: object, token?: string}} request
   * @returns {Promise<Reply>}
   */
  async call(method, path, { body, token }) {
    const headers = new Headers({ Accept: "application/json" });
    if (token) headers.set("Authorization", `Bearer ${token}`);
    if (body) headers.set("Content-Type", "application/json");
    try {
      const response = await fetch(this.root + path, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(PATIENCE),
      });
      return await read(response);
    } catch {
      return { status: 0, body: null, code: "", detail: "", reference: "" };
    }
  }
}

/** @param {Response} response @returns {Promise<Reply>} */
async function read(response) {
  const body = await response.json().catch(() => null);
  return {
    status: response.status,
    body,
    code: String(body?.error ?? ""),
    detail: String(body?.detail ?? ""),
    reference: String(body?.reference ?? response.headers.get("X-Request-ID") ?? ""),
  };
}
