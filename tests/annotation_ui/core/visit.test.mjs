// @ts-check
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UNDER_WAY, isBeginning, isBreakDue, move, start, stepText } from "../../../annotation_ui/static/core/visit.js";

/**
 * @typedef {import("../../../annotation_ui/page.d.ts").VisitState} VisitState
 * @typedef {import("../../../annotation_ui/page.d.ts").VisitEvent} VisitEvent
 */

const trial = /** @type {any} */ ({ id: "t1", kind: "main", position: 1, total: 30 });
/** @type {import("../../../annotation_ui/participant.d.ts").Completion} */
const completion = {
  ending: "finished",
  code: "ABCDE-12345",
  message: "Thank you.",
  is_owed: false,
  redirect_url: null,
  reference: "r1",
  debrief_html: null,
};
const quiz = /** @type {any} */ ({ kind: "quiz", questions: [], attempts_left: 3 });
const WAYS_OUT = {
  declined: { redirect_url: null, code: "NO" },
  closed: { redirect_url: "https://lab.example/closed", code: null },
  quota_full: { redirect_url: null, code: "FULL" },
};
const visitor = { preview: false, known: false, state: /** @type {const} */ ("open"), ways_out: WAYS_OUT };

/** @param {VisitState} state @param {VisitEvent[]} events */
const after = (state, ...events) => events.reduce(move, state);

const joined = after(start(visitor), { type: "consent_given" }, { type: "joined" });
const waiting = after(joined, { type: "device_passed" }, { type: "instructions_due" }, { type: "instructions_read" });
const inTrial = move(waiting, { type: "trial_shown", trial });
const decided = after(inTrial, { type: "decision_sent" }, { type: "decision_kept" });

