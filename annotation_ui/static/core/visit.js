/**
 * The visit as a state machine: which page a participant sees, and what may happen next. An event that does
 * not fit the present page changes nothing, so a late answer or a double click can do no harm.
 *
 * @import { Completion, Ending, PageData, PageName, State, Step, Trial, VisitEvent } from "../../participant.d.ts"
 */

/** @type {PageName[]} a participation has begun and has not ended */
export const UNDER_WAY = ["device", "instructions", "loading", "quiz", "trial", "feedback", "break", "questions"];

/** What becomes of a newcomer to a study that is not open, and which of its ways out is theirs. */
const SHUT = /** @type {const} */ ({
  closed: { ending: "closed", way: "closed" },
  paused: { ending: "study_not_open", way: "closed" },
  full: { ending: "quota_full", way: "quota_full" },
});

/**
 * @param {Pick<PageData, "preview" | "state" | "ways_out"> & {known: boolean}} visitor who is known goes on, whatever became
 * of the study @returns {State}
 */
export function start({ preview, known, state: study, ways_out }) {
  const state = {
    busy: false,
    trial: null,
    completion: null,
    detail: "",
    redirect_url: null,
    code: null,
    isOwed: false,
  };
  if (preview || known || study === "open") return { ...state, page: firstPage(preview, known), ending: null };
  const { ending, way } = SHUT[study];
  return { ...state, ...ways_out[way], page: "ended", ending };
}

/** @param {boolean} preview @param {boolean} known @returns {PageName} */
function firstPage(preview, known) {
  if (preview) return "preview";
  return known ? "device" : "consent";
}

/** @type {{[type: string]: (state: State, event: any) => State}} */
const MOVES = {
  agreed: (state) => when(state, ["consent"], { busy: true }),
  declined: (state, { redirect_url = null, code = null }) =>
    when(state, ["consent"], { page: "ended", ending: "declined", redirect_url, code }),
  joined: (state) => when(state, ["consent"], { page: "device", busy: false }),
  fits: (state) => when(state, ["device"], { page: "loading", busy: true }),
  briefed: (state) => when(state, ["loading"], { page: "instructions", busy: false }),
  understood: (state) => when(state, ["instructions"], { page: "loading", busy: true }),
  asked: (state, { step }) => when(state, ["loading"], { page: step.kind, busy: false }),
  answered: (state) => when(state, ["quiz", "questions"], { page: "loading", busy: true }),
  given: (state, { trial }) => when(state, ["loading", "trial"], { page: "trial", busy: false, trial }),
  paused: (state) => when(state, ["loading"], { page: "break", busy: false }),
  rested: (state) => when(state, ["break"], { page: "loading", busy: true }),
  submitted: (state) => (state.busy ? state : when(state, ["trial"], { busy: true })),
  kept: (state) => when(state, ["trial"], { page: "loading", busy: true, trial: null }),
  judged: (state) => when(state, ["trial"], { page: "feedback", busy: false }),
  noticed: (state) => when(state, ["feedback"], { page: "loading", busy: true, trial: null }),
  returned: (state) => when(state, ["trial"], { busy: false }),
  completed: (state, { completion }) => when(state, ["loading"], { ...end(completion), completion }),
  debriefed: (state) => when(state, ["debrief"], last(state)),
  withdrew: (state, { redirect_url = null, code = null }) =>
    when(state, UNDER_WAY, { page: "ended", ending: "withdrew", redirect_url, code }),
  forgotten: (state) => when(state, UNDER_WAY, { page: "consent", busy: false, trial: null }),
  refused: (state, { error, detail, redirect_url = null, code = null }) => ({
    ...state,
    page: "ended",
    busy: false,
    ending: ending(error),
    detail,
    redirect_url,
    code,
  }),
};

/** @param {State} state @param {VisitEvent} event @returns {State} */
export function move(state, event) {
  const next = MOVES[event.type];
  if (!next) throw new Error(`There is no event ${event.type}.`);
  return state.page === "ended" ? state : next(state, event);
}

/** @param {State} state @param {PageName[]} pages @param {Partial<State>} change @returns {State} */
const when = (state, pages, change) => (pages.includes(state.page) ? { ...state, ...change } : state);

/** @param {Completion} completion @returns {Partial<State>} what was promised to be told comes before the code */
function end(completion) {
  return completion.debrief_html ? { page: "debrief", busy: false } : { busy: false, ...lastOf(completion) };
}

/** @param {State} state @returns {Partial<State>} */
const last = ({ completion }) => (completion ? lastOf(completion) : {});

/** @param {Completion} completion @returns {Partial<State>} */
function lastOf(completion) {
  if ((completion.ending ?? "finished") === "finished") return { page: "finished" };
  const { message, redirect_url = null, code, is_owed: isOwed = false } = completion;
  return { page: "ended", ending: ending(completion.ending), detail: message, redirect_url, code, isOwed };
}

const ENDINGS = /** @type {const} */ ([
  "study_not_open",
  "closed",
  "quota_full",
  "already_took_part",
  "begun_elsewhere",
  "screened_out",
]);

/** @param {string} code what the API calls it @returns {Ending} */
const ending = (code) => ENDINGS.find((name) => name === code) ?? "error";

/** Is nothing judged yet? Then the instructions are due. @param {{step?: Step, trial?: Trial}} answer */
export function isBeginning({ step, trial }) {
  return trial ? trial.position === 1 : step?.kind === "quiz";
}

/** Is a pause offered before this trial? @param {Trial} trial @param {number | null} every main trials */
export function isBreakDue({ kind, position }, every) {
  return Boolean(every) && kind !== "practice" && position > 1 && (position - 1) % Number(every) === 0;
}

/**
 * Which step of how many a page is, for those who want to know what is still to come.
 *
 * @param {string} name @param {{has_quiz?: boolean, has_practice?: boolean}} study
 */
export function stepText(name, { has_quiz, has_practice }) {
  const steps = [
    "Consent",
    "What to do",
    has_quiz && "A few questions",
    has_practice && "Practice",
    "The faces",
  ].filter(Boolean);
  return `Step ${steps.indexOf(name) + 1} of ${steps.length} · ${name}`;
}
