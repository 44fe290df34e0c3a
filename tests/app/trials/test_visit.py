"""A whole visit over the API: every step that a study can define, in its order, and every way it can end."""

import io
import json
from collections import Counter
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import func, select, update

from app.errors import BadStudy
from app.models import (
    Decision,
    Image,
    Label,
    MapSet,
    Pair,
    Participant,
    QualityFlag,
    QuizAttempt,
    Quota,
    Trial,
    TrialKind,
)
from app.quality.service import evidence_of
from app.security import RateLimit
from app.studies.schemas import StudySpec
from app.studies.service import close_study, create_study, open_study
from app.trials import routes
from app.trials.schemas import LONGEST_DRAFT
from saliency.masks.strokes import MAX_POINTS
from tests.app.trials.test_decisions import lapse
from tests.support.factories import ImageFactory
from tests.support.worlds import Visitor

SIDE = 64
QUIZ = {
    "attempts": 2,
    "questions": [
        {"text": "What do you see?", "options": ["Two faces", "Two cars"], "answer": 1},
        {"text": "How many are fake?", "options": ["None", "One", "Both"], "answer": 2},
    ],
}
RIGHT = {"q1": 1, "q2": 2}
WRONG = {"q1": 1, "q2": 3}
EYE = {
    "image": "eye.png",
    "prompt": "Please paint the eye on the left side of the picture.",
    "region": [[10, 10], [30, 10], [30, 30]],
}
MONSTER = {"real": "plain.png", "fake": "monster.png"}
CHECKS = {"max_failed": 0, "pairs": [MONSTER]}
QUESTIONS = [
    {
        "id": "age",
        "text": "How old are you?",
        "kind": "choice",
        "options": ["18-39", "40+"],
        "required": True,
    },
    {"id": "remarks", "text": "Anything else?", "kind": "text"},
]


@pytest.fixture
def make(db):
    return studies_over_faces(db)


def studies_over_faces(db):
    """Create and open a study over twelve faces of each kind and three that only checks show."""
    for n in range(12):
        db.add(ImageFactory.build(label=Label.REAL, original_name=f"real{n}.png"))
        db.add(ImageFactory.build(label=Label.FAKE, original_name=f"fake{n}.png"))
    for label, name in ((Label.REAL, "plain"), (Label.FAKE, "monster"), (Label.REAL, "eye")):
        db.add(ImageFactory.build(label=label, source="check", original_name=f"{name}.png"))
    db.commit()

    def made(blobs=None, **described):
        defaults = {
            "slug": "visit",
            "title": "Which face is real?",
            "consent": "I agree.",
            "trials_per_participant": 6,
            "judgements": 2,
            "arms": [{"name": "paint", "annotate": True}],
            "pairs": {"per_source": 8, "sources": ["generator"], "real_sources": ["camera"]},
        }
        study = create_study(db, StudySpec.model_validate(defaults | described), blobs=blobs)
        db.commit()
        open_study(db, study)
        db.commit()
        return study

    return made


@pytest.fixture
def arrive(client):
    return partial(consenting, client)


def consenting(client, study, **consent):
    """Somebody who consents to a study."""
    visitor = Visitor(client, study.slug)
    answer = visitor.consent(consent_version=study.consent_version, **consent)
    assert answer.status_code == 201, answer.json()
    return visitor


def post(visitor, what, body):
    return visitor.client.post(f"/api/participant/{what}", json=body, headers=visitor.headers)


def answer_quiz(visitor, answers):
    return post(visitor, "quiz", {"answers": answers})


def right_side(db, trial):
    """The side that answers the question of a trial."""
    row = db.get(Trial, trial["id"], populate_existing=True)
    left = db.get_one(Image, row.left_image_id)
    return "left" if left.label.value == row.question.value else "right"


def wrong_side(db, trial):
    return "right" if right_side(db, trial) == "left" else "left"


def is_check(db, trial):
    return db.get_one(Trial, trial["id"]).kind is TrialKind.CHECK


def decide_all(db, visitor, *, fail_checks=False):
    """Decide trial after trial, rightly but for checks if so wanted; returns the last answer of `next`."""
    while "trial" in (answer := visitor.next().json()):
        trial = answer["trial"]
        if trial["kind"] == "check":
            decided = paint(visitor, trial, EYE["region"])
        else:
            wrong = fail_checks and is_check(db, trial)
            decided = visitor.decide(trial["id"], choice=(wrong_side if wrong else right_side)(db, trial))
        assert decided.status_code == 200, decided.json()
    return answer


def paint(visitor, trial, outline):
    points = [[x, y, 10.0 * n] for n, (x, y) in enumerate(outline)]
    strokes = [{"tool": "lasso", "radius": 0, "points": points}]
    return visitor.decide(trial["id"], decision_ms=0, strokes=strokes)


class TestOrder:
    def test_every_step_comes_in_its_turn(self, db, make, arrive):
        study = make(
            quiz=QUIZ, practice={"count": 2}, checks=CHECKS, questions=QUESTIONS, debrief="**One** was made."
        )
        visitor = arrive(study)
        assert visitor.next().json()["step"]["kind"] == "quiz"
        assert answer_quiz(visitor, RIGHT).json()["passed"]
        kinds = []
        while "trial" in (answer := visitor.next().json()):
            kinds.append(answer["trial"]["kind"])
            visitor.decide(answer["trial"]["id"], choice=right_side(db, answer["trial"]))
        assert kinds == ["practice"] * 2 + ["main"] * 7
        assert answer["step"]["kind"] == "questions"
        assert post(visitor, "answers", {"answers": {"age": "40+"}}).json() == {"saved": True}
        completion = visitor.next().json()["completion"]
        assert (completion["ending"], len(completion["code"])) == ("finished", 11)
        assert completion["debrief_html"] == "<p><strong>One</strong> was made.</p>\n"
        assert visitor.participant.replace("-", "").startswith(completion["reference"])

    def test_without_anything_described_there_are_main_trials_alone(self, db, make, arrive):
        visitor = arrive(make())
        assert decide_all(db, visitor)["completion"]["ending"] == "finished"
        assert set(db.scalars(select(Trial.kind))) == {TrialKind.MAIN}

    def test_the_page_knows_what_to_expect_and_no_answers(self, make, arrive):
        study = make(quiz=QUIZ, practice={"count": 1}, breaks={"every": 3}, debrief="A secret.")
        visitor = arrive(study)
        page = visitor.page()
        assert (page["has_quiz"], page["has_practice"], page["breaks_every"]) == (True, True, 3)
        assert page["device"] == {"min_width": 320, "min_height": 300, "touch": True}
        assert visitor.client.get(page["check_image"]).status_code == 200
        assert "secret" not in json.dumps(page)

    def test_the_last_decision_ends_the_visit_of_somebody_who_closes_the_page_then(self, db, make, arrive):
        study = make(practice={"count": 1}, checks=CHECKS)
        visitor, other = arrive(study), arrive(study)
        for trial in trials_of(db, visitor):
            assert state_of(db, visitor) == ("active", None)
            assert visitor.decide(trial.id, choice=right_side(db, {"id": trial.id})).status_code == 200
        state, code = state_of(db, visitor)
        assert (state, len(code)) == ("finished", 11)
        assert visitor.next().json()["completion"]["code"] == code
        assert state_of(db, other) == ("active", None)

    def test_with_questions_left_the_last_decision_ends_nothing(self, db, make, arrive):
        visitor = arrive(make(questions=QUESTIONS))
        for trial in trials_of(db, visitor):
            visitor.decide(trial.id)
        assert state_of(db, visitor) == ("active", None)

    def test_places_in_a_visit_are_counted_from_one(self, db, make, arrive):
        study = make(practice={"count": 2}, checks=CHECKS)
        for visitor in (arrive(study), arrive(study)):
            trials = trials_of(db, visitor)
            assert [trial.position for trial in trials] == list(range(1, 10))
            assert [trial.kind == TrialKind.PRACTICE for trial in trials] == [True] * 2 + [False] * 7

    def test_asking_twice_gives_the_same_step(self, make, arrive):
        visitor = arrive(make(quiz=QUIZ))
        assert visitor.next().json() == visitor.next().json()


