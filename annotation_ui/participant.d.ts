/**
 * What the participant's page and the server send to each other. `make contract` writes this file from the
 * OpenAPI document; the Python classes have the same names. Browsers do not load it.
 */

/** Each call: what is sent, and what comes back. */
export interface Calls {
  /** The step that comes now: the quiz, a trial (the same one until it is decided), questions, the end. */
  "GET /api/participant/next": { body: null; answer: NextTrial | NextStep | Done };
  /** Save what is painted so far. The last draft counts; after the decision or the close none is saved. */
  "PUT /api/trials/{trial_id}/draft": { body: DraftBody; answer: Saved };
  /** Record the decision and the strokes of one trial. Safe to send again. */
  "PUT /api/trials/{trial_id}/decision": { body: DecisionBody; answer: Decided };
  /** One attempt at the comprehension quiz. Safe to send again. */
  "POST /api/participant/quiz": { body: QuizBody; answer: QuizResult };
  /** The answers to the closing questions. Safe to send again. */
  "POST /api/participant/answers": { body: AnswersBody; answer: Saved };
  /** What the page's device check found; the last report is kept. */
  "POST /api/participant/device": { body: DeviceBody; answer: Saved };
  /** Consent: 201 for a new participant, 200 for one who returns and shows that it is their visit. */
  "POST /api/studies/{slug}/participants": { body: Enrolment; answer: Enrolled };
  /** Go on with a visit by a link from the staff, which works once. */
  "POST /api/participant/return": { body: Return; answer: Enrolled };
  /** Leave the study; what was recorded is removed. Safe to send again. */
  "POST /api/participant/withdraw": { body: null; answer: Withdrawn };
}

/** The trial that comes now. */
export interface NextTrial {
  trial: TrialView;
  /** The trials after it, so that a page without network can go on. None after a practice trial. */
  upcoming: readonly TrialView[];
  /** Addresses of the pictures of `upcoming`. */
  preload: readonly string[];
  /** Of the study. It holds for every trial but a region check, which wants something painted. */
  rule: AnnotationRule;
  /** Of `trial`, as it was sent last. */
  draft: { [name: string]: unknown } | null;
}

/** Nothing in here says which face is fake, or which pair is a check. */
export interface TrialView {
  id: string;
  /** `check` is a region check: there is nothing to choose, and `prompt` says what to paint. */
  kind: "practice" | "main" | "check";
  /** From 1. */
  position: number;
  total: number;
  /** Which face is asked for. Null in a region check. */
  question: Question | null;
  /** Null in every trial but a region check. */
  prompt: string | null;
  left: Picture;
  /** Null in a region check. */
  right: Picture | null;
  annotate: boolean;
  advice: AdviceView | null;
  /** Whether the page puts a button into its markup that nobody sees. */
  trap: boolean;
}

export type Question = "real" | "fake";

/** A picture with its own size in pixels. */
export interface Picture {
  url: string;
  width: number;
  height: number;
}

/** What a model says of the pair; the arm decides which of it is there. */
export interface AdviceView {
  /** The face that it takes for the fake one. */
  decision: Side | null;
  /** How sure it is, in [0, 1]. */
  confidence: number | null;
  /** Address of a PNG with transparency, of the face's size, to lay over the face. */
  left_map: string | null;
  right_map: string | null;
}

export type Side = "left" | "right";

/** What an annotation must have. Areas are fractions of the image that the mask covers. */
export interface AnnotationRule {
  min_strokes: number;
  min_area: number;
  max_area: number;
}

/** The page of questions that comes now. */
export interface NextStep {
  step: QuizStep | QuestionsStep;
}

export interface QuizStep {
  kind: "quiz";
  questions: readonly QuizQuestionView[];
  attempts_left: number;
}

/** A question of the quiz, without its answer. */
export interface QuizQuestionView {
  id: string;
  text: string;
  options: readonly string[];
}

export interface QuestionsStep {
  kind: "questions";
  questions: readonly ClosingQuestionView[];
}

/** A question after the last trial. */
export interface ClosingQuestionView {
  id: string;
  text: string;
  kind: "choice" | "text";
  options: readonly string[] | null;
  required: boolean;
}

/** The visit is over. */
export interface Done {
  done: true;
  completion: Completion;
}

/** How the visit has ended. */
export interface Completion {
  ending: "finished" | "screened_out" | "quota_full" | "closed";
  /** Null where the platform that the participant came from would know none. */
  code: string | null;
  /** Why the visit is over. */
  message: string;
  /** Whether it ended early after work that counts. */
  is_owed: boolean;
  redirect_url: string | null;
  /** What to quote in a letter to the staff. */
  reference: string;
  /** Shown before the code. */
  debrief_html: string | null;
}

/** What the page wants back when it is opened again, here or elsewhere; nobody else reads it. */
export interface DraftBody {
  draft: { [name: string]: unknown };
}

