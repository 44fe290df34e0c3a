"""Simulated participants against the real application."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest
import uvicorn
from sqlalchemy import func, select

from app.demo.answers import KnownAnswer, answer_key
from app.demo.crowd import CrowdReport, admit_simulated, leave, real_participants, simulate
from app.demo.people import Person, invent_person
from app.demo.rule import paint_by
from app.demo.visit import Refused, send, take_part
from app.errors import AnnotationTooSmall, NotFound, Unavailable, WrongState
from app.main import create_app
from app.models import (
    Annotation,
    Decision,
    Image,
    Participant,
    Quota,
    Source,
    Stroke,
    Study,
    StudyState,
    Trial,
)
from app.storage import BlobStore
from app.studies.schemas import StudySpec
from app.studies.service import create_study, open_study
from tests.support.factories import ImageFactory, ParticipantFactory
from tests.support.worlds import make_study


def person(*, quits_after: float | None = None) -> Person:
    return dataclasses.replace(invent_person(0, 1), quits_after=quits_after)


def with_pictures(db, blobs: BlobStore) -> None:
    for image in db.scalars(select(Image)):
        image.display_hash = blobs.put(b"\xff\xd8 a picture")
    db.commit()


def count(db, table: type) -> int:
    return db.scalar(select(func.count()).select_from(table))


class TestTakePart:
    def test_a_person_decides_every_trial_and_finishes(self, client, db, study, key):
        outcome = take_part(client, study.slug, person(), key=key, external_id="s-1")
        assert (outcome.decided, outcome.ending) == (4, "finished")

    def test_whoever_takes_part_is_recorded_as_simulated(self, client, db, study, key):
        take_part(client, study.slug, person(), key=key, external_id="s-1")
        participant = db.scalar(select(Participant).where(Participant.study_id == study.id))
        assert participant.is_simulated
        assert participant.client["simulated"] is True

    def test_strokes_arrive_as_they_were_painted(self, client, db, study, key):
        take_part(client, study.slug, person(), key=key, external_id="s-1")
        assert count(db, Annotation) == 4
        assert all(len(stroke.points[0]) == 3 for stroke in db.scalars(select(Stroke)))

    def test_somebody_who_drops_out_leaves_trials_undecided(self, client, db, study, key):
        outcome = take_part(client, study.slug, person(quits_after=0.5), key=key, external_id="s-1")
        assert (outcome.decided, outcome.ending) == (2, "dropped_out")
        assert (count(db, Decision), count(db, Trial)) == (2, 4)

    def test_a_full_study_turns_them_away(self, client, db, study, key):
        endings = [
            take_part(client, study.slug, person(), key=key, external_id=f"s-{n}").ending for n in range(8)
        ]
        assert set(endings) == {"finished", "quota_full"}

    def test_a_study_that_takes_no_simulated_people_is_a_failure(self, client, db, blobs, key):
        closed_to_programs = make_study(db, arms=(True,))
        with pytest.raises(Refused, match="does not accept simulated"):
            take_part(client, closed_to_programs.slug, person(), key=key, external_id="s-1")

    def test_a_server_on_another_database_is_noticed(self, client, study, own_database):
        elsewhere = answer_key(own_database[1], {})
        with pytest.raises(NotFound, match="another database"):
            take_part(client, study.slug, person(), key=elsewhere, external_id="s-1")


class TestEveryStep:
    """A study with everything that can be described."""

    @pytest.fixture
    def whole(self, db, blobs) -> Study:
        for n in range(12):
            db.add(ImageFactory.build(label="real", original_name=f"real{n}.png"))
            db.add(ImageFactory.build(label="fake", original_name=f"fake{n}.png"))
        db.commit()
        described = {
            "slug": "whole",
            "title": "Everything",
            "trials_per_participant": 5,
            "judgements": 9,
            "accepts_simulated": True,
            "arms": [{"name": "helped", "annotate": True, "advice": "decision"}],
            "pairs": {"per_source": 6},
            "practice": {"count": 2},
            "quiz": {
                "attempts": 3,
                "questions": [{"text": "Which?", "options": ["This", "That", "Both"], "answer": 3}],
            },
            "checks": {
                "max_failed": 0,
                "pairs": [{"real": "real0.png", "fake": "fake0.png"}],
                "regions": [
                    {"image": "real1.png", "prompt": "The eye.", "region": [[9, 9], [40, 9], [40, 40]]}
                ],
            },
            "questions": [
                {"id": "age", "text": "Age?", "kind": "choice", "options": ["1", "2"], "required": True},
                {"id": "more", "text": "More?", "kind": "text"},
            ],
            "advice": {
                "listed": [
                    {"image": f"{kind}{n}.png", "score": 0.5} for kind in ("real", "fake") for n in range(12)
                ]
            },
        }
        made = create_study(db, StudySpec.model_validate(described))
        db.commit()
        open_study(db, made)
        with_pictures(db, blobs)
        return made

    @pytest.fixture
    def people(self) -> list[Person]:
        """Two who are always right, and two who never are: whatever trials the server gives them."""
        sure = {True: {"skill": 99.0, "attention": 1.0}, False: {"skill": -99.0, "attention": 0.0}}
        return [
            dataclasses.replace(invent_person(0, number), quits_after=None, **sure[number < 2])
            for number in range(4)
        ]

    def test_simulated_people_pass_through_all_of_them(self, client, db, whole, people, key):
        outcomes = [
            take_part(client, whole.slug, one, key=key, external_id=f"s-{one.number}") for one in people
        ]
        assert [outcome.ending for outcome in outcomes] == ["finished", "finished", *["screened_out"] * 2]
        assert {outcome.decided for outcome in outcomes if outcome.has_finished} == {7}
        finished = db.scalars(select(Participant).where(Participant.finished_at.is_not(None))).all()
        assert all(one.answers["more"] == "simulated" and one.device["passed"] for one in finished)
        kinds = db.execute(select(Trial.kind, func.count()).join(Decision).group_by(Trial.kind)).all()
        assert {kind for kind, _ in kinds} == {"practice", "main", "check"}


class TestSend:
    def test_it_tries_again_while_the_server_is_away(self):
        answers = iter([httpx2.Response(503), httpx2.ConnectError("gone"), httpx2.Response(200)])
        assert send(client_that_answers(answers), "GET", "/x", waits=(0, 0, 0)).status_code == 200

    def test_it_gives_up_in_the_end(self):
        answers = iter([httpx2.Response(503)] * 3)
        with pytest.raises(Unavailable, match="answers 503"):
            send(client_that_answers(answers), "GET", "/x", waits=(0, 0))


def client_that_answers(answers: Iterator) -> httpx2.Client:
    def handle(_request: httpx2.Request) -> httpx2.Response:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx2.Client(base_url="http://test", transport=httpx2.MockTransport(handle))


class TestAdmitSimulated:
    def test_a_study_without_people_lets_programs_in(self, db):
        study = make_study(db)
        admit_simulated(db, study, mix=False)
        assert study.accepts_simulated

    def test_a_study_with_people_does_not(self, db, noise):
        study = with_a_person(db)
        with pytest.raises(WrongState, match="1 real participants"):
            admit_simulated(db, study, mix=False)
        assert not study.accepts_simulated

    def test_unless_they_are_to_be_mixed(self, db):
        study = with_a_person(db)
        admit_simulated(db, study, mix=True)
        assert study.accepts_simulated

    def test_simulated_people_are_no_people(self, db):
        study = make_study(db)
        ParticipantFactory(study_id=study.id, source=Source.SIMULATED)
        assert real_participants(db, study) == 0

    def test_a_draft_must_be_opened_first(self, db):
        with pytest.raises(WrongState, match="cyborg study open"):
            admit_simulated(db, make_study(db, state=StudyState.DRAFT), mix=False)


def with_a_person(db) -> Study:
    study = make_study(db)
    ParticipantFactory(study_id=study.id, source=Source.LINK)
    return study


class TestCrowd:
    def test_many_at_once_never_take_more_than_is_wanted(self, own_server, own_sessions):
        key = answer_key(own_sessions, {})
        seen: list[int] = []
        report = simulate(
            own_server,
            "crowd",
            participants=9,
            seed=4,
            key=key,
            sessions=own_sessions,
            on_decision=lambda: seen.append(1),
        )
        with own_sessions() as session:
            recorded = count(session, Decision)
        # 6 pairs x 2 questions x 2 judgements x 2 arms
        assert report.decided == recorded == len(seen) <= 48
        assert report.turned_away == 0

    def test_a_study_that_takes_nobody_is_a_failure(self, crowd, own_sessions):
        with own_sessions.begin() as session:
            session.scalar(select(Study)).state = StudyState.PAUSED
        with pytest.raises(WrongState, match="took none"):
            crowd()

    def test_a_failure_of_one_is_told_and_ends_nobody_else(self, crowd, own_sessions):
        broken: list[object] = []

        def forgetful(trial: UUID) -> KnownAnswer:
            if not broken or broken == [trial]:
                broken.append(trial)
                raise ValueError("no idea")
            return answer_key(own_sessions, {})(trial)

        report = crowd(key=forgetful)
        assert report.as_json()["failed"] == 1
        assert report.count("finished") + report.count("dropped_out") == 2
        assert report.sentence().endswith(" 1 could not go on: 1 because “ValueError: no idea”.")

    def test_a_refusal_of_one_is_told_and_ends_nobody_else(self, crowd, own_sessions, monkeypatch):
        with own_sessions.begin() as session:
            session.scalar(select(Study)).min_area = 0.01
        dab = {"tool": "brush", "radius": 0.5, "points": [[9.0, 9.0, 200_000.0]]}
        first = iter([[dab]])  # who paints first paints too little
        monkeypatch.setattr(
            "app.demo.people.paint_by", lambda *a, **k: next(first, None) or paint_by(*a, **k)
        )
        report = crowd(threads=1)
        assert (report.count("refused"), report.count("finished", "dropped_out")) == (1, 2)
        assert report.sentence().endswith(f" 1 could not go on: 1 because “{AnnotationTooSmall.__doc__}”.")

    def test_a_failure_that_all_would_meet_keeps_the_others_away(self, crowd):
        def elsewhere(_trial: UUID) -> KnownAnswer:
            raise NotFound("The server uses another database.")

        with pytest.raises(WrongState, match="took none of the simulated participants: The server uses"):
            crowd(key=elsewhere, threads=1)

    def test_whoever_does_not_finish_gives_the_places_back(self, crowd, own_sessions):
        def forgetful(_trial: UUID) -> KnownAnswer:
            raise ValueError("no idea")

        with pytest.raises(WrongState, match="no idea"):
            crowd(key=forgetful)
        with own_sessions() as session:
            assert count(session, Participant) == 3
            assert session.scalar(select(func.sum(Quota.taken))) == 0

    def test_so_does_somebody_who_drops_out(self, crowd, own_sessions, monkeypatch):
        monkeypatch.setattr("app.demo.people.DROPOUT_SHARE", 1.0)
        report = crowd()
        assert report.count("dropped_out") == 3
        with own_sessions() as session:
            assert session.scalar(select(func.sum(Quota.taken))) == report.decided == count(session, Decision)

    def test_places_of_others_stay_theirs(self, crowd, own_sessions):
        crowd(participants=1)
        with own_sessions.begin() as session:
            taken = session.scalar(select(func.sum(Quota.taken)))
            leave(session, "crowd", "another crowd")
            assert session.scalar(select(func.sum(Quota.taken))) == taken


@pytest.fixture
def study(db, blobs) -> Study:
    made = make_study(db, arms=(True,), accepts_simulated=True)
    with_pictures(db, blobs)
    return made


@pytest.fixture
def key(session_factory):
    return answer_key(session_factory, {})


@pytest.fixture
def own_sessions(own_database):
    return own_database[1]


@pytest.fixture
def own_server(own_database) -> Iterator[str]:
    """A real server on a real port, with a study that takes simulated participants."""
    from tests.support import factories

    settings, sessions = own_database
    with sessions() as session:
        factories.SESSION_HOLDER["session"] = session
        make_study(session, slug="crowd", accepts_simulated=True)
        with_pictures(session, BlobStore(settings.blobs_url))
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def crowd(own_server, own_sessions):
    """Three simulated participants of the study on the server."""

    def run(**options) -> CrowdReport:
        usual = {"participants": 3, "seed": 4, "key": answer_key(own_sessions, {}), "sessions": own_sessions}
        return simulate(own_server, "crowd", **{**usual, **options})

    return run