def trials_of(db, visitor):
    """In their order."""
    mine = select(Trial).where(Trial.participant_id == visitor.participant)
    return db.scalars(mine.order_by(Trial.position)).all()


def state_of(db, visitor):
    person = db.get_one(Participant, visitor.participant, populate_existing=True)
    return person.state, person.completion_code


class TestQuiz:
    @pytest.fixture
    def visitor(self, make, arrive):
        return arrive(make(quiz=QUIZ, endings={"screened_out_url": "https://a.example/out"}))

    def test_the_right_options_stay_on_the_server(self, visitor):
        step = visitor.next().json()["step"]
        assert step["questions"][0] == {
            "id": "q1",
            "text": "What do you see?",
            "options": ["Two faces", "Two cars"],
        }
        assert step["attempts_left"] == 2

    def test_a_wrong_attempt_says_what_was_wrong_and_is_kept(self, db, visitor):
        assert answer_quiz(visitor, WRONG).json() == {"passed": False, "wrong": ["q2"], "attempts_left": 1}
        attempt = db.scalars(select(QuizAttempt)).one()
        assert (attempt.number, attempt.answers, attempt.wrong) == (1, WRONG, ["q2"])
        assert visitor.next().json()["step"]["attempts_left"] == 1

    def test_the_same_attempt_sent_again_costs_nothing(self, db, visitor):
        answers = [answer_quiz(visitor, WRONG).json() for _ in range(3)]
        assert answers == [{"passed": False, "wrong": ["q2"], "attempts_left": 1}] * 3
        assert db.scalar(select(func.count()).select_from(QuizAttempt)) == 1

    def test_once_passed_it_stays_passed(self, visitor):
        answer_quiz(visitor, RIGHT)
        assert answer_quiz(visitor, WRONG).json()["passed"]
        assert "trial" in visitor.next().json()

    def test_after_the_last_wrong_attempt_the_visit_is_over_and_the_places_are_free(self, db, visitor):
        answer_quiz(visitor, WRONG)
        assert answer_quiz(visitor, {"q1": 2, "q2": 2}).json()["attempts_left"] == 0
        completion = visitor.next().json()["completion"]
        assert completion["ending"] == "screened_out"
        assert completion["code"] is None
        assert completion["redirect_url"] == "https://a.example/out"
        assert db.scalar(select(func.sum(Quota.taken))) == 0
        assert answer_quiz(visitor, RIGHT).json()["error"] == "wrong_state"

    @pytest.mark.parametrize(
        ("answers", "complaint"),
        [
            ({"q1": 1}, "question q2 is not answered"),
            ({"q1": 1, "q2": 4}, "question q2 has the options 1 to 3"),
            ({"q1": 1, "q2": 0}, "question q2 has the options 1 to 3"),
            (RIGHT | {"q3": 1}, "the quiz has no question 'q3'"),
        ],
    )
    def test_what_is_no_attempt_costs_none(self, db, visitor, answers, complaint):
        answer = answer_quiz(visitor, answers)
        assert answer.status_code == 422
        assert complaint in answer.json()["detail"]
        assert db.scalar(select(func.count()).select_from(QuizAttempt)) == 0

    def test_a_study_without_one_has_none_to_answer(self, make, arrive):
        assert answer_quiz(arrive(make()), {}).json()["error"] == "wrong_state"


class TestPractice:
    @pytest.fixture
    def visitor(self, make, arrive):
        return arrive(make(practice={"count": 3}))

    def test_it_says_whether_the_answer_was_right_and_which_face_is_fake(self, db, visitor):
        trial = visitor.next().json()["trial"]
        side = right_side(db, trial)
        fake = side if trial["question"] == "fake" else ("left" if side == "right" else "right")
        wrong = wrong_side(db, trial)
        answers = [visitor.decide(trial["id"], choice=wrong).json() for _ in range(2)]
        assert answers == [{"saved": True, "feedback": {"correct": False, "fake": fake}}] * 2

    def test_it_counts_by_itself_and_comes_one_at_a_time(self, visitor):
        first = visitor.next().json()
        assert (first["trial"]["position"], first["trial"]["total"], first["upcoming"]) == (1, 3, [])
        for _ in range(3):
            visitor.decide(visitor.next().json()["trial"]["id"])
        main = visitor.next().json()
        assert (main["trial"]["position"], main["trial"]["total"], len(main["upcoming"])) == (1, 6, 2)

    def test_a_main_trial_tells_nothing(self, visitor):
        for _ in range(3):
            visitor.decide(visitor.next().json()["trial"]["id"])
        assert visitor.decide(visitor.next().json()["trial"]["id"]).json() == {"saved": True}

    def test_it_takes_no_place_and_shares_no_face_with_what_counts(self, db, visitor):
        decide_all(db, visitor)
        shown = {
            kind: {
                image for row in db.scalars(select(Trial).where(Trial.kind == kind)) for image in sides(row)
            }
            for kind in (TrialKind.PRACTICE, TrialKind.MAIN)
        }
        assert not shown[TrialKind.PRACTICE] & shown[TrialKind.MAIN]
        assert db.scalar(select(func.sum(Quota.taken))) == 6
        assert db.scalar(select(func.count()).select_from(Pair).where(Pair.kind == "practice")) == 3


