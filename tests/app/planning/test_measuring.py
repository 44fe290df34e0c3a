"""What a study that was run says of how people and pairs differ: for the API, the pages and the command."""

from itertools import product

import numpy as np
import pytest
from sqlalchemy import insert

from accuracy.statistics.planning import PlannedComparison, draw_study
from accuracy.statistics.planning_estimates import measured_assumptions
from app.errors import BadInput
from app.models import Decision, Participant, ParticipantState, Question, Side, Trial, TrialState
from app.planning.measuring import measured
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.support.factories import ArmFactory, ImageFactory, PairFactory, ParticipantFactory, StudyFactory
from tests.support.pages import read

DRAWN = draw_study(
    PlannedComparison(8, 20, 30, mean=0.65, participant_sd=0.08, pair_sd=0.12), 0.1, np.random.default_rng(1)
)
ASK = "/api/studies/next/planner"
PLAN = "/staff/studies/next/plan"


@pytest.fixture
def pilot(db):
    """A study in which 16 people judged as `DRAWN` says."""
    study = StudyFactory(slug="pilot", title="Tried")
    arms = [ArmFactory(study_id=study.id, name=name).id for name in ("paint", "look")]
    images = ImageFactory().id, ImageFactory().id
    pairs = [PairFactory(study_id=study.id).id for _ in range(30)]
    people = [
        ParticipantFactory(study_id=study.id, arm_id=arms[int(DRAWN.arm[DRAWN.participant == number][0])]).id
        for number in range(16)
    ]
    trials = [
        {
            "participant_id": people[person],
            "pair_id": pairs[pair],
            "left_image_id": images[0],
            "right_image_id": images[1],
            "question": Question.REAL,
            "position": number,
            "state": TrialState.DECIDED,
        }
        for number, (person, pair) in enumerate(zip(DRAWN.participant, DRAWN.item, strict=True))
    ]
    made = db.scalars(insert(Trial).returning(Trial.id, sort_by_parameter_order=True), trials).all()
    db.execute(
        insert(Decision),
        [
            {
                "trial_id": trial,
                "choice": Side.LEFT,
                "chosen_image_id": images[0],
                "correct": bool(correct),
                "decision_ms": 1500.0,
                "events": [],
                "body_hash": f"b{trial}",
            }
            for trial, correct in zip(made, DRAWN.correct, strict=True)
        ],
    )
    db.commit()
    return study


@pytest.fixture
def following(db):
    """A draft that is planned after the pilot."""
    for label, _ in product(("real", "fake"), range(30)):
        ImageFactory(label=label, source="camera" if label == "real" else "gan")
    spec = {"slug": "next", "title": "Next", "trials_per_participant": 20, "pairs": {"per_source": 30}}
    study = create_study(db, StudySpec.model_validate(spec | {"judgements": 5}))
    db.commit()
    return study


class TestMeasured:
    def test_it_is_the_estimate_of_the_judgements_that_count(self, db, pilot):
        found, arrays = measured(db, pilot), (DRAWN.correct, DRAWN.participant, DRAWN.item, DRAWN.arm)
        expected = measured_assumptions(*arrays)
        assert (found.participants, found.pairs, found.decisions) == (16, 30, 320)
        for name in ("mean", "participant_sd", "pair_sd"):
            said, meant = getattr(found, name), getattr(expected, name)
            assert said.value == pytest.approx(meant.value)
            assert said.low <= said.value <= said.high

    def test_who_withdrew_does_not_count(self, db, pilot):
        db.query(Participant).filter_by(study_id=pilot.id).first().state = ParticipantState.WITHDRAWN
        db.flush()
        assert measured(db, pilot).participants == 15

    def test_too_few_are_refused_with_a_sentence(self, db, following):
        with pytest.raises(BadInput, match=r"Study next says too little .* 0 participants .* at least 10"):
            measured(db, following)


class TestThePlanner:
    def test_the_api_reckons_with_it_and_says_what_it_rests_on(self, editor, db, pilot, following):
        told = editor.post(ASK, json={"like": "pilot"}).json()
        assert told["assumed"]["pair_sd"] == told["measured"]["pair_sd"]["value"]
        assert told["measured"]["decisions"] == 320
        alone = editor.post(ASK, json={}).json()
        assert (alone["measured"], alone["assumed"]["pair_sd"]) == (None, 0.15)
        assert told["smallest_difference"] != alone["smallest_difference"]

    def test_what_is_said_counts_before_what_is_measured(self, editor, pilot, following):
        told = editor.post(ASK, json={"like": "pilot", "pair_sd": 0.3}).json()
        assert told["assumed"]["pair_sd"] == 0.3
        assert told["assumed"]["mean"] == told["measured"]["mean"]["value"]

    @pytest.mark.parametrize(("like", "status"), [("next", 422), ("nowhere", 404)])
    def test_a_study_that_says_nothing_is_refused(self, editor, following, like, status):
        assert editor.post(ASK, json={"like": like}).status_code == status

    def test_the_page_puts_it_where_it_can_be_changed(self, editor, pilot, following):
        told = editor.post(ASK, json={"like": "pilot"}).json()["assumed"]
        page = read(editor.post(PLAN, data={"action": "like", "planner.like": "pilot"}))
        for name in ("mean", "participant_sd", "pair_sd"):
            assert page.values(f"[id='planner.{name}']", "value") == [f"{told[name]:.3f}"]
        assert "16 participants, 30 pairs, 320 judgements" in page.text(".planner__measured")

    def test_the_page_says_beside_the_choice_why_not(self, editor, following):
        StudyFactory(slug="empty")
        answer = editor.post(PLAN, data={"action": "like", "planner.like": "empty"})
        assert answer.status_code == 422
        assert "at least 10 are needed" in read(answer).text("[id='planner.like-error']")
