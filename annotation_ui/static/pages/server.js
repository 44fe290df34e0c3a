/** The calls of the page to the server, over a network that comes and goes. */

import { Outbox, backOff } from "../core/outbox.js";
import { sleep } from "./pictures.js";
import { say } from "./screens.js";

/**
 * @import { Draft } from "../../page.d.ts"
 * @import { Calls, DecisionBody, Enrolment } from "../../participant.d.ts"
 * @import { Answer, Delivery, Entry } from "../core/outbox.js"
 *
 * @template Body
 * @typedef {{status: number, body: Body, code: string, detail: string, reference: string}} Reply status 0 where no
 * answer came; `body` is what the type says only where the server took the call
 */

const WAITING = "Saved on this device. Waiting for the network…";
const OFFLINE = "No connection. This page continues by itself when you are online again.";
const BUSY = "The server is busy. This page continues by itself in a moment.";
const OUR_SIDE = "Something is wrong on our side. Your answers are saved on this device. This page keeps trying.";
const DRAFTS_EVERY = 3000; // ms
const LASTING = 5; // failures, after which it is no longer called a moment

export class Server {
  /** @param {{study: string}} page @param {import("../core/outbox.js").OutboxStore} store */
  constructor({ study }, store) {
    this.study = study;
    this.api = new Api();
    /** What to quote to the staff when something goes wrong. */
    this.reference = "";
    this.isWaiting = false;
    /** @type {Draft | null} */
    this.draft = null;
    this.draftTimer = 0;
    /** What the banner says about sending and about asking; the first that is not empty is shown. */
    this.banner = { sending: "", asking: "" };
    this.outbox = new Outbox({
      store,
      send: (/** @type {Entry} */ entry) => this.api.decide(entry.trial, entry.body, entry.token),
      sleep,
      onWaiting: (/** @type {number} */ failures, /** @type {Answer | null} */ answer) => {
        this.isWaiting = failures > 0;
        this.setBanner("sending", answer ? trouble(answer, failures, WAITING) : "");
      },
      random: Math.random,
    });
  }

  /** Ask until the server answers. @template Body @param {() => Promise<Reply<Body>>} call @returns {Promise<Reply<Body>>} */
  async ask(call) {
    for (let failures = 1; ; failures += 1) {
      const reply = await call();
      const isAnswer = reply.status > 0 && reply.status < 500 && reply.status !== 429;
      if (reply.reference) this.reference = reply.reference;
      if (isAnswer) {
        this.setBanner("asking", "");
        return reply;
      }
      this.setBanner("asking", trouble(reply, failures, reply.status ? BUSY : OFFLINE));
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
  setBanner(about, text) {
    this.banner[about] = text;
    say(this.banner.sending || this.banner.asking);
  }

  /** @param {string} trial @param {DecisionBody} decision @returns {Promise<Delivery>} */
  deliver(trial, decision) {
    this.draft = null; // the decision takes its place
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

/** Calls to the server, named as in `Calls`. A call never hangs and never throws. */
class Api {
  token = "";

  /** @param {string} study @param {Enrolment} body */
  join(study, body) {
    return this.call("POST /api/studies/{slug}/participants", { id: study, body, token: this.token });
  }

  next() {
    return this.call("GET /api/participant/next", { body: null, token: this.token });
  }

  /** @param {string} trial @param {DecisionBody} body @param {string} token */
  decide(trial, body, token) {
    return this.call("PUT /api/trials/{trial_id}/decision", { id: trial, body, token });
  }

  /** @param {Draft} draft */
  keep(draft) {
    const body = { draft: { ...draft } };
    return this.call("PUT /api/trials/{trial_id}/draft", { id: draft.trial, body, token: this.token });
  }

  /** @template {keyof Calls} Call @param {Call} call @param {Calls[Call]["body"]} body */
  send(call, body) {
    return this.call(call, { body, token: this.token });
  }

  /**
   * @template {keyof Calls} Call
   * @param {Call} call @param {{body: Calls[Call]["body"], id?: string, token?: string}} request `id` takes the
   * place of the parameter in the address
   * @returns {Promise<Reply<Calls[Call]["answer"]>>}
   */
  async call(call, { body, id = "", token }) {
    const [method = "", address = ""] = call.split(" ");
    const headers = new Headers({ Accept: "application/json" });
    if (token) headers.set("Authorization", `Bearer ${token}`);
    if (body) headers.set("Content-Type", "application/json");
    try {
      const response = await fetch(address.replace(/\{\w+\}/, encodeURIComponent(id)), {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(PATIENCE),
      });
      return await read(response);
    } catch {
      return { status: 0, body: NOTHING, code: "", detail: "", reference: "" };
    }
  }
}

/** The body of a reply that did not come. @type {any} */
const NOTHING = null;

/** @param {Response} response @returns {Promise<Reply<any>>} */
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
