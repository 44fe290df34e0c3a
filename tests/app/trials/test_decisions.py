import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.deps import Visit
from app.errors import StudyNotOpen
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    MapSet,
    Participant,
    Quota,
    Stroke,
    Study,
    StudyState,
    Trial,
    TrialState,
)
from app.security import RateLimit
from app.studies.plan import plan_of
from app.studies.service import close_study, pause_study
from app.trials import routes
from app.trials.decisions import body_hash, record_decision
from app.trials.schemas import DecisionBody
from saliency.masks.strokes import MAX_STROKES
from tests.support.worlds import STROKES, Visitor, make_study

ZIGZAG = [[n * 7.3 % 60, 60 * (n % 2), n] for n in range(2000)]
"""An outline whose edges all cross one another."""


@pytest.fixture
def study(db, noise):
    return make_study(db, arms=(True,))


@pytest.fixture
def visitor(client, study):
    visitor = Visitor(client, study.slug)
    visitor.consent()
    return visitor


@pytest.fixture
def trial(visitor):
    return visitor.next().json()["trial"]


def decisions(db, trial):
    return db.scalars(select(Decision).where(Decision.trial_id == trial["id"])).all()


class TestNextTrial:
    def test_asking_twice_gives_the_same_trial(self, visitor):
        assert visitor.next().json() == visitor.next().json()

    def test_it_needs_a_token(self, client):
        response = client.get("/api/participant/next")
        assert (response.status_code, response.json()["error"]) == (401, "not_a_participant")

    def test_a_wrong_token_is_refused(self, client):
        response = client.get("/api/participant/next", headers={"Authorization": "Bearer nonsense"})
        assert response.status_code == 401

    def test_it_names_the_pictures_to_fetch_ahead(self, visitor):
        answer = visitor.next().json()
        assert len(answer["preload"]) == 4
        assert answer["trial"]["left"]["url"] not in answer["preload"]

    def test_it_hands_out_the_trials_after_it_so_that_a_page_can_go_on_offline(self, visitor):
        answer = visitor.next().json()
        assert [trial["position"] for trial in answer["upcoming"]] == [2, 3]
        assert [trial["left"]["url"] for trial in answer["upcoming"]] == answer["preload"][::2]

    def test_a_trial_handed_out_ahead_can_be_decided(self, visitor):
        ahead = visitor.next().json()["upcoming"][0]["id"]
        assert visitor.decide(ahead).status_code == 200

    def test_after_the_last_there_is_a_code(self, visitor):
        completion = visitor.finish()["completion"]
        assert len(completion["code"]) == 11
        assert visitor.next().json()["completion"] == completion

    def test_a_closed_study_says_so(self, visitor, db, study):
        study.state = StudyState.CLOSED
        db.commit()
        completion = visitor.next().json()["completion"]
        assert (completion["ending"], completion["code"]) == ("closed", None)