describe("a visit", () => {
  test("goes from consent over the device check and the instructions to the completion code", () => {
    assert.equal(joined.page, "device");
    assert.equal(move(joined, { type: "device_passed" }).page, "loading");
    assert.equal(inTrial.page, "trial");
    const end = move(decided, { type: "completed", completion });
    assert.deepEqual([end.page, end.completion], ["finished", completion]);
  });
  test("somebody known skips consent, but not the device check", () => {
    const known = start({ ...visitor, known: true });
    assert.equal(known.page, "device");
    assert.equal(after(known, { type: "device_passed" }, { type: "trial_shown", trial }).page, "trial");
  });
  test("stays with the quiz until it is answered", () => {
    const asked = move(waiting, { type: "step_due", step: quiz });
    assert.equal(asked.page, "quiz");
    assert.equal(move(asked, { type: "trial_shown", trial }), asked);
    assert.equal(move(asked, { type: "step_answered" }).page, "loading");
  });
  test("shows how practice went before it goes on", () => {
    const told = after(inTrial, { type: "decision_sent" }, { type: "feedback_due" });
    assert.equal(told.page, "feedback");
    assert.equal(move(told, { type: "decision_sent" }), told);
    assert.equal(move(told, { type: "feedback_read" }).page, "loading");
  });
  test("has a break between two pairs and comes back to the second", () => {
    const resting = move(decided, { type: "break_due" });
    assert.equal(resting.page, "break");
    assert.equal(after(resting, { type: "break_over" }, { type: "trial_shown", trial }).page, "trial");
  });
  test("asks its last questions before the end", () => {
    const asked = move(decided, { type: "step_due", step: { ...quiz, kind: "questions" } });
    assert.equal(asked.page, "questions");
    assert.equal(after(asked, { type: "step_answered" }, { type: "completed", completion }).page, "finished");
  });
  test("shows what the study was about before it gives the code", () => {
    const told = move(decided, { type: "completed", completion: { ...completion, debrief_html: "<p>So it was.</p>" } });
    assert.equal(told.page, "debrief");
    assert.equal(move(told, { type: "debriefing_read" }).page, "finished");
  });
  test("of somebody screened out ends with a code and a way back of its own", () => {
    const redirect_url = "https://lab.example/out";
    const out = { ...completion, ending: /** @type {const} */ ("screened_out"), message: "Sorry.", redirect_url };
    const end = move(decided, { type: "completed", completion: out });
    assert.deepEqual(
      [end.page, end.ending, end.detail, end.redirect_url],
      ["ended", "screened_out", "Sorry.", redirect_url],
    );
    assert.equal(end.completion?.code, completion.code);
  });
  test("a preview goes nowhere", () => {
    const preview = start({ ...visitor, preview: true });
    for (const type of /** @type {const} */ ([
      "consent_given",
      "declined",
      "instructions_read",
      "decision_sent",
      "device_passed",
    ])) {
      assert.equal(move(preview, { type }).page, "preview");
    }
  });
  test("without consent there is no trial", () => {
    assert.equal(after(start(visitor), { type: "trial_shown", trial }).page, "consent");
  });
  test("a double click on Next submits once", () => {
    const once = move(inTrial, { type: "decision_sent" });
    assert.equal(move(once, { type: "decision_sent" }), once);
  });
  test("a late acknowledgement changes nothing", () => {
    const finished = move(decided, { type: "completed", completion });
    assert.equal(move(finished, { type: "decision_kept" }), finished);
  });
  test("a decision that the server refuses can be sent again", () => {
    const back = after(inTrial, { type: "decision_sent" }, { type: "decision_refused" });
    assert.deepEqual([back.page, back.busy], ["trial", false]);
  });
  test("a token that is not known leads back to consent", () => {
    assert.equal(move(inTrial, { type: "token_unknown" }).page, "consent");
  });
  test("a study that is closed, paused or full tells newcomers at once, and lets others go on", () => {
    const ends = /** @type {const} */ (["closed", "paused", "full"]).map((state) => start({ ...visitor, state }));
    assert.deepEqual(
      ends.map(({ ending }) => ending),
      ["closed", "study_not_open", "quota_full"],
    );
    assert.deepEqual(
      ends.map(({ redirect_url }) => redirect_url),
      [WAYS_OUT.closed.redirect_url, WAYS_OUT.closed.redirect_url, null],
    );
    assert.equal(ends[2]?.code, "FULL");
    assert.equal(start({ ...visitor, known: true, state: "closed" }).page, "device");
  });
  test("every ending has its own name and is final", () => {
    for (const code of ["study_not_open", "quota_full", "already_took_part", "screened_out"]) {
      assert.equal(move(start(visitor), { type: "refused", error: code, detail: "" }).ending, code);
    }
    assert.equal(move(inTrial, { type: "refused", error: "internal", detail: "x" }).ending, "error");
    const left = move(inTrial, { type: "withdrew" });
    assert.equal(move(left, { type: "trial_shown", trial }), left);
    const declined = move(start(visitor), { type: "declined", ...WAYS_OUT.declined });
    assert.deepEqual([declined.ending, declined.code], ["declined", "NO"]);
  });
  test("moves as this table says, and nothing else moves it", () => {
    /** @type {[VisitEvent, string, string, boolean][]} event, page before, page after, and whether an answer is awaited then */
    const table = [
      [{ type: "consent_given" }, "consent", "consent", true],
      [{ type: "joined" }, "consent", "device", false],
      [{ type: "declined" }, "consent", "ended", false],
      [{ type: "device_passed" }, "device", "loading", true],
      [{ type: "instructions_due" }, "loading", "instructions", false],
      [{ type: "instructions_read" }, "instructions", "loading", true],
      [{ type: "step_due", step: quiz }, "loading", "quiz", false],
      [{ type: "step_due", step: { ...quiz, kind: "questions" } }, "loading", "questions", false],
      [{ type: "step_answered" }, "quiz", "loading", true],
      [{ type: "step_answered" }, "questions", "loading", true],
      [{ type: "trial_shown", trial }, "loading", "trial", false],
      [{ type: "trial_shown", trial }, "trial", "trial", false],
      [{ type: "break_due" }, "loading", "break", false],
      [{ type: "break_over" }, "break", "loading", true],
      [{ type: "decision_sent" }, "trial", "trial", true],
      [{ type: "decision_kept" }, "trial", "loading", true],
      [{ type: "feedback_due" }, "trial", "feedback", false],
      [{ type: "feedback_read" }, "feedback", "loading", true],
      [{ type: "decision_refused" }, "trial", "trial", false],
      [{ type: "completed", completion }, "loading", "finished", false],
      [{ type: "debriefing_read" }, "debrief", "finished", false],
    ];
    const pages = ["preview", "consent", "debrief", "finished", ...UNDER_WAY];
    for (const [event] of table) {
      const wanted = new Map(
        table
          .filter(([one]) => JSON.stringify(one) === JSON.stringify(event))
          .map(([, from, to, busy]) => [from, [to, busy]]),
      );
      for (const page of pages) {
        const before = {
          ...start(visitor),
          page: /** @type {VisitState["page"]} */ (page),
          busy: !["decision_sent", "consent_given", "debriefing_read"].includes(event.type),
          completion,
        };
        const next = move(before, event);
        if (!wanted.has(page)) assert.equal(next, before, `${event.type} on ${page}`);
        else if (event.type !== "declined")
          assert.deepEqual([next.page, next.busy], wanted.get(page), `${event.type} on ${page}`);
      }
    }
  });
  test("awaits no answer at its beginning and at any of its ends", () => {
    const told = { ...completion, debrief_html: "<p>So it was.</p>" };
    const states = [
      start(visitor),
      move({ ...inTrial, busy: true }, { type: "refused", error: "closed", detail: "" }),
      ...[completion, told].map((one) => move({ ...decided, busy: true }, { type: "completed", completion: one })),
    ];
    assert.deepEqual(
      states.map(({ busy }) => busy),
      [false, false, false, false],
    );
  });
  test("owes a payment only where the server says so", () => {
    const out = { ...completion, ending: /** @type {const} */ ("screened_out"), message: "Sorry." };
    const ends = [out, { ...out, is_owed: true }].map((one) => move(decided, { type: "completed", completion: one }));
    assert.deepEqual(
      [start(visitor), ...ends].map(({ isOwed }) => isOwed),
      [false, false, true],
    );
  });
  test("forgets the pair that is done", () => {
    assert.equal(inTrial.trial, trial);
    assert.deepEqual(
      [decided, after(inTrial, { type: "feedback_due" }, { type: "feedback_read" })].map((state) => state.trial),
      [null, null],
    );
  });
  test("can be left from every page on which it is under way, and a lost token found there", () => {
    for (const page of UNDER_WAY) {
      const here = { ...inTrial, page, busy: true };
      assert.equal(move(here, { type: "withdrew" }).ending, "withdrew");
      const { page: next, busy, trial: left } = move(here, { type: "token_unknown" });
      assert.deepEqual([next, busy, left], ["consent", false, null]);
    }
    for (const page of /** @type {const} */ (["consent", "finished"]))
      assert.equal(move({ ...inTrial, page }, { type: "withdrew" }).page, page);
  });
  test("waits for an answer to a click on Next but once", () => {
    const twice = after(inTrial, { type: "decision_sent" }, { type: "decision_sent" });
    assert.ok(twice.busy);
  });
  test("an unknown event is a mistake", () => {
    assert.throws(() => move(start(visitor), /** @type {any} */ ({ type: "sneezed" })), /sneezed/);
  });
});

