/** What the participant's page, the server and the page's own parts say to each other. Types only: nothing of it is sent to a browser. */

export type Side = "left" | "right";

/** Where it is, and its own size in pixels. */
export interface Picture {
  url: string;
  width: number;
  height: number;
}

/** What a model says about a pair: the face that it takes for the fake one, how sure it is, where it looked. */
export interface Advice {
  decision: Side | null;
  /** in [0, 1] */
  confidence: number | null;
  left_map: string | null;
  right_map: string | null;
}

/** What the server says about a pair. */
export interface Trial {
  id: string;
  kind: "practice" | "main" | "check";
  /** from 1 */
  position: number;
  total: number;
  /** null in a region check */
  question: "real" | "fake" | null;
  left: Picture;
  /** null in a region check: there is nothing to choose, only to paint */
  right: Picture | null;
  annotate: boolean;
  /** what a region check asks for; null in every other trial */
  prompt?: string | null;
  advice?: Advice | null;
}

/** What an annotation must have; areas as fractions of the face. */
export interface Rule {
  min_strokes: number;
  min_area: number;
  max_area: number;
}

export interface TrialEvent {
  kind: string;
  t_ms: number;
  [detail: string]: string | number;
}

/** What is sent. */
export interface Decision {
  choice: Side;
  decision_ms: number;
  annotation_ms?: number;
  strokes?: readonly import("./static/core/stroke.js").Stroke[];
  events: readonly TrialEvent[];
}

/** After a practice trial. */
export interface Feedback {
  correct: boolean;
  fake: Side;
}

export interface Question {
  id: string;
  text: string;
  options?: string[] | null;
  kind?: "choice" | "text";
  required?: boolean;
}

/** A page of questions. */
export interface Step {
  kind: "quiz" | "questions";
  questions: Question[];
  attempts_left?: number;
}

export interface Completion {
  ending: string;
  /** null where the platform that somebody comes from would know none */
  code: string | null;
  /** why the visit is over */
  message: string;
  /** it ended early after work that counts */
  is_owed?: boolean;
  redirect_url?: string | null;
  reference?: string;
  debrief_html?: string | null;
}

/** What a study asks of a device: CSS px; `touch` = a touch screen alone will do. */
export interface Needs {
  min_width: number;
  min_height: number;
  touch: boolean;
}

/** What a device is: the window in CSS px, and the most exact pointer that there is. */
export interface Facts {
  width: number;
  height: number;
  pixel_ratio: number;
  pointer: "none" | "coarse" | "fine";
  touch: boolean;
  images_load: boolean;
}

/** Where a study sends people, and with which code. */
export interface WayOut {
  redirect_url: string | null;
  code: string | null;
}

/** What the page was served with. */
export interface PageData {
  study: string;
  /** as this visitor meets it: `full` where nobody new gets in */
  state: "open" | "paused" | "closed" | "full";
  consent_version: string;
  source: string;
  external_id: string | null;
  assignment_id: string | null;
  turk_submit_to: string | null;
  /** who a browser without an id is; null for one with an id */
  link_token: string | null;
  preview: boolean;
  api: string;
  device: Needs;
  check_image: string;
  /** of the ends that come before any answer of the server */
  ways_out: { [ending in "declined" | "closed" | "quota_full"]: WayOut };
  /** main trials */
  breaks_every: number | null;
  has_quiz: boolean;
  has_practice: boolean;
}

export type PageName =
  | "preview"
  | "consent"
  | "device"
  | "instructions"
  | "loading"
  | "quiz"
  | "trial"
  | "feedback"
  | "break"
  | "questions"
  | "debrief"
  | "finished"
  | "ended";

export type Ending =
  | "declined"
  | "withdrew"
  | "study_not_open"
  | "closed"
  | "quota_full"
  | "already_took_part"
  | "begun_elsewhere"
  | "screened_out"
  | "error";

/** Where a visit stands. */
export interface State {
  page: PageName;
  /** a request is under way and decides what comes next */
  busy: boolean;
  trial: Trial | null;
  completion: Completion | null;
  ending: Ending | null;
  detail: string;
  /** where a study wants people sent back to */
  redirect_url: string | null;
  /** what to show or submit there */
  code: string | null;
  /** the visit ended early after work that counts */
  isOwed: boolean;
}

export type VisitEvent =
  | { type: "agreed" }
  | { type: "declined"; redirect_url?: string | null; code?: string | null }
  | { type: "joined" }
  /** the browser can show the study */
  | { type: "fits" }
  /** the instructions come first */
  | { type: "briefed" }
  | { type: "understood" }
  | { type: "asked"; step: Step }
  /** the server has the answers of the quiz or of the questions */
  | { type: "answered" }
  | { type: "given"; trial: Trial }
  | { type: "paused" }
  | { type: "rested" }
  | { type: "submitted" }
  /** the decision is with the server, or safe in the outbox */
  | { type: "kept" }
  /** a practice decision is with the server, which says whether it was right */
  | { type: "judged" }
  | { type: "noticed" }
  /** the server wants a better answer */
  | { type: "returned" }
  | { type: "completed"; completion: Completion }
  | { type: "debriefed" }
  | { type: "withdrew"; redirect_url?: string | null; code?: string | null }
  /** the token is not known any more */
  | { type: "forgotten" }
  | { type: "refused"; error: string; detail: string; redirect_url?: string | null; code?: string | null };

/** One participant's judgement of one pair: which face, when, and the drawing that says why. */
export interface Judgement {
  trial: string;
  annotate: boolean;
  /** a region check */
  isRegion: boolean;
  rule: Rule;
  /** of either face, in its own pixels */
  size: import("./static/core/stroke.js").Size;
  choice: Side | null;
  /** ms since the pair was shown */
  chosenAt: number;
  drawing: import("./static/core/drawing.js").Drawing;
  /** fraction of the chosen face that is painted, in [0, 1] */
  covered: number;
}

/** What a browser keeps of a judgement so that a reload loses nothing; `at` by the wall clock. */
export interface Draft {
  trial: string;
  choice: Side | null;
  chosenAt: number;
  strokes: readonly import("./static/core/stroke.js").Stroke[];
  elapsed: number;
  at: number;
  events: readonly TrialEvent[];
}