class TestDecision:
    def test_it_is_recorded_with_its_times(self, visitor, db, trial):
        assert visitor.decide(trial["id"]).json() == {"saved": True}
        [decision] = decisions(db, trial)
        assert (decision.decision_ms, decision.annotation_ms) == (1500.0, 900.0)

    def test_strokes_are_kept_as_they_were_sent(self, visitor, db, trial):
        visitor.decide(trial["id"])
        stroke = db.scalars(
            select(Stroke).join(Annotation).join(Decision).where(Decision.trial_id == trial["id"])
        ).one()
        assert (stroke.tool, stroke.radius, stroke.points) == tuple(STROKES[0].values())

    @pytest.mark.parametrize("choice", ["left", "right"])
    def test_it_is_correct_when_the_chosen_face_answers_the_question(self, visitor, db, trial, choice):
        visitor.decide(trial["id"], choice=choice)
        [decision] = decisions(db, trial)
        chosen = db.get_one(Image, decision.chosen_image_id)
        assert decision.correct == (chosen.label == trial["question"])

    def test_the_same_again_changes_nothing(self, visitor, db, trial):
        answers = [visitor.decide(trial["id"]).status_code for _ in range(3)]
        assert answers == [200, 200, 200]
        assert len(decisions(db, trial)) == 1

    def test_another_is_a_conflict_and_changes_nothing(self, visitor, db, trial):
        visitor.decide(trial["id"])
        response = visitor.decide(trial["id"], choice="right")
        assert (response.status_code, response.json()["error"]) == (409, "already_decided")
        assert [decision.choice for decision in decisions(db, trial)] == ["left"]

    def test_it_moves_on_to_the_next_trial(self, visitor, trial):
        visitor.decide(trial["id"])
        following = visitor.next().json()["trial"]
        assert (following["position"], following["id"] != trial["id"]) == (2, True)

    def test_somebody_elses_trial_does_not_exist(self, client, study, trial):
        other = Visitor(client, study.slug)
        other.consent()
        assert other.decide(trial["id"]).status_code == 404

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"strokes": []}, "annotation_missing"),
            ({"strokes": None}, "annotation_missing"),
            ({"strokes": [{"tool": "spray", "radius": 5, "points": [[1, 1, 0]]}]}, "bad_strokes"),
            ({"strokes": [{"tool": "brush", "radius": 5, "points": [[1e9, 1, 0]]}]}, "bad_strokes"),
            ({"strokes": [{"tool": "brush", "radius": 5, "points": [[1, 1, 0]] * 500_000}]}, "too_large"),
            ({"strokes": [{"tool": "lasso", "radius": 0, "points": ZIGZAG}]}, "bad_strokes"),
            ({"strokes": STROKES * (MAX_STROKES + 1)}, "bad_strokes"),
            ({"strokes": ["brush"]}, "bad_strokes"),
            ({"strokes": [{"tool": "eraser", "radius": 5, "points": [[20, 20, 0]]}]}, "annotation_missing"),
            ({"strokes": [{"tool": "brush", "radius": 5, "points": [[-90, 20, 0]]}]}, "annotation_missing"),
            ({"strokes": [*STROKES, {**STROKES[0], "tool": "eraser"}]}, "annotation_missing"),
            ({"choice": "both"}, "invalid"),
            ({"decision_ms": -1}, "invalid"),
            ({"events": [{"t_ms": 1}]}, "invalid"),
            ({"events": [{"kind": "hidden", "t_ms": 1}] * 501}, "invalid"),
            ({"events": [{"kind": "hidden", "t_ms": 1, "note": "x" * 33}]}, "invalid"),
            ({"events": [{"kind": "touched", "t_ms": 1, "touch": 1}]}, "invalid"),
            ({"events": [{"kind": "touched", "t_ms": 1, "touch": 1, "pen": -1}]}, "invalid"),
            ({"events": [{"kind": "touched", "t_ms": 1, "touch": 1, "pen": 0.5}]}, "invalid"),
            ({"events": [{"kind": "touched", "t_ms": 1, "touch": 1, "pen": "many"}]}, "invalid"),
            ({"events": [{"kind": "controlled", "t_ms": 1, "webdriver": 10_000_001}]}, "invalid"),
            ({"events": [{"kind": "hidden", "t_ms": 1, "deep": {"er": 1}}]}, "invalid"),
            ({"events": [{"kind": "hidden", "t_ms": 1, **{f"n{i}": i for i in range(5)}}]}, "invalid"),
            ({"surprise": 1}, "invalid"),
        ],
    )
    def test_bad_input_is_one_clear_error_and_writes_nothing(self, visitor, db, trial, changes, error):
        response = visitor.decide(trial["id"], **changes)
        assert response.json()["error"] == error
        assert response.json()["detail"]
        assert decisions(db, trial) == []

    @pytest.mark.parametrize(
        "changes",
        [
            '"events": [{"kind": NaN}]',
            '"events": [{"kind": "\\u0000"}]',
            f'"strokes": [{{"tool": "brush", "radius": 5, "points": {"[" * 900}{"]" * 900}}}]',
        ],
    )
    def test_what_only_python_calls_json_is_refused(self, client, visitor, db, trial, changes):
        answer = client.put(
            f"/api/trials/{trial['id']}/decision",
            content=f'{{"choice": "left", "decision_ms": 1, "strokes": {json.dumps(STROKES)}, {changes}}}',
            headers={**visitor.headers, "content-type": "application/json"},
        )
        assert answer.status_code == 422
        assert decisions(db, trial) == []

    def test_an_arm_that_does_not_annotate_takes_no_strokes(self, client, db):
        study = make_study(db, arms=(False,))
        visitor = Visitor(client, study.slug)
        visitor.consent()
        trial = visitor.next().json()["trial"]
        assert visitor.decide(trial["id"], strokes=STROKES).json()["error"] == "annotation_not_asked"
        assert visitor.decide(trial["id"]).status_code == 200


def lapse(db):
    db.execute(update(Participant).values(lease_expires_at=datetime.now(UTC) - timedelta(minutes=1)))
    db.commit()