describe("the instructions", () => {
  test("are due before anything is decided", () => {
    assert.ok(isBeginning({ step: quiz }));
    assert.ok(isBeginning({ trial }));
    assert.ok(isBeginning({ trial: { ...trial, kind: "practice" } }));
  });
  test("are not due in the middle", () => {
    assert.ok(!isBeginning({ trial: { ...trial, position: 2 } }));
    assert.ok(!isBeginning({ step: { ...quiz, kind: "questions" } }));
  });
});

describe("a break", () => {
  test("comes before a region check too, which has a place in the row of pairs", () => {
    assert.ok(isBreakDue({ ...trial, kind: "check", position: 11 }, 10));
  });
  test("comes after every so many trials, and never first", () => {
    const due = Array.from({ length: 30 }, (_, index) => index + 1).filter((position) =>
      isBreakDue({ ...trial, position }, 10),
    );
    assert.deepEqual(due, [11, 21]);
    assert.deepEqual(
      [1, 2, 3].map((position) => isBreakDue({ ...trial, position }, 1)),
      [false, true, true],
    );
  });
  test("comes in no practice, and in no study without breaks", () => {
    assert.ok(!isBreakDue({ ...trial, kind: "practice", position: 11 }, 10));
    assert.ok(!isBreakDue({ ...trial, position: 11 }, null));
  });
});

describe("the steps", () => {
  test("are those that the study has", () => {
    assert.equal(stepText("What to do", {}), "Step 2 of 3 · What to do");
    assert.equal(stepText("A few questions", { has_quiz: true, has_practice: true }), "Step 3 of 5 · A few questions");
  });
});
