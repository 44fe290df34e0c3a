"""Many participants at once, over a database of their own: what no rolled-back transaction can show."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from time import sleep
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update

from app.deps import Visit
from app.errors import NotAParticipant
from app.models import Arm, Decision, Pair, Participant, Quota, Trial, TrialState
from app.recruitment.assignment import lock_study
from app.studies.places import release_lapsed
from app.studies.plan import plan_of
from app.trials.service import proceed
from tests.conftest import database_of
from tests.support.factories import SESSION_HOLDER
from tests.support.worlds import Visitor, make_study

CROWD = 24


@pytest.fixture
def world(own_database, application):
    with opened(own_database, application) as world:
        yield world


@contextmanager
def opened(database, application):
    """Its application, a study and its sessions."""
    settings, sessions = database
    with sessions() as session:
        SESSION_HOLDER["session"] = session
        study = make_study(session, pairs=6, judgements=3, trials=4)
        with TestClient(application(settings, sessions)) as client:
            yield client, study, sessions


def at_once(work, times):
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


def take_part(client, study):
    visitor = Visitor(client, study.slug)
    return visitor.finish() if visitor.consent().is_success else None


@pytest.fixture(scope="module")
def outcome(new_database, tmp_path_factory, application):
    """What a crowd left behind; the tests only look at it."""
    folder = tmp_path_factory.mktemp("crowd")
    with (
        database_of(new_database(), folder) as database,
        opened(database, application) as (client, study, sessions),
    ):
        at_once(lambda _: take_part(client, study), CROWD)
        with sessions() as session:
            yield study, session


class TestManyParticipantsAtOnce:
    def test_no_pair_and_question_gets_more_judgements_than_it_wants(self, outcome):
        study, session = outcome
        judged = session.execute(
            select(Participant.arm_id, Trial.pair_id, Trial.question, func.count())
            .join_from(Decision, Trial)
            .join(Participant)
            .group_by(Participant.arm_id, Trial.pair_id, Trial.question)
        ).all()
        assert max(row.count for row in judged) == study.judgements

    def test_the_study_fills_completely(self, outcome):
        _, session = outcome
        wanted = session.scalar(select(func.sum(Quota.wanted)))
        assert session.scalar(select(func.count()).select_from(Decision)) == wanted

    def test_taken_places_equal_decided_trials(self, outcome):
        _, session = outcome
        decided = session.scalar(
            select(func.count()).select_from(Trial).where(Trial.state == TrialState.DECIDED)
        )
        assert session.scalar(select(func.sum(Quota.taken))) == decided

    def test_arms_are_balanced(self, outcome):
        _, session = outcome
        sizes = session.scalars(select(func.count()).join_from(Participant, Arm).group_by(Arm.id)).all()
        assert max(sizes) - min(sizes) <= 1

    def test_nobody_met_a_pair_twice(self, outcome):
        _, session = outcome
        met = Counter(session.execute(select(Trial.participant_id, Trial.pair_id)).all())
        assert max(met.values()) == 1
        assert session.scalar(select(func.count()).select_from(Pair)) == 6


class TestOnePersonManyTimesAtOnce:
    def test_one_worker_id_is_one_participant(self, world):
        client, study, sessions = world
        worker = {"source": "mturk", "external_id": "W1", "assignment_id": "A1"}
        answers = at_once(lambda _: Visitor(client, study.slug).consent(**worker), 12)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 11}
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Participant)) == 1

    def test_two_different_decisions_at_once_leave_one(self, world):
        client, study, sessions = world
        visitor = Visitor(client, study.slug)
        visitor.consent()
        trial = visitor.next().json()["trial"]["id"]
        answers = at_once(lambda n: visitor.decide(trial, decision_ms=float(n)), 12)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 11}
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Decision)) == 1

    def test_the_same_decision_at_once_is_one_decision_and_twelve_acknowledgements(self, world):
        client, study, sessions = world
        visitor = Visitor(client, study.slug)
        visitor.consent()
        trial = visitor.next().json()["trial"]["id"]
        answers = at_once(lambda _: visitor.decide(trial), 12)
        assert {answer.status_code for answer in answers} == {200}
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Decision)) == 1


class TestACrowdLargerThanTheConnections:
    def test_everyone_is_answered(self, world):
        client, study, _ = world

        def arrive(_):
            visitor = Visitor(client, study.slug)
            return visitor.consent().status_code, visitor.next().status_code

        assert {code for code, _ in at_once(arrive, 60)} == {201, 409}


class TestTwoPagesOfOneParticipant:
    @pytest.fixture
    def returned(self, world):
        """Somebody whose places were all given back, with a session of ours beside their requests."""
        client, study, sessions = world
        visitor = Visitor(client, study.slug)
        visitor.consent()
        with sessions.begin() as session:
            session.execute(update(Participant).values(lease_expires_at=func.now() - timedelta(hours=1)))
            lock_study(session, study.id)
            release_lapsed(session, study.id)
        with sessions() as session:
            yield visitor, study, session

    def test_one_that_asks_while_the_other_withdraws_does_not_undo_it(self, returned):
        visitor, study, session = returned
        person = session.get_one(Participant, UUID(visitor.participant))
        session.commit()
        stale = Visit(person, study, session.get_one(Arm, person.arm_id))
        visitor.client.post("/api/participant/withdraw", headers=visitor.headers)
        with pytest.raises(NotAParticipant):
            proceed(session, stale, plan_of(study))
        session.rollback()
        assert session.get_one(Participant, person.id, populate_existing=True).state == "withdrawn"

    def test_one_that_waits_for_the_study_holds_nothing_that_the_other_needs(self, returned):
        visitor, study, session = returned
        lock_study(session, study.id)
        session.execute(text("SET LOCAL lock_timeout = '5s'"))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(visitor.next)
            while not answer.done() and not session.scalar(waiting):
                sleep(0.02)
            session.execute(update(Participant).values(lease_expires_at=func.now()))
            session.commit()
            assert answer.result().json()["trial"]