class TestLease:
    def test_a_lapsed_participant_makes_room(self, client, db):
        study = make_study(db, pairs=1, judgements=1, trials=1, arms=(True,))
        leavers = [Visitor(client, study.slug) for _ in range(2)]
        assert [leaver.consent().status_code for leaver in leavers] == [201, 201]
        lapse(db)
        assert Visitor(client, study.slug).consent().status_code == 201

    def test_every_request_renews_it(self, visitor, db):
        lapse(db)
        visitor.next()
        assert db.scalars(select(Participant.lease_expires_at)).all()[-1] > datetime.now(UTC)

    @pytest.fixture
    def crowded(self, client, db):
        """One pair, one judgement: whoever comes second takes the leaver's place."""
        study = make_study(db, pairs=1, judgements=1, trials=1, arms=(True,))
        db.execute(update(Quota).where(Quota.question == "fake").values(wanted=0))
        db.commit()
        return study

    def test_a_late_decision_takes_its_place_again_when_it_is_free(self, client, db, crowded):
        late = Visitor(client, crowded.slug)
        late.consent()
        trial = late.next().json()["trial"]
        db.execute(update(Trial).where(Trial.id == trial["id"]).values(state=TrialState.RELEASED))
        db.execute(update(Quota).values(taken=0))
        db.commit()
        assert late.decide(trial["id"]).status_code == 200
        assert db.scalar(select(func.sum(Quota.taken))) == 1

    def test_a_late_decision_whose_place_is_taken_is_refused(self, client, db, crowded):
        late, quick = Visitor(client, crowded.slug), Visitor(client, crowded.slug)
        late.consent()
        trial = late.next().json()["trial"]
        lapse(db)
        quick.consent()
        quick.finish()
        assert late.decide(trial["id"]).json()["error"] == "place_given_away"
        assert decisions(db, trial) == []

    def test_who_lost_every_place_undecided_is_told_that_the_study_is_full(self, client, db, crowded):
        late, quick = Visitor(client, crowded.slug), Visitor(client, crowded.slug)
        late.consent()
        lapse(db)
        quick.consent()
        quick.finish()
        completion = late.next().json()["completion"]
        assert (completion["ending"], completion["code"]) == ("quota_full", None)

    def test_who_decided_something_before_ends_with_a_code(self, client, db):
        study = make_study(db, pairs=2, judgements=1, trials=2, arms=(True,))
        late, quick = Visitor(client, study.slug), Visitor(client, study.slug)
        late.consent()
        late.decide(late.next().json()["trial"]["id"])
        lapse(db)
        for question in ("real", "fake"):
            db.execute(update(Quota).where(Quota.question == question).values(wanted=Quota.taken))
        db.commit()
        quick.consent()
        assert late.next().json()["completion"]["code"]

    def test_who_decided_more_than_their_share_is_done(self, client, db):
        study = make_study(db, trials=3, arms=(True,))
        visitor = Visitor(client, study.slug)
        visitor.consent()
        first, second, third = (answer["id"] for answer in both(visitor.next().json()))
        for decided in (first, second):
            visitor.decide(decided)
        # What two late decisions leave behind: more trials than the study asks for, and one given away.
        db.execute(update(Trial).where(Trial.id == third).values(state=TrialState.RELEASED))
        db.execute(update(Study).where(Study.id == study.id).values(trials_per_participant=1))
        db.commit()
        assert visitor.next().json()["completion"]["code"]


def both(answer):
    return [answer["trial"], *answer["upcoming"]]


@pytest.fixture
def closed(db, study):
    """Close the study in the middle of a visit."""

    def close():
        close_study(db, study)
        db.commit()

    return close