def sides(trial):
    return {trial.left_image_id, trial.right_image_id}


class TestChecks:
    def test_an_obvious_pair_looks_like_any_other(self, db, make, arrive):
        visitor = arrive(make(checks=CHECKS))
        seen = []
        while "trial" in (answer := visitor.next().json()):
            seen.append(answer["trial"])
            visitor.decide(answer["trial"]["id"], choice=right_side(db, answer["trial"]))
        assert [trial["position"] for trial in seen] == list(range(1, 8))
        assert {trial["kind"] for trial in seen} == {"main"}
        assert len({json.dumps(shape(trial)) for trial in seen}) == 1
        assert all(one["question"] != other["question"] for one, other in pairwise(seen))
        assert [is_check(db, trial) for trial in seen].count(True) == 1
        assert not is_check(db, seen[0])

    def test_a_check_asks_what_is_asked_where_one_question_has_run_out(self, db, make, arrive):
        pairs = [MONSTER, *({"real": f"real{n}.png", "fake": f"fake{n}.png"} for n in (9, 10, 11))]
        study = make(checks={"pairs": pairs})
        db.execute(update(Quota).where(Quota.question == "real").values(taken=Quota.wanted))
        db.commit()
        arrive(study)
        asked = Counter(db.scalars(select(Trial.question)))
        assert asked == {"fake": 10}

    def test_checks_are_spread_and_in_random_places(self, db, make, arrive):
        checks = {"pairs": [CHECKS["pairs"][0], {"real": "real0.png", "fake": "fake0.png"}]}
        study = make(checks=checks, judgements=40)
        places = Counter()
        for _ in range(30):
            visitor = arrive(study)
            kinds = db.scalars(
                select(Trial.kind).where(Trial.participant_id == visitor.participant).order_by(Trial.position)
            ).all()
            at = [place for place, kind in enumerate(kinds) if kind is TrialKind.CHECK]
            assert len(at) == 2
            assert at[0] > 0
            assert at[1] - at[0] > 1
            places.update(at)
        assert len(places) >= 5

    def test_traps_are_on_so_many_main_trials_and_on_others_for_others(self, db, make, arrive):
        study = make(practice={"count": 2}, checks={"traps": 2, "pairs": [MONSTER]}, judgements=40)
        places = set()
        for _ in range(8):
            trapped = [trial for trial in trials_of(db, arrive(study)) if trial.has_trap]
            assert [trial.kind for trial in trapped] == [TrialKind.MAIN] * 2
            places.add(tuple(trial.position for trial in trapped))
        assert len(places) > 1

    def test_a_trap_that_is_pressed_screens_nobody_out(self, db, make, arrive):
        visitor = arrive(make(checks={"traps": 6, "max_failed": 0}))
        pressed = {"kind": "trap", "t_ms": 9, "shown": 1, "presses": 1}
        while "trial" in (answer := visitor.next().json()):
            assert answer["trial"]["trap"]
            assert visitor.decide(answer["trial"]["id"], events=[pressed]).status_code == 200
        assert answer["completion"]["ending"] == "finished"

    def test_what_others_fail_screens_nobody_out(self, db, make, arrive):
        pairs = [MONSTER, {"real": "real9.png", "fake": "fake9.png"}]
        study = make(checks={"max_failed": 1, "pairs": pairs})
        visitors = [arrive(study) for _ in range(3)]
        checks = [
            [one for one in trials_of(db, visitor) if is_check(db, {"id": one.id})] for visitor in visitors
        ]
        for visitor, (first, _) in zip(visitors, checks, strict=True):
            visitor.decide(first.id, choice=wrong_side(db, {"id": first.id}))
        assert [state_of(db, visitor)[0] for visitor in visitors] == ["active"] * 3
        second = checks[0][1]
        visitors[0].decide(second.id, choice=wrong_side(db, {"id": second.id}))
        assert [state_of(db, visitor)[0] for visitor in visitors] == ["screened_out", "active", "active"]

    def test_who_fails_more_than_allowed_is_screened_out_and_their_places_are_free(self, db, make, arrive):
        visitor = arrive(make(checks=CHECKS))
        db.add(MapSet(study_id=db.scalar(select(Participant.study_id)), version=1, parameters={}))
        db.commit()
        completion = decide_all(db, visitor, fail_checks=True)["completion"]
        assert (completion["ending"], completion["redirect_url"]) == ("screened_out", None)
        assert db.scalar(select(func.sum(Quota.taken))) == 0
        assert db.scalar(select(func.count()).select_from(Decision)) >= 2
        assert db.scalar(select(MapSet.stale))
        person = db.get_one(Participant, visitor.participant, populate_existing=True)
        assert (person.state, person.screened_out_by) == ("screened_out", "checks")

    def test_what_somebody_screened_out_had_decided_is_still_acknowledged(self, db, make, arrive):
        visitor = arrive(make(checks=CHECKS))
        first = visitor.next().json()["trial"]
        visitor.decide(first["id"])
        ahead = visitor.next().json()["upcoming"]
        decide_all(db, visitor, fail_checks=True)
        assert visitor.decide(first["id"]).status_code == 200
        undecided = db.scalars(
            select(Trial.id).where(
                Trial.participant_id == visitor.participant,
                ~select(Decision.id).where(Decision.trial_id == Trial.id).exists(),
            )
        ).all()
        assert ahead
        for late in undecided:
            assert visitor.decide(str(late)).json()["error"] == "place_given_away"

    def test_somebody_else_can_take_the_places(self, db, make, arrive):
        study = make(checks=CHECKS, trials_per_participant=8, judgements=1)
        others = [arrive(study) for _ in range(2)]
        decide_all(db, others[0], fail_checks=True)
        assert decide_all(db, arrive(study))["completion"]["ending"] == "finished"

    def test_without_a_limit_nobody_is_screened_out(self, db, make, arrive):
        visitor = arrive(make(checks={"pairs": CHECKS["pairs"]}))
        assert decide_all(db, visitor, fail_checks=True)["completion"]["ending"] == "finished"

    def test_who_withdraws_after_being_screened_out_gives_no_place_back_twice(self, db, make, arrive):
        study = make(checks=CHECKS)
        other, visitor = arrive(study), arrive(study)
        decide_all(db, visitor, fail_checks=True)
        assert post(visitor, "withdraw", None).status_code == 200
        assert decide_all(db, other)["completion"]["ending"] == "finished"
        assert db.scalar(select(func.sum(Quota.taken))) == 6

    def test_a_region_check_has_one_picture_and_a_prompt(self, db, make, arrive):
        study = make(checks={"regions": [EYE]}, annotation={"min_area": 0.2})
        visitor = arrive(study)
        while (answer := visitor.next().json())["trial"]["kind"] != "check":
            points = [[0, 0, 0], [63, 0, 1], [63, 63, 2]]
            big = [{"tool": "lasso", "radius": 0, "points": points}]
            assert visitor.decide(answer["trial"]["id"], strokes=big).status_code == 200
        trial = answer["trial"]
        assert (trial["prompt"], trial["right"], trial["question"]) == (EYE["prompt"], None, None)
        assert answer["rule"]["min_area"] == 0.2  # of the other trials
        assert visitor.decide(trial["id"], choice="right").status_code == 422
        assert visitor.decide(trial["id"], strokes=[]).json()["error"] == "annotation_missing"
        assert paint(visitor, trial, EYE["region"]).json() == {"saved": True}
        decision = db.scalars(select(Decision).where(Decision.trial_id == trial["id"])).one()
        assert (decision.correct, decision.region_iou) == (True, 1.0)

    @pytest.mark.parametrize(
        ("outline", "passes"),
        [([[10, 10], [30, 10], [30, 30], [10, 30]], True), ([[40, 40], [60, 40], [60, 60]], False)],
    )
    def test_a_region_is_scored_by_what_is_painted(self, db, make, arrive, outline, passes):
        visitor = arrive(make(checks={"max_failed": 0, "regions": [EYE]}))
        while (answer := visitor.next().json())["trial"]["kind"] != "check":
            visitor.decide(answer["trial"]["id"])
        paint(visitor, answer["trial"], outline)
        assert db.scalars(select(Decision.correct).order_by(Decision.id.desc())).first() is passes
        assert ("trial" in visitor.next().json() or passes) is passes

    def test_a_region_that_is_painted_and_erased_again_is_not_painted(self, make, arrive):
        visitor = arrive(make(checks={"regions": [EYE]}))
        while (answer := visitor.next().json())["trial"]["kind"] != "check":
            visitor.decide(answer["trial"]["id"])
        dab = {"tool": "brush", "radius": 5, "points": [[20, 20, 0]]}
        answer = visitor.decide(answer["trial"]["id"], strokes=[dab, dab | {"tool": "eraser"}])
        assert answer.json()["error"] == "annotation_missing"

    def test_a_region_whose_outline_is_a_tangle_is_refused(self, make):
        tangle = [[n * 7.3 % SIDE, SIDE * (n % 2)] for n in range(1000)]
        with pytest.raises(BadStudy, match="crosses itself too often"):
            make(checks={"regions": [EYE | {"region": tangle}]})

    def test_an_arm_that_does_not_paint_meets_no_region_check(self, db, make, arrive):
        arms = [{"name": "paint", "annotate": True}, {"name": "control", "annotate": False}]
        study = make(checks={"regions": [EYE]}, arms=arms)
        for visitor in (arrive(study), arrive(study)):
            last = decide_all(db, visitor)
            assert last["completion"]["ending"] == "finished"
        painters = select(Trial.participant_id).where(Trial.region_check_id.is_not(None))
        assert len(db.scalars(painters).all()) == 1


