from itertools import islice, pairwise

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text

from app.main import create_app
from app.models import Pair, Participant, Question, Quota, StudyState, Trial, WorkerIdentity
from app.recruitment.assignment import alternating, choose_places
from app.recruitment.routes import CrowdParameters
from tests.app.worlds import Visitor, make_study


@pytest.fixture
def study(db, noise):
    return make_study(db)


@pytest.fixture
def visitor(client, study):
    return Visitor(client, study.slug)


def count(db, model):
    return db.scalar(select(func.count()).select_from(model))


class TestConsent:
    def test_it_makes_a_participant_with_trials(self, visitor, study):
        response = visitor.consent()
        assert response.status_code == 201
        assert response.json()["trials"] == study.trials_per_participant

    def test_without_it_there_is_no_participant(self, visitor, db):
        before = count(db, Participant)
        assert visitor.consent(consent=False).status_code == 422
        assert count(db, Participant) == before

    def test_consent_to_an_older_text_is_not_consent(self, visitor):
        response = visitor.consent(consent_version="v0")
        assert (response.status_code, response.json()["error"]) == (422, "consent_missing")

    def test_opening_the_page_starts_nothing(self, client, study, db):
        before = count(db, Participant)
        client.get(f"/s/{study.slug}?workerId=W1&assignmentId=A1")
        assert count(db, Participant) == before

    def test_a_browser_cannot_pass_for_a_simulation_in_a_real_study(self, visitor):
        response = visitor.consent(source="simulated")
        assert (response.status_code, response.json()["error"]) == (422, "bad_input")

    @pytest.mark.parametrize("state", [StudyState.DRAFT, StudyState.PAUSED, StudyState.CLOSED])
    def test_a_study_that_is_not_open_takes_nobody(self, visitor, db, study, state):
        study.state = state
        db.commit()
        response = visitor.consent()
        assert (response.status_code, response.json()["error"]) == (409, "study_not_open")

    @pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
    def test_a_text_that_cannot_be_stored_is_refused(self, client, study, text):
        body = f'{{"source": "link", "consent": true, "consent_version": "v1", "client": {{"a": "{text}"}}}}'
        response = client.post(
            f"/api/studies/{study.slug}/participants",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert response.status_code == 422

    def test_a_browser_cannot_fill_the_database_with_what_it_says_of_itself(self, visitor):
        response = visitor.consent(client={"agent": "x" * 20_000})
        assert response.status_code == 422
        assert "client" in response.json()["detail"]


class TestMTurkAddress:
    @pytest.mark.parametrize(
        ("given", "site"),
        [
            ("https://www.mturk.com", "www.mturk.com"),
            ("https://workersandbox.mturk.com/x", "workersandbox.mturk.com"),
            ("http://www.mturk.com", None),
            ("https://evil.example/.mturk.com", None),
            ("https://evil.example\\.mturk.com", None),
            ("https://[", None),
        ],
    )
    def test_the_form_goes_nowhere_else(self, given, site):
        crowd = CrowdParameters(assignmentId="A", turkSubmitTo=given)
        assert crowd.submit_url == (site and f"https://{site}/mturk/externalSubmit")


class TestTheSamePersonAgain:
    def test_they_are_the_same_participant(self, client, study):
        first, second = Visitor(client, study.slug), Visitor(client, study.slug)
        made = first.consent(source="mturk", external_id="W1")
        again = second.consent(source="mturk", external_id="W1")
        assert (made.status_code, again.status_code) == (201, 200)
        assert made.json()["participant"] == again.json()["participant"]

    def test_they_go_on_where_they_were_on_either_device(self, client, study):
        first, second = Visitor(client, study.slug), Visitor(client, study.slug)
        first.consent(source="prolific", external_id="P1")
        first.decide(first.next().json()["trial"]["id"])
        second.consent(source="prolific", external_id="P1")
        assert second.next().json()["trial"]["id"] == first.next().json()["trial"]["id"]

    def test_they_may_go_on_in_a_paused_study(self, client, study, db):
        visitor = Visitor(client, study.slug)
        visitor.consent(source="mturk", external_id="W1")
        study.state = StudyState.PAUSED
        db.commit()
        assert visitor.consent(source="mturk", external_id="W1").status_code == 200

    def test_one_who_withdrew_is_told_so(self, client, study):
        visitor = Visitor(client, study.slug)
        visitor.consent(source="mturk", external_id="W1")
        client.post("/api/participant/withdraw", headers=visitor.headers)
        response = visitor.consent(source="mturk", external_id="W1")
        assert (response.status_code, response.json()["error"]) == (409, "already_took_part")

    def test_the_worker_id_is_kept_apart(self, client, study, db):
        Visitor(client, study.slug).consent(source="mturk", external_id="W-secret")
        assert db.scalar(select(WorkerIdentity.external_id)) == "W-secret"
        for row in db.scalars(select(Participant)):
            assert "W-secret" not in repr(vars(row))


class TestAssignment:
    def test_no_pair_comes_twice(self, visitor, db):
        visitor.consent()
        assert db.scalar(select(func.count(func.distinct(Trial.pair_id)) - func.count(Trial.pair_id))) == 0

    def test_questions_alternate(self, visitor, db):
        participant = visitor.consent().json()["participant"]
        asked = db.scalars(
            select(Trial.question).where(Trial.participant_id == participant).order_by(Trial.position)
        ).all()
        assert all(one is not other for one, other in pairwise(asked))

    def test_arms_fill_evenly(self, client, study):
        arms = [Visitor(client, study.slug).consent().json()["arm"]["annotate"] for _ in range(6)]
        assert sorted(arms) == [False] * 3 + [True] * 3

    def test_judgements_spread_over_pairs_before_any_pair_gets_a_second(self, client, db):
        study = make_study(db, pairs=4, trials=4, judgements=3, arms=(True,))
        for _ in range(2):
            Visitor(client, study.slug).consent()
        assert set(
            db.scalars(select(Quota.taken).join_from(Quota, Trial, Quota.pair_id == Trial.pair_id))
        ) == {1}

    def test_sides_are_random(self, client, db):
        study = make_study(db, pairs=40, trials=40, arms=(True,))
        participant = Visitor(client, study.slug).consent().json()["participant"]
        trials = db.scalars(select(Trial).where(Trial.participant_id == participant)).all()
        lefts = sum(trial.left_image_id < trial.right_image_id for trial in trials)
        assert 5 <= lefts <= 35  # chance of failing: 1e-6

    def test_when_every_place_is_taken_nobody_else_is_admitted(self, client, db):
        study = make_study(db, pairs=1, judgements=1, trials=1, arms=(True,))
        answers = [Visitor(client, study.slug).consent() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 409]
        assert answers[2].json()["error"] == "quota_full"

    def test_the_last_participant_gets_what_is_left(self, client, db):
        study = make_study(db, pairs=3, judgements=1, trials=4, arms=(True,))
        trials = [Visitor(client, study.slug).consent().json()["trials"] for _ in range(2)]
        assert trials == [3, 3]

    def test_places_that_lapsed_are_found_without_reading_every_trial(self, db):
        db.execute(text("SET LOCAL enable_seqscan = off"))
        plan = db.scalars(text("EXPLAIN SELECT FROM trial WHERE state = 'assigned'")).all()
        assert "ix__trial__assigned" in "".join(plan)


def pair(number, *, real=None, fake=None):
    return Pair(id=number, real_image_id=real or 100 + number, fake_image_id=fake or 200 + number)


class TestChoosePlaces:
    def chosen(self, real, fake, *, wanted, **options):
        open_pairs = {Question.REAL: real, Question.FAKE: fake}
        asked = list(islice(alternating(Question.REAL), wanted))
        places = choose_places(open_pairs, asked=asked, **options)
        return [(place.id, question) for place, question in places]

    def test_it_goes_on_with_one_question_when_the_other_runs_out(self):
        one, two, three = pair(1), pair(2), pair(3)
        assert self.chosen([one], [one, two, three], wanted=3) == [
            (1, Question.REAL),
            (2, Question.FAKE),
            (3, Question.FAKE),
        ]

    def test_nothing_open_gives_nothing(self):
        assert self.chosen([], [], wanted=3) == []

    def test_images_that_were_not_met_go_first(self):
        again, fresh = pair(1, real=7), pair(2)
        assert self.chosen([again, fresh], [], wanted=1, met={7}) == [(2, Question.REAL)]

    def test_an_image_comes_again_only_when_no_other_pair_is_left(self):
        one, same_face, other = pair(1, real=7), pair(2, real=7), pair(3)
        places = self.chosen([one, same_face, other], [one, same_face, other], wanted=3)
        assert [number for number, _ in places] == [1, 3, 2]


class TestFlood:
    def test_one_address_cannot_take_every_place(self, settings, session_factory, study):
        strict = settings.model_copy(update={"enrolments_per_minute": 2})
        with TestClient(create_app(strict, session_factory=session_factory)) as client:
            answers = [Visitor(client, study.slug).consent() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["error"] == "too_many_requests"


class TestAWrongLink:
    def test_it_is_a_page_for_participants(self, client):
        response = client.get("/s/no-such-study", headers={"Accept": "text/html"})
        assert response.status_code == 404
        assert "Please check the link" in response.text
