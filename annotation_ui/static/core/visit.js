/**
 * The visit as a state machine: which page a participant sees, and what may happen next. An event that does
 * not fit the present page changes nothing, so a late answer or a double click can do no harm.
 *
 * @import { Ending, PageName, VisitEvent, VisitState } from "../../page.d.ts"
 * @import { Completion, PageData, TrialView } from "../../participant.d.ts"
 */

/** The pages of a visit that has begun and has not ended. @type {PageName[]} */
export const UNDER_WAY = ["device", "instructions", "loading", "quiz", "trial", "feedback", "break", "questions"];

/** What becomes of a newcomer to a study that is not open, and which of its ways out is theirs. */
const NOT_OPEN = /** @type {const} */ ({
  closed: { ending: "closed", way: "closed" },
  paused: { ending: "study_not_open", way: "closed" },
  full: { ending: "quota_full", way: "quota_full" },
});

/**
 * @param {Pick<PageData, "preview" | "state" | "ways_out"> & {known: boolean}} visitor one who is known continues,
 * whatever became of the study @returns {VisitState}
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
  const { ending, way } = NOT_OPEN[study];
  return { ...state, ...ways_out[way], page: "ended", ending };
}

/** @param {boolean} preview @param {boolean} known @returns {PageName} */
function firstPage(preview, known) {
  if (preview) return "preview";
  return known ? "device" : "consent";
}

/** @type {{[type: string]: (state: VisitState, event: any) => VisitState}} */
const MOVES = {
  consent_given: (state) => when(state, ["consent"], { busy: true }),
  declined: (state, { redirect_url = null, code = null }) =>
    when(state, ["consent"], { page: "ended", ending: "declined", redirect_url, code }),
  joined: (state) => when(state, ["consent"], { page: "device", busy: false }),
  device_passed: (state) => when(state, ["device"], { page: "loading", busy: true }),
  instructions_due: (state) => when(state, ["loading"], { page: "instructions", busy: false }),
  instructions_read: (state) => when(state, ["instructions"], { page: "loading", busy: true }),
  step_due: (state, { step }) => when(state, ["loading"], { page: step.kind, busy: false }),
  step_answered: (state) => when(state, ["quiz", "questions"], { page: "loading", busy: true }),
  trial_shown: (state, { trial }) => when(state, ["loading", "trial"], { page: "trial", busy: false, trial }),
  break_due: (state) => when(state, ["loading"], { page: "break", busy: false }),
  break_over: (state) => when(state, ["break"], { page: "loading", busy: true }),
  decision_sent: (state) => (state.busy ? state : when(state, ["trial"], { busy: true })),
  decision_kept: (state) => when(state, ["trial"], { page: "loading", busy: true, trial: null }),
  feedback_due: (state) => when(state, ["trial"], { page: "feedback", busy: false }),
  feedback_read: (state) => when(state, ["feedback"], { page: "loading", busy: true, trial: null }),
  decision_refused: (state) => when(state, ["trial"], { busy: false }),
  completed: (state, { completion }) => when(state, ["loading"], { ...end(completion), completion }),
  debriefing_read: (state) => when(state, ["debrief"], last(state)),
  withdrew: (state, { redirect_url = null, code = null }) =>
    when(state, UNDER_WAY, { page: "ended", ending: "withdrew", redirect_url, code }),
  token_unknown: (state) => when(state, UNDER_WAY, { page: "consent", busy: false, trial: null }),
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

/** @param {VisitState} state @param {VisitEvent} event @returns {VisitState} */
export function move(state, event) {
  const next = MOVES[event.type];
  if (!next) throw new Error(`There is no event ${event.type}.`);
  return state.page === "ended" ? state : next(state, event);
}

/** @param {VisitState} state @param {PageName[]} pages @param {Partial<VisitState>} change @returns {VisitState} */
const when = (state, pages, change) => (pages.includes(state.page) ? { ...state, ...change } : state);

/** The debriefing comes before the code. @param {Completion} completion @returns {Partial<VisitState>} */
function end(completion) {
  return completion.debrief_html ? { page: "debrief", busy: false } : { busy: false, ...lastOf(completion) };
}

/** @param {VisitState} state @returns {Partial<VisitState>} */
const last = ({ completion }) => (completion ? lastOf(completion) : {});

/** @param {Completion} completion @returns {Partial<VisitState>} */
function lastOf(completion) {
  if (completion.ending === "finished") return { page: "finished" };
  const { message, redirect_url, code, is_owed: isOwed } = completion;
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

/** Is nothing decided yet? Then the instructions are due. @param {{trial: {position: number}} | {step: {kind: string}}} answer */
export function isBeginning(answer) {
  return "trial" in answer ? answer.trial.position === 1 : answer.step.kind === "quiz";
}

/** Is a break offered before this trial? @param {TrialView} trial @param {number | null} every main trials */
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