def shape(value):
    """What kind of thing each part of an answer is."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    return type(value).__name__


class TestAnnotationRule:
    @pytest.fixture
    def visitor(self, make, arrive):
        return arrive(make(annotation={"min_area": 0.05, "max_area": 0.5}))

    @pytest.mark.parametrize(
        ("strokes", "error"),
        [
            ([{"tool": "brush", "radius": 2, "points": [[30, 30, 0]]}], "annotation_too_small"),
            ([{"tool": "brush", "radius": 60, "points": [[30, 30, 0]]}], "annotation_too_large"),
            (
                [
                    {"tool": "brush", "radius": 15, "points": [[30, 30, 0]]},
                    {"tool": "eraser", "radius": 40, "points": [[30, 30, 5]]},
                ],
                "annotation_too_small",
            ),
        ],
    )
    def test_what_is_painted_must_cover_enough_and_not_too_much(self, db, visitor, strokes, error):
        trial = visitor.next().json()
        assert trial["rule"] == {"min_strokes": 1, "min_area": 0.05, "max_area": 0.5}
        answer = visitor.decide(trial["trial"]["id"], strokes=strokes)
        assert (answer.status_code, answer.json()["error"]) == (422, error)
        assert db.scalar(select(func.count()).select_from(Decision)) == 0

    def test_what_does_is_kept(self, visitor):
        strokes = [{"tool": "brush", "radius": 15, "points": [[30, 30, 0]]}]
        assert visitor.decide(visitor.next().json()["trial"]["id"], strokes=strokes).status_code == 200

    def test_who_need_not_paint_may_leave_it(self, make, arrive):
        visitor = arrive(make(annotation={"min_strokes": 0}))
        assert visitor.decide(visitor.next().json()["trial"]["id"], strokes=[]).status_code == 200


class TestAdvice:
    @pytest.fixture
    def advised(self, db, blobs, make, arrive, tmp_path):
        def made(advice, *, score=lambda image: 0.8 if image.label is Label.FAKE else 0.3, **described):
            listed = []
            for number, image in enumerate(db.scalars(select(Image))):
                grey = np.full((SIDE, SIDE), number, dtype=np.uint8)
                Picture.fromarray(grey, "L").save(tmp_path / f"{number}.png")
                listed.append(
                    {
                        "image": image.content_hash,
                        "score": score(image),
                        "map": tmp_path / f"{number}.png",
                    }
                )
                image.display_hash = blobs.put(b"\xff\xd8 a face")
            arms = [{"name": "helped", "annotate": False, "advice": advice}]
            return arrive(make(blobs, arms=arms, advice={"listed": listed}, **described))

        return made

    def test_a_decision_names_the_face_that_the_model_takes_for_the_fake(self, db, advised):
        trial = advised("decision").next().json()["trial"]
        row = db.get_one(Trial, trial["id"])
        fake = "left" if db.get_one(Image, row.left_image_id).label is Label.FAKE else "right"
        # l(1-r) / (l(1-r) + r(1-l)) with 0.8 and 0.3
        confidence = round(0.8 * 0.7 / (0.8 * 0.7 + 0.3 * 0.2), 4)
        assert trial["advice"] == {
            "decision": fake,
            "confidence": confidence,
            "left_map": None,
            "right_map": None,
        }
        assert row.advice["decision"] == fake

    def test_a_model_that_cannot_tell_has_no_decision(self, advised):
        advice = advised("decision", score=lambda _: 1.0).next().json()["trial"]["advice"]
        assert (advice["decision"], advice["confidence"]) == (None, 0.5)

    def test_heat_maps_have_addresses_and_lengths_that_say_nothing(self, client, advised):
        trial = advised("saliency").next().json()["trial"]
        assert trial["advice"]["decision"] is None
        left, right = (client.get(trial["advice"][f"{side}_map"]) for side in ("left", "right"))
        assert len(left.content) == len(right.content)
        assert {answer.headers["content-type"] for answer in (left, right)} == {"image/png"}
        picture = Picture.open(io.BytesIO(left.content))
        assert (picture.size, picture.mode) == ((SIDE, SIDE), "RGBA")

    def test_checks_and_practice_are_advised_like_any_other(self, db, advised):
        visitor = advised("both", checks=CHECKS, practice={"count": 1})
        while "trial" in (answer := visitor.next().json()):
            assert all(answer["trial"]["advice"].values())
            visitor.decide(answer["trial"]["id"], choice=right_side(db, answer["trial"]))
        assert answer["completion"]["ending"] == "finished"

    def test_an_arm_without_it_is_shown_none(self, client, make, arrive):
        visitor = arrive(make())
        trial = visitor.next().json()["trial"]
        assert trial["advice"] is None
        assert client.get(f"{trial['left']['url']}/map").status_code == 404


class TestClosingQuestions:
    @pytest.fixture
    def visitor(self, db, make, arrive):
        visitor = arrive(make(questions=QUESTIONS))
        decide_all(db, visitor)
        return visitor

    def test_they_come_as_described(self, visitor):
        assert visitor.next().json()["step"]["questions"][0] == QUESTIONS[0]

    def test_the_same_again_is_fine_and_others_are_refused(self, db, visitor):
        given = {"answers": {"age": "40+", "remarks": " Thanks. "}}
        assert [post(visitor, "answers", given).status_code for _ in range(3)] == [200] * 3
        other = post(visitor, "answers", {"answers": {"age": "18-39"}})
        assert (other.status_code, other.json()["error"]) == (409, "already_answered")
        person = db.get_one(Participant, visitor.participant, populate_existing=True)
        assert (person.answers, person.state) == ({"age": "40+", "remarks": "Thanks."}, "finished")
        assert (person.pastes, person.drops) == (None, None)

    def test_pastes_are_counted_as_sent_first_and_shown_to_staff(self, db, visitor):
        for pastes in (2, 3):
            post(visitor, "answers", {"answers": {"age": "40+"}, "pastes": pastes, "drops": 1})
        person = db.get_one(Participant, visitor.participant, populate_existing=True)
        assert (person.pastes, person.drops) == (2, 1)
        (noted,) = [one for one in evidence_of(db, person).measures if one.is_met]
        assert (noted.name, noted.found, noted.word) == ("pasted", 3, "note")

    @pytest.mark.parametrize("pastes", [-1, 1.5, "many", 10**9])
    def test_what_is_no_count_is_refused(self, visitor, pastes):
        answer = post(visitor, "answers", {"answers": {"age": "40+"}, "pastes": pastes})
        assert answer.status_code == 422

    @pytest.mark.parametrize(
        ("answers", "complaint"),
        [
            ({}, "question age must be answered"),
            ({"age": "  "}, "question age must be answered"),
            ({"age": "50"}, "'50' is not an option of question age"),
            ({"age": "40+", "name": "x"}, "there is no question 'name'"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, visitor, answers, complaint):
        answer = post(visitor, "answers", {"answers": answers})
        assert answer.status_code == 422
        assert complaint in answer.json()["detail"]
        assert visitor.next().json()["step"]["kind"] == "questions"

    def test_they_cannot_be_answered_before_the_trials(self, make, arrive):
        visitor = arrive(make(questions=QUESTIONS))
        assert post(visitor, "answers", {"answers": {"age": "40+"}}).json()["error"] == "wrong_state"


REPORT = {
    "width": 360,
    "height": 640.5,
    "pixel_ratio": 3,
    "pointer": "coarse",
    "touch": True,
    "images_load": True,
    "passed": True,
}


class TestDevice:
    def test_the_last_report_is_kept(self, db, make, arrive):
        visitor = arrive(make())
        for width in (300, 360):
            assert post(visitor, "device", REPORT | {"width": width}).json() == {"saved": True}
        kept = db.get_one(Participant, visitor.participant, populate_existing=True).device
        assert kept == REPORT | {"width": 360.0}

    def test_something_else_is_refused(self, make, arrive):
        visitor = arrive(make())
        assert post(visitor, "device", REPORT | {"name": "x"}).status_code == 422


class TestLinks:
    @pytest.fixture
    def study(self, make):
        return make()

    def test_the_same_token_is_the_same_person(self, client, study, arrive):
        first = arrive(study, link_token=(token := Visitor(client, study.slug).page()["link_token"]))
        again = Visitor(client, study.slug)
        answer = again.consent(link_token=token, consent_version=study.consent_version)
        assert (answer.status_code, again.participant) == (200, first.participant)

    def test_every_page_has_another_and_keeps_one_that_it_was_given(self, client, study):
        visitor = Visitor(client, study.slug)
        one, other = visitor.page()["link_token"], visitor.page()["link_token"]
        assert one != other
        assert visitor.page(f"?link={one}")["link_token"] == one
        assert visitor.page("?PROLIFIC_PID=P")["link_token"] is None

    @pytest.mark.parametrize("token", [None, "x", "a.b", "é.ü", "."])
    def test_without_a_true_one_nobody_takes_part_by_a_link(self, client, study, token):
        visitor = Visitor(client, study.slug)
        answer = visitor.consent(link_token=token, consent_version=study.consent_version)
        assert (answer.status_code, answer.json()["error"]) == (422, "bad_input")

    def test_a_token_with_another_signature_is_none(self, client, study):
        visitor = Visitor(client, study.slug)
        one, other = (visitor.page()["link_token"].split(".") for _ in range(2))
        answer = visitor.consent(link_token=f"{one[0]}.{other[1]}", consent_version=study.consent_version)
        assert answer.status_code == 422

    def test_who_comes_through_a_platform_brings_its_id(self, client, study):
        answer = Visitor(client, study.slug).consent(source="prolific", consent_version=study.consent_version)
        assert (answer.status_code, answer.json()["error"]) == (422, "bad_input")


class TestOnePersonOneParticipation:
    def test_who_took_part_in_an_excluded_study_is_refused(self, client, make):
        make(slug="first")
        second = make(
            slug="second",
            exclude_studies=["first"],
            endings={"already_took_part_url": "https://a.example/again"},
        )
        consent = {"source": "prolific", "external_id": "P1", "consent_version": second.consent_version}
        assert Visitor(client, "first").consent(**consent).status_code == 201
        answer = Visitor(client, "second").consent(**consent)
        assert (answer.status_code, answer.json()["error"]) == (409, "already_took_part")
        assert answer.json()["redirect_url"] == "https://a.example/again"
        assert Visitor(client, "second").consent(**consent | {"external_id": "P2"}).status_code == 201

    def test_a_personal_link_is_known_in_every_study(self, client, make):
        make(slug="first")
        second = make(slug="second", exclude_studies=["first"])
        token = Visitor(client, "first").page()["link_token"]
        consent = {"link_token": token, "consent_version": second.consent_version}
        assert Visitor(client, "first").consent(**consent).status_code == 201
        assert Visitor(client, "second").consent(**consent).json()["error"] == "already_took_part"


class TestForms:
    """What a page sends beside decisions."""

    def test_they_come_only_so_often(self, make, arrive, monkeypatch):
        monkeypatch.setattr(routes, "FORMS", RateLimit("3 per minute", "Too many."))
        visitor = arrive(make(quiz=QUIZ, questions=QUESTIONS))
        answers = [
            post(visitor, "device", REPORT),
            answer_quiz(visitor, WRONG),
            post(visitor, "answers", {"answers": {"age": "40+"}}),
            post(visitor, "device", REPORT | {"width": 1}),
            answer_quiz(visitor, RIGHT),
            post(visitor, "answers", {"answers": {"age": "40+"}}),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 409, 429, 429, 429]
        assert visitor.next().json()["step"]["attempts_left"] == 1
        assert visitor.withdraw().status_code == 200

    def test_a_closed_study_keeps_none_of_it(self, db, make, arrive):
        study = make(quiz=QUIZ, questions=QUESTIONS)
        visitor, ready = arrive(study), arrive(study)
        answer_quiz(ready, RIGHT)
        decide_all(db, ready)
        trial = db.scalars(select(Trial.id).where(Trial.participant_id == visitor.participant)).first()
        close_study(db, study)
        db.commit()
        assert answer_quiz(visitor, RIGHT).json()["error"] == "wrong_state"
        assert post(ready, "answers", {"answers": {"age": "40+"}}).json()["error"] == "wrong_state"
        assert post(visitor, "device", REPORT).json() == {"saved": True}
        TestDrafts().keep(visitor, trial)
        assert db.scalar(select(func.count()).where(QuizAttempt.participant_id == visitor.participant)) == 0
        assert db.scalar(select(Trial.draft).where(Trial.id == trial)) is None
        for person in (visitor, ready):
            kept = db.get_one(Participant, person.participant, populate_existing=True)
            assert (kept.answers, kept.device, kept.state) == (None, None, "active")


class TestRefusals:
    def test_a_full_study_sends_people_where_the_study_says(self, client, make, arrive):
        study = make(
            trials_per_participant=8, judgements=1, endings={"quota_full_url": "https://a.example/full"}
        )
        for _ in range(2):
            arrive(study)
        answer = Visitor(client, study.slug).consent(consent_version=study.consent_version).json()
        assert (answer["error"], answer["redirect_url"]) == ("quota_full", "https://a.example/full")
        assert answer["reference"]

    def test_who_worked_in_a_study_that_closes_is_paid(self, db, make, arrive):
        study = make()
        worker, idler = arrive(study), arrive(study)
        worker.decide(worker.next().json()["trial"]["id"])
        study.state = "closed"
        db.commit()
        endings = [visitor.next().json()["completion"] for visitor in (worker, idler)]
        assert [ending["ending"] for ending in endings] == ["closed"] * 2
        assert [bool(ending["code"]) for ending in endings] == [True, False]
        assert worker.next().json()["completion"] == endings[0]

    def test_who_worked_finds_the_code_again_after_the_study_has_closed(self, client, db, make):
        study = make()
        named = {"source": "mturk", "external_id": "W1", "assignment_id": "A1"}
        consent = named | {"consent_version": study.consent_version}
        worker = Visitor(client, study.slug)
        worker.consent(**consent)
        worker.decide(worker.next().json()["trial"]["id"])
        study.state = "closed"
        db.commit()
        again = Visitor(client, study.slug)
        assert again.consent(**consent).status_code == 200
        assert again.next().json()["completion"]["code"] == worker.next().json()["completion"]["code"]
        assert Visitor(client, study.slug).consent(**consent | {"external_id": "W2"}).status_code == 409

    def test_every_end_has_the_code_that_the_study_gives_it(self, client, db, make, arrive):
        study = make(
            trials_per_participant=8,
            judgements=1,
            endings={"quota_full_code": "FULL", "withdrawn_code": "LEFT", "closed_code": "SHUT"},
        )
        leaver, idler = arrive(study), arrive(study)
        refused = Visitor(client, study.slug).consent(consent_version=study.consent_version).json()
        assert refused["completion_code"] == "FULL"
        left = client.post("/api/participant/withdraw", json={}, headers=leaver.headers)
        assert left.json()["code"] == "LEFT"
        study.state = "closed"
        db.commit()
        assert idler.next().json()["completion"]["code"] == "SHUT"


PROLIFIC_URL = "https://app.prolific.com/submissions/complete?cc="
EVERY_WAY_OUT = {
    f"{ending}_url": f"{PROLIFIC_URL}{ending.upper()}"
    for ending in ("declined", "screened_out", "quota_full", "closed", "already_took_part", "withdrawn")
}
PEOPLE = {
    "prolific": {"source": "prolific", "external_id": "5f1a", "assignment_id": "s1"},
    "mturk": {"source": "mturk", "external_id": "A1B2", "assignment_id": "3XYZ"},
    "link": {},
}
QUERIES = {
    "prolific": "?PROLIFIC_PID=5f1a&SESSION_ID=s1&STUDY_ID=st",
    "mturk": "?workerId=A1B2&assignmentId=3XYZ&hitId=h",
    "link": "",
}


class TestWaysOut:
    """Nobody is shown a code or an address that the place they came from does not know."""

    @pytest.mark.parametrize("source", PEOPLE)
    def test_who_is_screened_out_is_told_why_and_gets_no_code_that_nobody_knows(self, make, arrive, source):
        visitor = arrive(make(quiz=QUIZ), **PEOPLE[source])
        for answers in (WRONG, {"q1": 2, "q2": 2}):
            answer_quiz(visitor, answers)
        completion = visitor.next().json()["completion"]
        assert (completion["ending"], completion["code"], completion["redirect_url"]) == (
            "screened_out",
            None,
            None,
        )
        assert "answers about the instructions" in completion["message"]

    def test_failed_checks_are_another_reason(self, db, make, arrive):
        visitor = arrive(make(checks=CHECKS))
        completion = decide_all(db, visitor, fail_checks=True)["completion"]
        assert completion["ending"] == "screened_out"
        assert "attention checks" in completion["message"]

    @pytest.mark.parametrize(
        ("source", "code", "has_url"),
        [("prolific", "SCREENED_OUT", True), ("link", "SCREENED_OUT", True), ("mturk", None, False)],
    )
    def test_an_address_of_prolific_leads_no_worker_of_mturk_there(self, make, arrive, source, code, has_url):
        visitor = arrive(make(quiz=QUIZ, endings=EVERY_WAY_OUT), **PEOPLE[source])
        for answers in (WRONG, {"q1": 2, "q2": 2}):
            answer_quiz(visitor, answers)
        completion = visitor.next().json()["completion"]
        assert (completion["code"], completion["redirect_url"] is not None) == (code, has_url)

    @pytest.mark.parametrize(
        ("source", "completion_url", "code"),
        [
            ("prolific", f"{PROLIFIC_URL}C1", "C1"),
            ("prolific", None, None),
            ("mturk", f"{PROLIFIC_URL}C1", "own"),
            ("mturk", None, "own"),
            ("link", f"{PROLIFIC_URL}C1", "C1"),
            ("link", "https://panel.example/done?status=complete", "own"),
            ("link", None, "own"),
        ],
    )
    def test_who_finishes_has_the_code_that_is_known_there(
        self, db, make, arrive, source, completion_url, code
    ):
        visitor = arrive(make(completion_url=completion_url), **PEOPLE[source])
        completion = decide_all(db, visitor)["completion"]
        own = db.get_one(Participant, visitor.participant, populate_existing=True).completion_code
        assert completion["code"] == (own if code == "own" else code)
        assert completion["redirect_url"] == (None if source == "mturk" else completion_url)

    @pytest.mark.parametrize(("source", "has_code"), [("prolific", False), ("mturk", True), ("link", True)])
    def test_who_worked_in_a_study_that_closes_is_owed_something(self, db, make, arrive, source, has_code):
        study = make()
        visitor = arrive(study, **PEOPLE[source])
        visitor.decide(visitor.next().json()["trial"]["id"])
        close_study(db, study)
        db.commit()
        completion = visitor.next().json()["completion"]
        assert (completion["is_owed"], bool(completion["code"])) == (True, has_code)

    def test_who_worked_there_for_prolific_has_the_code_that_prolific_knows(self, db, make, arrive):
        study = make(endings=EVERY_WAY_OUT)
        visitor = arrive(study, **PEOPLE["prolific"])
        visitor.decide(visitor.next().json()["trial"]["id"])
        close_study(db, study)
        db.commit()
        assert visitor.next().json()["completion"]["code"] == "CLOSED"

    @pytest.mark.parametrize("source", ["prolific", "mturk"])
    def test_withdrawing_and_coming_back_lead_where_they_should(self, client, make, arrive, source):
        study = make(endings=EVERY_WAY_OUT)
        visitor = arrive(study, **PEOPLE[source])
        left = client.post("/api/participant/withdraw", json={}, headers=visitor.headers).json()
        again = visitor.consent(consent_version=study.consent_version, **PEOPLE[source]).json()
        knows = source != "mturk"
        assert (left["redirect_url"] is not None, left["code"]) == (knows, "WITHDRAWN" if knows else None)
        assert again["error"] == "already_took_part"
        assert again.get("completion_code") == ("ALREADY_TOOK_PART" if knows else None)

    @pytest.mark.parametrize("source", PEOPLE)
    def test_the_page_knows_the_ends_that_come_before_consent(self, client, make, source):
        study = make(endings=EVERY_WAY_OUT)
        told = Visitor(client, study.slug).page(QUERIES[source])["ways_out"]
        knows = source != "mturk"
        assert {ending: way["code"] for ending, way in told.items()} == {
            ending: ending.upper() if knows else None for ending in ("declined", "closed", "quota_full")
        }


class TestEntrance:
    """A page tells before consent is read that nobody new gets in."""

    @pytest.fixture
    def full(self, db, make, arrive):
        """Another study has free places, and one that lapsed."""
        arrive(make(slug="elsewhere"))
        lapse(db)
        study = make(trials_per_participant=8, judgements=1)
        people = [arrive(study, **PEOPLE["prolific"]), arrive(study, **PEOPLE["mturk"])]
        return study, people

    @pytest.mark.parametrize(
        ("query", "state"),
        [
            ("", "full"),
            ("?PROLIFIC_PID=5f1b&SESSION_ID=s2", "full"),
            ("?PROLIFIC_PID=5f1a&SESSION_ID=s2", "full"),  # an id alone is no proof
            (QUERIES["prolific"], "open"),
            (QUERIES["mturk"], "open"),
        ],
    )
    def test_a_full_study_is_open_to_those_who_are_in(self, client, full, query, state):
        study, _ = full
        assert Visitor(client, study.slug).page(query)["state"] == state

    def test_a_place_that_lapsed_is_one_again(self, client, db, full):
        study, _ = full
        lapse(db)
        assert Visitor(client, study.slug).page()["state"] == "open"

    @pytest.mark.parametrize(("query", "state"), [("", "paused"), (QUERIES["prolific"], "open")])
    def test_so_is_a_paused_one(self, client, db, full, query, state):
        study, _ = full
        study.state = "paused"
        db.commit()
        assert Visitor(client, study.slug).page(query)["state"] == state

    def test_a_closed_one_is_closed_to_everybody(self, client, db, full):
        study, _ = full
        close_study(db, study)
        db.commit()
        assert Visitor(client, study.slug).page(QUERIES["prolific"])["state"] == "closed"

    def test_a_draft_says_how_to_leave_the_platform(self, client, db, make):
        study = make()
        study.state = "draft"
        db.commit()
        said = {source: client.get(f"/s/{study.slug}{query}").text for source, query in QUERIES.items()}
        assert "Cancel participation" in said["prolific"]
        assert "return the HIT" in said["mturk"]
        assert "return" not in said["link"]


DRAFT = {"trial": "t", "strokes": [{"tool": "brush", "radius": 5, "points": [[1, 1, 0]]}], "at": 5}


class TestDrafts:
    def keep(self, visitor, trial, draft=DRAFT):
        address = f"/api/trials/{trial}/draft"
        return visitor.client.put(address, json={"draft": draft}, headers=visitor.headers)

    def test_what_is_painted_so_far_comes_back_on_another_device(self, make, arrive):
        visitor = arrive(make())
        trial = visitor.next().json()["trial"]["id"]
        assert visitor.next().json()["draft"] is None
        assert self.keep(visitor, trial).json() == {"saved": True}
        assert visitor.next().json()["draft"] == DRAFT
        self.keep(visitor, trial, {"at": 6})
        assert visitor.next().json()["draft"] == {"at": 6}

    def test_it_is_gone_with_the_decision_and_does_not_come_back(self, db, make, arrive):
        visitor = arrive(make())
        trial = visitor.next().json()["trial"]["id"]
        self.keep(visitor, trial)
        visitor.decide(trial)
        self.keep(visitor, trial)
        assert db.scalar(select(Trial.draft).where(Trial.id == trial)) is None
        assert visitor.next().json()["draft"] is None

    def test_it_may_be_as_large_as_a_drawing_and_no_larger(self, make, arrive):
        visitor = arrive(make())
        trial = visitor.next().json()["trial"]["id"]
        points = [[1023.4, 1023.4, 1234567]] * MAX_POINTS
        largest = {"strokes": [{"tool": "brush", "radius": 12.5, "points": points}]}
        assert self.keep(visitor, trial, largest).status_code == 200
        assert visitor.next().json()["draft"] == largest
        too_large = self.keep(visitor, trial, {"strokes": "x" * LONGEST_DRAFT})
        assert (too_large.status_code, too_large.json()["error"]) == (422, "invalid")
        assert "draft" in too_large.json()["detail"]
        assert visitor.next().json()["draft"] == largest

    def test_they_come_only_so_often(self, make, arrive, monkeypatch):
        monkeypatch.setattr(routes, "DRAFTS", RateLimit("2 per minute", "Too many."))
        study = make()
        visitor, other = arrive(study), arrive(study)
        trial = visitor.next().json()["trial"]["id"]
        assert [self.keep(visitor, trial, {"at": n}).status_code for n in range(3)] == [200, 200, 429]
        assert visitor.next().json()["draft"] == {"at": 1}
        assert self.keep(other, other.next().json()["trial"]["id"]).status_code == 200

    def test_nobody_writes_into_a_trial_of_somebody_else(self, db, make, arrive):
        study = make()
        visitor, other = arrive(study), arrive(study)
        trial = visitor.next().json()["trial"]["id"]
        self.keep(other, trial)
        assert visitor.next().json()["draft"] is None


class TestHoneypot:
    @pytest.mark.parametrize("filled", ["https://spam.example", 7, ["x"]])
    def test_who_fills_it_in_is_flagged_and_let_in(self, db, make, arrive, filled):
        visitor = arrive(make(), website=filled)
        flag = db.scalars(select(QualityFlag)).one()
        assert (str(flag.participant_id), flag.kind) == (visitor.participant, "honeypot")
        assert "spam" not in json.dumps(flag.detail)

    @pytest.mark.parametrize("empty", ["", None])
    def test_people_leave_it_alone(self, db, make, arrive, empty):
        arrive(make(), website=empty)
        assert db.scalars(select(QualityFlag)).all() == []


class TestLapse:
    def test_who_comes_back_gets_practice_and_checks_again_too(self, db, make, arrive):
        study = make(practice={"count": 2}, checks=CHECKS, questions=QUESTIONS)
        visitor = arrive(study)
        visitor.decide(visitor.next().json()["trial"]["id"])
        lapse(db)
        arrive(study)
        assert set(states(db, visitor)) == {"decided", "released"}
        kinds = []
        while "trial" in (answer := visitor.next().json()):
            kinds.append(answer["trial"]["kind"])
            visitor.decide(answer["trial"]["id"], choice=right_side(db, answer["trial"]))
        assert kinds == ["practice"] + ["main"] * 7
        assert answer["step"]["kind"] == "questions"

    def test_a_trap_whose_place_is_gone_comes_with_another(self, db, make, arrive):
        study = make(checks={"traps": 6}, judgements=1)
        visitor = arrive(study)
        lapse(db)
        arrive(study)
        arrive(study)  # 12 of 16 places are taken, so that some of the first six are
        while "trial" in (answer := visitor.next().json()):
            assert answer["trial"]["trap"]
            assert visitor.decide(answer["trial"]["id"]).status_code == 200
        assert set(states(db, visitor)) == {"decided", "released"}

    def test_who_finds_the_study_full_does_no_practice_for_nothing(self, db, make, arrive):
        study = make(practice={"count": 2}, checks=CHECKS, trials_per_participant=8, judgements=1)
        late = arrive(study)
        lapse(db)
        for _ in range(2):
            decide_all(db, arrive(study))
        for _ in range(2):
            assert late.next().json()["completion"]["ending"] == "quota_full"


def states(db, visitor):
    return db.scalars(select(Trial.state).where(Trial.participant_id == visitor.participant)).all()


class TestWithdrawal:
    def test_everything_that_was_said_is_removed(self, db, make, arrive):
        study = make(quiz=QUIZ, practice={"count": 1}, checks={"regions": [EYE]}, questions=QUESTIONS)
        visitor = arrive(study, website="x")
        post(visitor, "device", REPORT)
        answer_quiz(visitor, RIGHT)
        decide_all(db, visitor)
        post(visitor, "answers", {"answers": {"age": "40+"}})
        answer = post(visitor, "withdraw", None).json()
        assert answer["withdrawn"]
        assert visitor.participant.replace("-", "").startswith(answer["reference"])
        person = db.get_one(Participant, visitor.participant, populate_existing=True)
        assert (person.answers, person.device, person.client) == (None, None, {})
        assert (person.pastes, person.drops) == (None, None)
        for table in (Trial, Decision, QuizAttempt, QualityFlag):
            assert db.scalar(select(func.count()).select_from(table)) == 0
        assert db.scalar(select(func.sum(Quota.taken))) == 0

    def test_it_can_be_sent_again(self, make, arrive):
        visitor = arrive(make())
        assert [post(visitor, "withdraw", None).status_code for _ in range(2)] == [200, 200]
