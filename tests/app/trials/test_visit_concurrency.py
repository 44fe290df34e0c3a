"""Two pages of one participant at once, over a database of their own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.deps import Visit
from app.errors import NotAParticipant
from app.models import (
    Arm,
    Decision,
    Image,
    Label,
    Participant,
    QualityFlag,
    QuizAttempt,
    Quota,
    Study,
    Trial,
    TrialKind,
)
from app.quality.service import check_participant
from app.recruitment.service import withdraw
from app.studies.schemas import StudySpec
from app.studies.service import create_study, open_study
from app.trials.forms import save_device
from app.trials.schemas import DeviceBody
from tests.support.factories import ImageFactory
from tests.support.worlds import Visitor

AT_ONCE = 8

QUESTION = {"text": "Which?", "options": ["1", "2", "3", "4"], "answer": 1}
AGE = {"id": "age", "text": "Age?", "kind": "text"}


def at_once(work, times=AT_ONCE):
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


@pytest.fixture
def world(own_database, application):
    """Opens a study and lets somebody consent to it; returns them with the sessions."""
    settings, sessions = own_database
    with TestClient(application(settings, sessions)) as client:

        def opened(**described):
            with sessions.begin() as session:
                for n in range(10):
                    session.add(ImageFactory.build(label=Label.REAL, original_name=f"real{n}.png"))
                    session.add(ImageFactory.build(label=Label.FAKE, original_name=f"fake{n}.png"))
                session.flush()
                defaults = {
                    "slug": "visit",
                    "title": "T",
                    "consent": "I agree.",
                    "trials_per_participant": 4,
                    "judgements": 2,
                    "arms": [{"name": "look", "annotate": False}],
                    "pairs": {"per_source": 6},
                }
                study = open_study(
                    session, create_study(session, StudySpec.model_validate(defaults | described))
                )
            visitor = Visitor(client, study.slug)
            assert visitor.consent(consent_version=study.consent_version).status_code == 201
            return visitor, study, sessions

        yield opened


def post(visitor, what, body):
    return visitor.client.post(f"/api/participant/{what}", json=body, headers=visitor.headers)


def count(session, table):
    return session.scalar(select(func.count()).select_from(table))


class TestQuiz:
    def test_the_same_attempt_from_many_pages_is_one(self, world):
        visitor, _, sessions = world(quiz={"questions": [QUESTION]})
        answers = at_once(lambda _: post(visitor, "quiz", {"answers": {"q1": 2}}).json())
        assert answers == [{"passed": False, "wrong": ["q1"], "attempts_left": 2}] * AT_ONCE
        with sessions() as session:
            assert count(session, QuizAttempt) == 1

    def test_different_attempts_at_once_never_exceed_what_is_allowed(self, world):
        visitor, _, sessions = world(quiz={"attempts": 3, "questions": [QUESTION]})
        answers = at_once(lambda n: post(visitor, "quiz", {"answers": {"q1": 2 + n % 3}}))
        assert {answer.status_code for answer in answers} <= {200, 409}
        with sessions() as session:
            assert count(session, QuizAttempt) == 3
            assert session.scalar(select(Participant.state)) == "screened_out"
            assert session.scalar(select(func.sum(Quota.taken))) == 0


class TestClosingQuestions:
    @pytest.fixture
    def done(self, world):
        visitor, _, sessions = world(questions=[AGE])
        while "trial" in (answer := visitor.next().json()):
            visitor.decide(answer["trial"]["id"])
        return visitor, sessions

    def test_the_same_answers_from_many_pages_are_saved_once(self, done):
        visitor, _ = done
        answers = at_once(lambda _: post(visitor, "answers", {"answers": {"age": "9"}}).status_code)
        assert answers == [200] * AT_ONCE
        assert len({visitor.next().json()["completion"]["code"] for _ in range(2)}) == 1

    def test_of_different_ones_the_first_stays(self, done):
        visitor, sessions = done
        answers = at_once(lambda n: post(visitor, "answers", {"answers": {"age": str(n)}}).status_code)
        assert Counter(answers) == {200: 1, 409: AT_ONCE - 1}
        with sessions() as session:
            assert session.scalar(select(Participant.answers))["age"].isdigit()


class TestOneTrialInManyPages:
    def test_a_practice_trial_teaches_everybody_the_same(self, world):
        visitor, _, sessions = world(practice={"count": 1})
        trial = visitor.next().json()["trial"]["id"]
        answers = at_once(lambda _: visitor.decide(trial).json())
        assert len({str(answer) for answer in answers}) == 1
        assert answers[0]["feedback"]["fake"] in ("left", "right")
        with sessions() as session:
            assert count(session, Decision) == 1

    def test_every_page_that_asks_at_the_end_is_given_one_code(self, world):
        visitor, _, _ = world()
        trials = []
        while "trial" in (answer := visitor.next().json()):
            trials.append(answer["trial"]["id"])
            if len(trials) == 4:
                break
            visitor.decide(trials[-1])

        def last(number):
            visitor.decide(trials[-1])
            return visitor.next().json()["completion"]["code"]

        assert len(set(at_once(last))) == 1


class TestScreenedOutWhileDeciding:
    @pytest.mark.parametrize("attempt", range(4))
    def test_no_place_is_lost_or_given_back_twice(self, world, attempt):
        checks = {"max_failed": 0, "pairs": [{"real": "real0.png", "fake": "fake0.png"}]}
        visitor, study, sessions = world(checks=checks)
        other = Visitor(visitor.client, study.slug)
        assert other.consent(consent_version=study.consent_version).status_code == 201
        with sessions() as session:
            own = (Trial.participant_id == visitor.participant, Trial.kind == TrialKind.MAIN)
            bodies = [(str(trial), "left") for trial in session.scalars(select(Trial.id).where(*own))]
            check = session.scalars(
                select(Trial).where(
                    Trial.kind == TrialKind.CHECK, Trial.participant_id == visitor.participant
                )
            ).one()
            left = session.get_one(Image, check.left_image_id).label
            wrong = "right" if left.value == check.question.value else "left"
        bodies.insert(attempt, (str(check.id), wrong))
        answers = at_once(
            lambda n: visitor.decide(bodies[n][0], choice=bodies[n][1]).status_code, len(bodies)
        )
        assert set(answers) <= {200, 409, 503}
        assert visitor.next().json()["completion"]["ending"] == "screened_out"
        with sessions() as session:
            held = select(func.count()).where(
                Trial.participant_id == other.participant, Trial.kind == TrialKind.MAIN
            )
            assert session.scalar(select(func.sum(Quota.taken))) == session.scalar(held) == 4

    def test_two_checks_failed_at_once_end_the_visit_once(self, world):
        pairs = [{"real": f"real{n}.png", "fake": f"fake{n}.png"} for n in range(2)]
        visitor, _, sessions = world(checks={"max_failed": 1, "pairs": pairs})
        with sessions() as session:
            checks = session.scalars(select(Trial).where(Trial.kind == TrialKind.CHECK)).all()
            wrong = {}
            for check in checks:
                left = session.get_one(Image, check.left_image_id).label
                wrong[str(check.id)] = "right" if left.value == check.question.value else "left"
        answers = at_once(lambda n: visitor.decide(list(wrong)[n], choice=list(wrong.values())[n]), 2)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert visitor.next().json()["completion"]["ending"] == "screened_out"
        with sessions() as session:
            assert session.scalar(select(func.sum(Quota.taken))) == 0


DEVICE = {"width": 800, "height": 600, "pixel_ratio": 1, "pointer": "fine"}
DEVICE |= {"touch": False, "images_load": True, "passed": True}


class TestWithdrawingMeanwhile:
    def test_a_device_report_that_was_on_its_way_is_not_kept(self, world):
        visitor, _, sessions = world()
        with sessions() as session:
            person = session.get_one(Participant, UUID(visitor.participant))
            study, arm = session.get_one(Study, person.study_id), session.get_one(Arm, person.arm_id)
            session.commit()
            assert post(visitor, "withdraw", {}).status_code == 200
            with pytest.raises(NotAParticipant):
                save_device(session, Visit(person, study, arm), DeviceBody.model_validate(DEVICE))
            session.commit()
        with sessions() as session:
            assert session.scalar(select(Participant.device)) is None

    def test_a_device_report_between_its_steps_is_removed(self, world):
        visitor, _, sessions = world()
        with sessions() as session, ThreadPoolExecutor(1) as pool:
            withdraw(session, session.get_one(Participant, UUID(visitor.participant)))
            answer = pool.submit(post, visitor, "device", DEVICE)
            wait([answer], timeout=1)
            session.commit()
            answer.result()
        with sessions() as session:
            assert session.scalar(select(Participant.device)) is None

    def test_a_check_of_their_quality_between_its_steps_leaves_no_flag(self, world):
        visitor, _, sessions = world()
        while "trial" in (answer := visitor.next().json()):
            visitor.decide(answer["trial"]["id"], decision_ms=90.0)

        def check():
            with sessions.begin() as session:
                check_participant(session, UUID(visitor.participant))

        with sessions() as session, ThreadPoolExecutor(1) as pool:
            withdraw(session, session.get_one(Participant, UUID(visitor.participant)))
            checked = pool.submit(check)
            wait([checked], timeout=1)
            session.commit()
            checked.result()
        with sessions() as session:
            assert count(session, QualityFlag) == 0
