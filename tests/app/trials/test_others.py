"""What one participant does touches nothing of anybody else's, whatever it is that they do."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, text, update
from sqlalchemy.orm import Session

from app.models import MapSet, Participant, Study
from app.quality.service import check_participant
from app.recruitment.service import return_link
from tests.app.trials.test_visit import (
    CHECKS,
    DRAFT,
    QUESTIONS,
    QUIZ,
    REPORT,
    RIGHT,
    WRONG,
    answer_quiz,
    consenting,
    decide_all,
    post,
    studies_over_faces,
)
from tests.conftest import database_of, transaction_sessions
from tests.support.worlds import Visitor

WORSE = {"q1": 2, "q2": 3}
ARMS = [{"name": "paint", "annotate": True}, {"name": "look", "annotate": False}]
ME = {"source": "prolific", "external_id": "P-me", "assignment_id": "s-me"}


def looks(db, me):
    me.next()


def reports(db, me):
    post(me, "device", REPORT)


def draws(db, me):
    answer_quiz(me, RIGHT)
    trial = me.next().json()["trial"]["id"]
    me.client.put(f"/api/trials/{trial}/draft", json={"draft": DRAFT}, headers=me.headers)


def fails_the_quiz(db, me):
    assert me.next().json()["step"]["attempts_left"] == QUIZ["attempts"]
    answer_quiz(me, WRONG)
    assert answer_quiz(me, WORSE).json()["attempts_left"] == 0


def fails_a_check(db, me):
    answer_quiz(me, RIGHT)
    assert decide_all(db, me, fail_checks=True)["completion"]["ending"] == "screened_out"


def finishes(db, me):
    answer_quiz(me, RIGHT)
    decide_all(db, me)
    post(me, "answers", {"answers": {"age": "40+"}})
    assert me.next().json()["completion"]["ending"] == "finished"


def loses_their_places(db, me):
    mine = Participant.id == me.participant
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    db.execute(update(Participant).where(mine).values(lease_expires_at=long_ago))
    db.commit()
    Visitor(me.client, me.study).consent(consent_version=me.page()["consent_version"])


def comes_back_after_their_places_went(db, me):
    answer_quiz(me, RIGHT)
    me.decide(me.next().json()["trial"]["id"])
    loses_their_places(db, me)
    decide_all(db, me)


def withdraws_after_their_places_went(db, me):
    loses_their_places(db, me)
    assert me.withdraw().status_code == 200


def returns_by_a_link(db, me):
    code = return_link(db, db.get_one(Participant, me.participant)).partition("#r=")[2]
    db.commit()
    assert me.client.post("/api/participant/return", json={"code": code}).status_code == 200


def opens_it_in_many_browsers(db, me):
    version = me.page()["consent_version"]
    for _ in range(25):
        assert me.consent(**ME, consent_version=version).status_code == 200


def is_checked(db, me):
    finishes(db, me)
    check_participant(db, db.get_one(Participant, me.participant).id)
    db.commit()


def withdraws(db, me):
    finishes(db, me)
    assert me.withdraw().status_code == 200


def withdraws_at_once(db, me):
    assert me.withdraw().status_code == 200


@pytest.mark.parametrize(
    "act",
    [
        looks,
        reports,
        draws,
        fails_the_quiz,
        fails_a_check,
        finishes,
        comes_back_after_their_places_went,
        returns_by_a_link,
        opens_it_in_many_browsers,
        is_checked,
        withdraws,
        withdraws_at_once,
        withdraws_after_their_places_went,
    ],
)
class TestOthers:
    def test_what_they_did_and_hold_is_as_it_was(self, undone, me, act):
        before = kept(undone)
        act(undone.db, me)
        assert kept(undone) == before
        assert undone.db.execute(text(MISCOUNTED)).all() == []


# A row of somebody's, whatever table it is in: by their id, their study's, their trial's or their decision's.
KEPT = """
    SELECT 'participant', p::text FROM participant p WHERE id = ANY(:people)
    UNION ALL SELECT 'token', t::text FROM participant_token t WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'identity', w::text FROM worker_identity w WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'attempt', a::text FROM quiz_attempt a WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'flag', f::text FROM quality_flag f WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'trial', t::text FROM trial t WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'decision', d::text FROM decision d JOIN trial t ON t.id = trial_id
        WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'stroke', s::text FROM stroke s JOIN annotation a ON a.id = annotation_id
        JOIN decision d ON d.id = decision_id JOIN trial t ON t.id = trial_id
        WHERE participant_id = ANY(:people)
    UNION ALL SELECT 'place', q::text FROM quota q JOIN arm ON arm.id = arm_id WHERE study_id <> :study
    UNION ALL SELECT 'map set', m::text FROM map_set m WHERE study_id <> :study
    ORDER BY 1, 2
"""

MISCOUNTED = """
    SELECT q.*, held.places FROM quota q CROSS JOIN LATERAL (
        SELECT count(*) AS places FROM trial t JOIN participant p ON p.id = t.participant_id
        WHERE p.arm_id = q.arm_id AND t.pair_id = q.pair_id AND t.question = q.question AND t.kind = 'main'
            AND t.state <> 'released' AND p.state <> 'screened_out') held
    WHERE q.taken <> held.places
"""


def kept(scene):
    chosen = {"study": scene.study.id, "people": scene.people}
    return [tuple(row) for row in scene.db.execute(text(KEPT), chosen)]


@dataclass
class Scene:
    """Two studies at work, and the transaction that they are in."""

    connection: Connection
    db: Session
    client: TestClient
    study: Study
    people: list[UUID]


@pytest.fixture(scope="module")
def scene(new_database, tmp_path_factory, application):
    """Three in this study and three in another: some decided everything, some are at work. Both have maps."""
    folder = tmp_path_factory.mktemp("others")
    with (
        database_of(new_database(), folder) as (settings, sessions),
        sessions.kw["bind"].connect() as connection,
        connection.begin(),
        transaction_sessions(connection)() as db,
        TestClient(application(settings, transaction_sessions(connection))) as client,
    ):
        make = studies_over_faces(db)
        described = {"quiz": QUIZ, "practice": {"count": 1}, "checks": CHECKS, "arms": ARMS}
        study = make(questions=QUESTIONS, **described)
        elsewhere = make(slug="elsewhere", **described)
        people = busy_people(db, client, study, elsewhere)
        db.add_all(MapSet(study_id=where.id, version=1, parameters={}) for where in (study, elsewhere))
        db.commit()
        yield Scene(connection, db, client, study, people)


def busy_people(db, client, *studies):
    """Ids of three in each study."""
    visitors = [
        consenting(
            client, where, source="prolific", external_id=f"P-{n}", assignment_id=f"s-{n}", website="x"
        )
        for where in studies
        for n in range(3)
    ]
    for visitor in visitors:
        answer_quiz(visitor, WRONG)
        answer_quiz(visitor, RIGHT)
    for visitor in visitors[::2]:
        decide_all(db, visitor)
    for visitor in visitors[1::2]:
        visitor.decide(visitor.next().json()["trial"]["id"])
        draws(db, visitor)
    return [UUID(one.participant) for one in visitors]


@pytest.fixture
def undone(scene):
    """Whatever a test does has not happened for the next one."""
    with scene.connection.begin_nested() as point:
        yield scene
        scene.db.rollback()
        point.rollback()
    scene.db.expire_all()
    scene.client.cookies.clear()


@pytest.fixture
def me(undone):
    return consenting(undone.client, undone.study, **ME)
