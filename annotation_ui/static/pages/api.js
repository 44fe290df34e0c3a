// @ts-check
/** Calls to the server. A call never hangs and never throws: no answer is an answer with status 0. */

/**
 * @typedef {{status: number, body: any, code: string, detail: string, reference: string}} Reply
 */

const PATIENCE = 15_000; // ms

export class Api {
  /** @param {string} root such as "/api" */
  constructor(root) {
    this.root = root;
    this.token = "";
  }

  /** @param {string} study @param {object} consent @returns {Promise<Reply>} */
  join(study, consent) {
    return this.call("POST", `/studies/${encodeURIComponent(study)}/participants`, { body: consent });
  }

  /** @returns {Promise<Reply>} */
  next() {
    return this.call("GET", "/participant/next", { token: this.token });
  }

  /** @param {string} trial @param {object} body @param {string} token @returns {Promise<Reply>} */
  decide(trial, body, token) {
    return this.call("PUT", `/trials/${encodeURIComponent(trial)}/decision`, { body, token });
  }

  /** @returns {Promise<Reply>} */
  withdraw() {
    return this.call("POST", "/participant/withdraw", { token: this.token, body: {} });
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
      return await reply(response);
    } catch {
      return { status: 0, body: null, code: "", detail: "", reference: "" };
    }
  }
}

/** @param {Response} response @returns {Promise<Reply>} */
async function reply(response) {
  const body = await response.json().catch(() => null);
  return {
    status: response.status,
    body,
    code: String(body?.error ?? ""),
    detail: String(body?.detail ?? ""),
    reference: response.headers.get("X-Request-ID") ?? "",
  };
}