class TestClosing:
    def test_a_closed_study_takes_no_decision(self, visitor, db, trial, closed):
        closed()
        response = visitor.decide(trial["id"])
        assert (response.status_code, response.json()["error"]) == (409, "study_not_open")
        assert decisions(db, trial) == []

    def test_a_decision_that_it_had_before_is_known_again(self, visitor, trial, closed):
        visitor.decide(trial["id"])
        closed()
        assert visitor.decide(trial["id"]).status_code == 200
        assert visitor.decide(trial["id"], choice="right").json()["error"] == "already_decided"

    def test_a_place_that_lapsed_is_not_taken_again(self, visitor, db, trial, closed):
        db.execute(update(Trial).where(Trial.id == trial["id"]).values(state=TrialState.RELEASED))
        closed()
        assert visitor.decide(trial["id"]).json()["error"] == "study_not_open"

    def test_one_that_closes_while_a_decision_is_looked_at_takes_it_no_more(self, visitor, db, study, trial):
        """The request read that the study is open; the statement that writes sees that it is not."""
        person = db.get_one(Participant, visitor.participant)
        visit = Visit(person, study, db.get_one(Arm, person.arm_id))
        closing = update(Study).where(Study.id == study.id).values(state=StudyState.CLOSED)
        db.execute(closing.execution_options(synchronize_session=False))
        body = DecisionBody(choice="left", decision_ms=1, annotation_ms=1, strokes=STROKES)
        with pytest.raises(StudyNotOpen):
            record_decision(db, visit, plan_of(study), UUID(trial["id"]), body)
        assert decisions(db, trial) == []

    def test_another_study_goes_on(self, client, db, closed):
        other = Visitor(client, make_study(db, arms=(True,)).slug)
        other.consent()
        closed()
        assert other.decide(other.next().json()["trial"]["id"]).status_code == 200

    def test_who_worked_has_a_code_and_may_still_withdraw(self, visitor, db, trial, closed):
        visitor.decide(trial["id"])
        closed()
        assert visitor.next().json()["completion"]["code"]
        assert visitor.withdraw().status_code == 200
        assert decisions(db, trial) == []

    def test_a_paused_study_lets_whoever_is_in_finish(self, client, visitor, db, study):
        pause_study(db, study)
        db.commit()
        assert visitor.finish()["completion"]["ending"] == "finished"
        assert Visitor(client, study.slug).consent().json()["error"] == "study_not_open"

    def test_in_a_paused_study_places_that_lapsed_come_back(self, visitor, db, study, trial):
        mine = Trial.participant_id == visitor.participant
        db.execute(update(Trial).where(mine).values(state=TrialState.RELEASED))
        db.execute(update(Quota).values(taken=0))
        pause_study(db, study)
        db.commit()
        assert visitor.finish()["completion"]["ending"] == "finished"


class TestRefusedDecisions:
    def test_they_are_looked_at_only_so_often(self, client, study, visitor, trial, monkeypatch):
        monkeypatch.setattr(routes, "REFUSED", RateLimit("2 per minute", "Too many."))
        answers = [visitor.decide(trial["id"], strokes=[]).status_code for _ in range(3)]
        assert answers == [422, 422, 429]
        assert visitor.decide(trial["id"]).status_code == 200
        other = Visitor(client, study.slug)
        other.consent()
        assert other.decide(trial["id"]).status_code == 404


class TestWithdrawal:
    def test_it_removes_what_was_recorded_and_gives_the_places_back(self, client, db, visitor, study):
        visitor.finish()
        assert client.post("/api/participant/withdraw", headers=visitor.headers).status_code == 200
        assert db.scalars(select(Trial).where(Trial.participant_id == visitor.participant)).all() == []
        assert db.scalar(select(func.sum(Quota.taken))) == 0

    def test_it_marks_maps_stale(self, client, db, visitor, study):
        db.add(MapSet(study_id=study.id, version=1, parameters={}))
        db.commit()
        visitor.finish()
        client.post("/api/participant/withdraw", headers=visitor.headers)
        db.expire_all()
        assert db.scalar(select(MapSet.stale))

    def test_who_painted_nothing_makes_nothing_stale(self, client, db, visitor, study):
        db.add(MapSet(study_id=study.id, version=1, parameters={}))
        db.commit()
        client.post("/api/participant/withdraw", headers=visitor.headers)
        db.expire_all()
        assert db.scalar(select(MapSet.stale)) is False

    def test_the_link_is_dead_afterwards(self, client, visitor):
        client.post("/api/participant/withdraw", headers=visitor.headers)
        assert visitor.next().status_code == 401


class TestBodyHash:
    """It is on record with each decision, so it stays what it is."""

    @pytest.mark.parametrize(
        ("changes", "digest"),
        [
            ({}, "f14afbf35cee27522251153c05a71dc59da2e2b0a9f98b590a79c3fca308a8d4"),
            (
                {
                    "choice": "left",
                    "decision_ms": 4210.5,
                    "annotation_ms": 8300,
                    "events": [
                        {"kind": "choose", "t_ms": 12, "side": "left"},
                        {"kind": "loaded", "t_ms": 0, "load_ms": 3.25},
                    ],
                    "strokes": [
                        {
                            "radius": 12,
                            "tool": "brush",
                            "points": [[201.5, 188.2, 5120], [203, 190.0, 5136.25]],
                        }
                    ],
                },
                "065abdb1e994ea328e97fbf3017916ec6ffe90bc17d6d7fca05c37bab5ee7765",
            ),
        ],
        ids=["without strokes", "with strokes"],
    )
    def test_it_is_the_same_in_every_version(self, changes, digest):
        assert (
            body_hash(DecisionBody.model_validate({"choice": "right", "decision_ms": 1} | changes)) == digest
        )
