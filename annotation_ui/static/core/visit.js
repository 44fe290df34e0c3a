// @ts-check
/**
 * The visit as a state machine: which page a participant sees, and what may happen next. An event that does
 * not fit the present page changes nothing, so a late answer or a double click can do no harm.
 *
 * @typedef {import("./judgement.js").Trial} Trial
 * @typedef {{code: string, message: string, redirect_url?: string | null}} Completion
 * @typedef {"declined" | "withdrew" | "study_not_open" | "quota_full" | "already_took_part" | "error"} Ending
 *
 * @typedef {object} State
 * @property {"preview" | "consent" | "instructions" | "loading" | "trial" | "finished" | "ended"} page
 * @property {boolean} busy a request is under way and decides what comes next
 * @property {Trial | null} trial
 * @property {Completion | null} completion
 * @property {Ending | null} ending
 * @property {string} detail
 *
 * @typedef {object} PageEvents
 * @property {{type: "agreed"}} agreed
 * @property {{type: "declined"}} declined
 * @property {{type: "joined", resumed: boolean}} joined
 * @property {{type: "understood"}} understood
 * @property {{type: "given", trial: Trial}} given
 * @property {{type: "submitted"}} submitted
 * @property {{type: "kept"}} kept the decision is with the server, or safe in the outbox
 * @property {{type: "returned"}} returned the server wants a better answer
 * @property {{type: "completed", completion: Completion}} completed
 * @property {{type: "withdrew"}} withdrew
 * @property {{type: "forgotten"}} forgotten the token is not known any more
 * @property {{type: "unanswered"}} unanswered consent could not be sent; it may be tried again
 * @property {{type: "refused", code: string, detail: string}} refused
 * @typedef {PageEvents[keyof PageEvents]} VisitEvent
 */

/** @param {{preview: boolean, known: boolean}} visitor @returns {State} */
export function start({ preview, known }) {
  return { page: firstPage(preview, known), busy: known, trial: null, completion: null, ending: null, detail: "" };
}

/** @param {boolean} preview @param {boolean} known @returns {State["page"]} */
function firstPage(preview, known) {
  if (preview) return "preview";
  return known ? "loading" : "consent";
}

/** @type {{[type: string]: (state: State, event: any) => State}} */
const MOVES = {
  agreed: (state) => when(state, ["consent"], { busy: true }),
  declined: (state) => when(state, ["consent"], { page: "ended", ending: "declined" }),
  joined: (state, { resumed }) => when(state, ["consent"], { page: resumed ? "loading" : "instructions", busy: resumed }),
  understood: (state) => when(state, ["instructions"], { page: "loading", busy: true }),
  given: (state, { trial }) => when(state, ["loading", "trial"], { page: "trial", busy: false, trial }),
  submitted: (state) => (state.busy ? state : when(state, ["trial"], { busy: true })),
  kept: (state) => when(state, ["trial"], { page: "loading", busy: true, trial: null }),
  returned: (state) => when(state, ["trial"], { busy: false }),
  completed: (state, { completion }) =>
    when(state, ["loading", "trial"], { page: "finished", busy: false, trial: null, completion }),
  withdrew: (state) => when(state, ["instructions", "loading", "trial", "finished"], { page: "ended", ending: "withdrew" }),
  forgotten: (state) => when(state, ["instructions", "loading", "trial"], { page: "consent", busy: false, trial: null }),
  unanswered: (state) => when(state, ["consent"], { busy: false }),
  refused: (state, { code, detail }) => ({ ...state, page: "ended", busy: false, ending: ending(code), detail }),
};

/** @param {State} state @param {VisitEvent} event @returns {State} */
export function move(state, event) {
  const next = MOVES[event.type];
  if (!next) throw new Error(`There is no event ${event.type}.`);
  return state.page === "ended" ? state : next(state, event);
}

/** @param {State} state @param {State["page"][]} pages @param {Partial<State>} change @returns {State} */
const when = (state, pages, change) => (pages.includes(state.page) ? { ...state, ...change } : state);

/** @param {string} code what the API calls it @returns {Ending} */
function ending(code) {
  if (code === "study_not_open" || code === "quota_full" || code === "already_took_part") return code;
  return "error";
}