export interface Saved {
  saved: true;
}

/** What a participant decided on one trial, and what they painted. */
export interface DecisionBody {
  choice: Side;
  /** Milliseconds from the frame in which both faces appeared to the last change of the choice. */
  decision_ms: number;
  /** Milliseconds from the choice to the submission. */
  annotation_ms?: number | null;
  /** In the order in which they were painted. */
  strokes?: readonly StrokeShape[] | null;
  /** What happened meanwhile: the tab hidden, the focus lost, a resize, a reload. */
  events?: readonly TrialEvent[];
}

/** One stroke. This class documents it; `saliency.masks.strokes.parse_strokes` checks it. */
export interface StrokeShape {
  tool: "brush" | "lasso" | "eraser";
  /** Half the width of brush and eraser in image pixels; 0 for a lasso. */
  radius: number;
  /** Each is x and y in image pixels and ms since the pair appeared. */
  points: readonly [number, number, number][];
}

/** Something that happened while a pair was shown, with at most four short facts of its own. */
export interface TrialEvent {
  kind: string;
  /** Milliseconds since the pair appeared. */
  t_ms: number;
  [name: string]: number | string;
}

export interface Decided {
  saved: true;
  /** Left out but after a practice trial. */
  feedback?: Feedback | null;
}

/** After a practice trial. */
export interface Feedback {
  correct: boolean;
  fake: Side;
}

export interface QuizBody {
  /** Question id to the option chosen, counted from 1. */
  answers: { [name: string]: number };
}

export interface QuizResult {
  passed: boolean;
  /** Ids of the questions answered wrongly. */
  wrong: readonly string[];
  attempts_left: number;
}

export interface AnswersBody {
  /** Question id to what was answered; an option as it is written. */
  answers: { [name: string]: string };
  /** How often something was pasted into a text field; null where there was none. */
  pastes?: number | null;
  /** How often something was dragged into one. */
  drops?: number | null;
}

/** What the page's device check found; CSS pixels. */
export interface DeviceBody {
  width: number;
  height: number;
  pixel_ratio: number;
  /** The most exact one that there is. */
  pointer: "none" | "coarse" | "fine";
  touch: boolean;
  images_load: boolean;
  passed: boolean;
}

/** Consent, given by a person (or by a program that says it is one). */
export interface Enrolment {
  source: Source;
  /** The id that MTurk, Prolific or a panel has of the person: it names them, and proves nothing. */
  external_id?: string | null;
  /** From the page, for whoever came by a plain link; the same one again resumes. */
  link_token?: string | null;
  /** The token of a reusable link that the address has. */
  via?: string | null;
  /**
   * MTurk's assignment, Prolific's submission, or a secret of the client's own: the same one again with the same
   * `external_id` or single-use link resumes.
   */
  assignment_id?: string | null;
  consent: true;
  consent_version: string;
  client?: { [name: string]: unknown };
  /** A field that people do not see. Whatever fills it in is no person. */
  website?: unknown;
}

export type Source = "link" | "mturk" | "prolific" | "panel" | "simulated";

export interface Enrolled {
  token: string;
  participant: string;
  arm: ArmView;
  trials: number;
  /** Of the study, in which this participant began: the page shows its texts. */
  version: number;
}

export interface ArmView {
  annotate: boolean;
}

/** A link by which staff let somebody back in. */
export interface Return {
  code: string;
}

export interface Withdrawn {
  withdrawn: true;
  reference: string;
  redirect_url: string | null;
  code: string | null;
}

/** What a study asks of a device; CSS pixels. */
export interface DeviceNeeds {
  min_width: number;
  min_height: number;
  /** Whether a touch screen alone will do. */
  touch: boolean;
}

/** Where somebody is sent whose visit ends, and with which code. */
export interface WayOutView {
  redirect_url: string | null;
  code: string | null;
}

/** What the participant's page is served with, in its element `#page`. */
export interface PageData {
  study: string;
  title: string;
  /** Of the study, whose texts this page has. */
  version: number;
  /** The study's as this visitor meets it: `full` where nobody new gets in. */
  state: "open" | "paused" | "closed" | "full";
  consent_version: string;
  source: Source;
  external_id: string | null;
  assignment_id: string | null;
  turk_submit_to: string | null;
  /** Names a participant who came without an id. Null for one with an id. */
  link_token: string | null;
  /** The token of the reusable link that the address has. */
  via: string | null;
  /** What people who come through the study's own panel call it. */
  panel: string | null;
  preview: boolean;
  device: DeviceNeeds;
  /** Address of a small picture: whether it loads says whether pictures do. */
  check_image: string;
  /** Of the ends that a page can come to without asking the server. */
  ways_out: { [name in "declined" | "closed" | "quota_full"]: WayOutView };
  /** A break is offered after every so many main trials. */
  breaks_every: number | null;
  has_quiz: boolean;
  has_practice: boolean;
}
