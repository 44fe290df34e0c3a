/**
 * What the parts of the participant's page say to each other. What page and server say to each other is in
 * participant.d.ts. Types only: browsers do not load this file.
 */

import type {
  AnnotationRule,
  ClosingQuestionView,
  Completion,
  DeviceBody,
  Feedback,
  QuestionsStep,
  QuizQuestionView,
  QuizStep,
  Side,
  TrialEvent,
  TrialView,
} from "./participant.d.ts";
import type { Drawing } from "./static/core/drawing.js";
import type { Size, Stroke } from "./static/core/stroke.js";

/** A page of questions. */
export type Step = QuizStep | QuestionsStep;

/** A question of either page; one of the quiz always has options and an answer. */
export type AskedQuestion = ClosingQuestionView | (QuizQuestionView & { kind?: undefined; required?: undefined });

/** What the page finds out about the device, before it is checked. */
export type DeviceFacts = Omit<DeviceBody, "passed">;

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

/** Why a visit ends otherwise than with the last answer. */
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
export interface VisitState {
  page: PageName;
  /** A request is under way and decides what comes next. */
  busy: boolean;
  trial: TrialView | null;
  completion: Completion | null;
  ending: Ending | null;
  detail: string;
  /** Where a study wants people sent back to. */
  redirect_url: string | null;
  /** What to show or submit there. */
  code: string | null;
  /** The visit ended early after work that counts. */
  isOwed: boolean;
}

/** What moves a visit on. */
export type VisitEvent =
  | { type: "consent_given" }
  | { type: "declined"; redirect_url?: string | null; code?: string | null }
  | { type: "joined" }
  | { type: "device_passed" }
  | { type: "instructions_due" }
  | { type: "instructions_read" }
  | { type: "step_due"; step: Step }
  /** The server has the answers of the quiz or of the questions. */
  | { type: "step_answered" }
  | { type: "trial_shown"; trial: TrialView }
  | { type: "break_due" }
  | { type: "break_over" }
  | { type: "decision_sent" }
  /** The decision is with the server, or safe in the outbox. */
  | { type: "decision_kept" }
  /** The server wants a better decision. */
  | { type: "decision_refused" }
  /** A practice decision is with the server, which says whether it was correct. */
  | { type: "feedback_due" }
  | { type: "feedback_read" }
  | { type: "completed"; completion: Completion }
  | { type: "debriefing_read" }
  | { type: "withdrew"; redirect_url?: string | null; code?: string | null }
  | { type: "token_unknown" }
  | { type: "refused"; error: string; detail: string; redirect_url?: string | null; code?: string | null };

/** What a participant has done on one trial so far: it becomes a decision when it is sent. */
export interface TrialState {
  trial: string;
  annotate: boolean;
  /** It is a region check. */
  isRegion: boolean;
  rule: AnnotationRule;
  /** Of either face, in its own pixels. */
  size: Size;
  choice: Side | null;
  /** Milliseconds since the pair appeared. */
  chosenAt: number;
  drawing: Drawing;
  /** Fraction of the chosen face that is painted, in [0, 1]. */
  covered: number;
}

/** What is kept of a trial that is not decided, so that a reload loses nothing; `at` by the wall clock. */
export interface Draft {
  trial: string;
  choice: Side | null;
  chosenAt: number;
  strokes: readonly Stroke[];
  elapsed: number;
  at: number;
  events: readonly TrialEvent[];
}

/** A practice trial with its feedback, until the participant has read it. */
export interface PracticeFeedback {
  trial: TrialView;
  feedback: Feedback;
}
