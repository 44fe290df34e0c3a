from datetime import UTC, datetime
from itertools import islice, pairwise, product
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update

from app.errors import BadInput, NotFound, WrongState
from app.models import (
    Arm,
    Label,
    Pair,
    Participant,
    ParticipantToken,
    Question,
    Quota,
    ReturnLink,
    Source,
    StudyState,
    Trial,
    TrialKind,
    WorkerIdentity,
)
from app.recruitment.assignment import alternating, choose_places
from app.recruitment.platforms import mturk_form, platform_id
from app.recruitment.service import find_by_id, return_link
from app.studies.memory import TimesMet
from tests.support.factories import ImageFactory, PairFactory, ParticipantFactory
from tests.support.worlds import Visitor, make_study

WORKER = {"source": "mturk", "external_id": "A1B2C3D4E5F6G7", "assignment_id": "3ASSIGNMENT"}
SUBMISSION = {
    "source": "prolific",
    "external_id": "5f0a000000000000000000b1",
    "assignment_id": "6500000000000000000000c1",
}
SIMULATED = {"source": "simulated", "external_id": "crowd-1", "assignment_id": "their-secret"}


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
        assert mturk_form(given) == (site and f"https://{site}/mturk/externalSubmit")


PLACEHOLDERS = [
    "{{%PROLIFIC_PID%}}", "{%PROLIFIC_PID%}", "{{ PROLIFIC_PID }}", "%7B%7B%25PROLIFIC_PID%25%7D%7D",
    "%%PROLIFIC_PID%%", "PROLIFIC_PID", "prolific-pid", "__Prolific_PID__", ":prolific_pid", "${workerId}",
    "$workerId", "${e://Field/workerId}", "#{workerId}", "[ID]", "[[worker_id]]", "<id>", "(null)", "id",
    "null", "NULL", " Null ", "undefined", "Undefined", "None", "nan", "NaN", "n/a", "unknown", "anonymous",
    "false", "[object Object]", "ASSIGNMENT_ID_NOT_AVAILABLE", "assignment_id_not_available", "two words",
    "a\tb", "a\u200b", "-", "...", "'\"", " ", "%20", "0", "000", "00000000-0000-0000-0000-000000000000",
    "test", "TEST", "xxx", "XXX", "-1",
]  # fmt: skip

IDS = [
    "5f0a000000000000000000b1",
    "A1B2C3D4E5F6G7",
    "P1",
    "w1",
    "crowd-12",
    "a_b.c:d@e.example",
    "x=/+~",
    "é",
    "1",
    "-12",
    "x",
    "test1",
    "tester",
]


class TestPlaceholders:
    """An id that a recruiter's template left unfilled is nobody's: two strangers would be one person."""

    @pytest.mark.parametrize("placeholder", PLACEHOLDERS)
    def test_none_is_taken_for_an_id(self, placeholder):
        for source in (Source.PROLIFIC, Source.MTURK, Source.SIMULATED):
            with pytest.raises(BadInput):
                platform_id(source, placeholder)

    @pytest.mark.parametrize("given", IDS)
    def test_an_id_is_let_in_without_the_spaces_around_it(self, given):
        assert platform_id(Source.PROLIFIC, f" {given}\u00a0\n") == given

    @pytest.mark.parametrize("field", ["external_id", "assignment_id"])
    @pytest.mark.parametrize(("person", "name"), [(WORKER, "MTurk"), (SUBMISSION, "Prolific")])
    def test_consent_with_one_is_refused_with_what_to_do(self, browser, db, person, name, field):
        before = count(db, Participant)
        response = browser().consent(**person | {field: "{{%PROLIFIC_PID%}}"})
        assert (response.status_code, response.json()["error"]) == (422, "bad_input")
        assert f"again on {name}" in response.json()["detail"]
        assert count(db, Participant) == before

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            (
                "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}",
                "Prolific",
            ),
            ("PROLIFIC_PID=%7B%7B%25PROLIFIC_PID%25%7D%7D", "Prolific"),
            ("prolific_pid=null", "Prolific"),
            ("PROLIFIC_PID=&STUDY_ID=65&SESSION_ID=66", "Prolific"),
            ("PROLIFIC_PID=", "Prolific"),
            ("STUDY_ID=65", "Prolific"),
            ("SESSION_ID=66", "Prolific"),
            ("PROLIFIC_PID=5f1&SESSION_ID={{%SESSION_ID%}}", "Prolific"),
            ("PROLIFIC_PID=5f1&STUDY_ID=[STUDY]", "Prolific"),
            ("PROLIFIC_PID=ASSIGNMENT_ID_NOT_AVAILABLE", "Prolific"),
            ("workerId=${workerId}&assignmentId=${assignmentId}&hitId=${hitId}", "MTurk"),
            ("workerId=ASSIGNMENT_ID_NOT_AVAILABLE&assignmentId=3A", "MTurk"),
            ("workerId=A1&assignmentId=3A&hitId=${hitId}", "MTurk"),
            ("workerId=A1&assignmentId=3A&turkSubmitTo=${turkSubmitTo}", "MTurk"),
            ("workerId=&assignmentId=", "MTurk"),
            ("workerId=A1", "MTurk"),
            ("assignmentId=3A", "MTurk"),
            ("hitId=3H", "MTurk"),
        ],
    )
    def test_an_address_with_one_says_so_before_consent(self, client, study, query, name):
        page = client.get(f"/s/{study.slug}?{query}", headers={"accept": "text/html"})
        assert page.status_code == 422
        assert f"again on {name}" in page.text
        assert 'id="page"' not in page.text

    @pytest.mark.parametrize("link", ["", "{{token}}", "null", "made.up", "é.ü", "a%00b"])
    def test_a_personal_link_that_is_none_is_said_before_consent(self, client, study, link):
        page = client.get(f"/s/{study.slug}?link={link}", headers={"accept": "text/html"})
        assert page.status_code == 422
        assert "This personal link is not complete" in page.text

    def test_a_damaged_address_is_said_in_words_of_its_own(self, client, study):
        for query in (f"assignmentId={'x' * 300}", "PROLIFIC_PID=5f1&PROLIFIC_PID=5f2", f"link={'x' * 300}"):
            page = client.get(f"/s/{study.slug}?{query}", headers={"accept": "text/html"})
            assert (page.status_code, "This link is damaged" in page.text) == (422, True)

    def test_names_count_in_any_case_and_ids_without_spaces(self, browser):
        page = browser().page("?prolific_pid=%205F0A000000000000000000B1%20&Session_Id=+s1+&utm_source=x")
        assert (page["source"], page["external_id"], page["assignment_id"]) == (
            "prolific",
            "5f0a000000000000000000b1",
            "s1",
        )

    @pytest.mark.parametrize("query", ["", "?utm_source={{x}}", "?page=null"])
    def test_a_plain_link_is_as_plain_as_ever(self, browser, query):
        page = browser().page(query)
        assert (page["source"], page["external_id"]) == ("link", None)
        assert page["link_token"]

    def test_a_preview_is_one_whatever_else_is_missing(self, browser):
        page = browser().page("?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=${hitId}")
        assert (page["preview"], page["external_id"]) == (True, None)


@pytest.fixture
def browser(client, study):
    """One more browser at the study's page."""
    return lambda: Visitor(client, study.slug)


@pytest.fixture(params=[WORKER, SUBMISSION, SIMULATED], ids=lambda who: who["source"])
def who(request, db, study):
    """Somebody with an id, as their platform names them."""
    study.accepts_simulated = True
    db.commit()
    return request.param


class TestTheSamePersonAgain:
    def test_they_are_the_same_participant(self, browser, who):
        made, again = browser().consent(**who), browser().consent(**who)
        assert (made.status_code, again.status_code) == (201, 200)
        assert made.json()["participant"] == again.json()["participant"]

    def test_they_go_on_where_they_were_on_either_device(self, browser, who):
        first, second = browser(), browser()
        first.consent(**who)
        first.decide(first.next().json()["trial"]["id"])
        second.consent(**who)
        assert second.next().json()["trial"]["id"] == first.next().json()["trial"]["id"]

    def test_they_may_go_on_in_a_paused_study(self, browser, study, db, who):
        browser().consent(**who)
        study.state = StudyState.PAUSED
        db.commit()
        assert browser().consent(**who).status_code == 200

    def test_one_who_withdrew_is_told_so(self, browser, who):
        visitor = browser()
        visitor.consent(**who)
        visitor.withdraw()
        for returning in (visitor, browser()):
            response = returning.consent(**who)
            assert (response.status_code, response.json()["error"]) == (409, "already_took_part")
            assert "withdrawn" in response.json()["detail"]

    def test_a_browser_that_was_in_brings_another_session_in(self, browser, who):
        """A task that was returned on the platform and taken again."""
        visitor, taken_again = browser(), who | {"assignment_id": "another"}
        visitor.consent(**who)
        first = visitor.participant
        assert visitor.consent(**taken_again).status_code == 200
        for session, status in ((taken_again, 200), (who, 409)):
            assert browser().consent(**session).status_code == status
        assert visitor.participant == first

    def test_an_id_in_another_spelling_is_no_other_person(self, browser):
        browser().consent(**SUBMISSION)
        again = {"external_id": f" {SUBMISSION['external_id'].upper()} ", "assignment_id": "another"}
        assert browser().consent(**SUBMISSION | again).json()["error"] == "begun_elsewhere"

    def test_the_same_id_on_another_platform_is_another_person(self, browser):
        first, other = (browser().consent(**WORKER | {"source": source}) for source in ("mturk", "prolific"))
        assert (first.status_code, other.status_code) == (201, 201)
        assert first.json()["participant"] != other.json()["participant"]

    def test_a_person_has_a_token_in_twenty_browsers_and_no_more(self, browser, db):
        browsers = [browser() for _ in range(23)]
        for one in browsers:
            one.consent(**WORKER)
        assert count(db, ParticipantToken) == 20
        assert browsers[-1].next().status_code == 200


class TestStranger:
    """Knows somebody's id, as every researcher does whose study they took, and nothing else."""

    @pytest.fixture
    def victim(self, browser, who):
        victim = browser()
        victim.consent(**who)
        victim.decide(victim.next().json()["trial"]["id"])
        return victim

    @pytest.fixture
    def guesses(self, browser, who, victim):
        other = browser()
        other.consent(**who | {"external_id": "somebody-else", "assignment_id": "their-own"})
        return [
            {"assignment_id": None},
            {"assignment_id": "made-up"},
            {"assignment_id": who["external_id"]},
            {"assignment_id": "their-own"},
            {"assignment_id": "their-own", "token": other.token},
            {"assignment_id": "made-up", "token": "nonsense"},
        ]

    def test_they_get_neither_token_nor_progress_nor_code(self, browser, who, victim, guesses, db):
        tokens = count(db, ParticipantToken)
        for guess in guesses:
            stranger = browser()
            stranger.token = guess.pop("token", "")
            response = stranger.consent(**who | guess)
            assert (response.status_code, response.json()["error"]) == (409, "begun_elsewhere")
            assert response.json().keys() == {"error", "detail", "reference"}
            assert victim.participant not in response.text
        assert count(db, ParticipantToken) == tokens

    def test_they_cannot_remove_anything(self, browser, who, victim, guesses, db):
        for guess in guesses:
            stranger = browser()
            stranger.token = guess.pop("token", "")
            stranger.consent(**who | guess)
            stranger.withdraw()
        mine = select(Trial.state).where(Trial.participant_id == victim.participant)
        assert sorted(db.scalars(mine)) == ["assigned"] * 3 + ["decided"]
        assert victim.next().json()["trial"]["position"] == 2

    def test_without_a_session_of_the_platform_nobody_returns_by_the_id_alone(self, browser):
        nameless = {"source": "prolific", "external_id": "5f0000000000000000000001"}
        assert browser().consent(**nameless).status_code == 201
        assert browser().consent(**nameless).json()["error"] == "begun_elsewhere"

    @pytest.mark.parametrize("state", [StudyState.PAUSED, StudyState.CLOSED, "full"])
    def test_where_nobody_is_let_in_they_do_not_learn_who_took_part(self, browser, db, study, state):
        browser().consent(**WORKER)
        if state == "full":
            db.execute(update(Quota).values(taken=Quota.wanted))
        else:
            study.state = state
        db.commit()
        known, unknown = (
            browser().consent(**WORKER | {"external_id": one, "assignment_id": "made-up"}).json()
            for one in (WORKER["external_id"], "A9NOBODYATALL")
        )
        assert known | {"reference": ""} == unknown | {"reference": ""}
        assert known["error"] in ("study_not_open", "quota_full")

    def test_trying_out_ids_is_stopped_like_a_flood_of_arrivals(
        self, settings, session_factory, study, application
    ):
        strict = settings.model_copy(update={"enrolments_per_minute": 3})
        with TestClient(application(strict, session_factory)) as client:
            Visitor(client, study.slug).consent(**WORKER)
            tries = [
                Visitor(client, study.slug).consent(**WORKER | {"assignment_id": "made-up"}).status_code
                for _ in range(3)
            ]
        assert tries == [409, 409, 429]


class TestReturnLink:
    @pytest.fixture
    def participant(self, browser, db):
        visitor = browser()
        visitor.consent(**SUBMISSION)
        visitor.decide(visitor.next().json()["trial"]["id"])
        return visitor

    @pytest.fixture
    def link(self, db, participant):
        path = return_link(db, db.get_one(Participant, participant.participant))
        db.commit()
        return path

    def follow(self, client, link):
        return client.post("/api/participant/return", json={"code": link.partition("#r=")[2]})

    def test_it_leads_back_to_the_visit(self, client, study, participant, link):
        assert link.startswith(f"/s/{study.slug}#r=")
        answer = self.follow(client, link)
        assert answer.json()["participant"] == participant.participant
        back = Visitor(client, study.slug, token=answer.json()["token"])
        assert back.next().json()["trial"]["position"] == 2

    def test_it_works_once(self, client, link):
        assert [self.follow(client, link).status_code for _ in range(2)] == [200, 404]

    def test_it_lapses(self, client, db, link):
        db.execute(update(ReturnLink).values(expires_at=datetime.now(UTC)))
        db.commit()
        assert self.follow(client, link).status_code == 404

    def test_whoever_was_in_before_is_out(self, client, browser, participant, link):
        self.follow(client, link)
        assert participant.next().status_code == 401
        assert browser().consent(**SUBMISSION).json()["error"] == "begun_elsewhere"

    def test_nobody_else_is_out(self, client, browser, link):
        other = browser()
        other.consent(**WORKER)
        self.follow(client, link)
        assert other.next().status_code == 200
        assert browser().consent(**WORKER).status_code == 200

    def test_only_the_hash_of_its_code_is_stored(self, db, link):
        assert db.scalars(select(ReturnLink.code_hash)).one() not in link

    def test_there_is_none_for_somebody_who_withdrew(self, client, db, participant, link):
        participant.withdraw()
        person = db.get_one(Participant, participant.participant, populate_existing=True)
        with pytest.raises(WrongState):
            return_link(db, person)
        assert self.follow(client, link).status_code == 404


class TestFindById:
    @pytest.fixture
    def person(self, browser, db, study):
        stranger = make_study(db)
        Visitor(browser().client, stranger.slug).consent(**WORKER)
        visitor = browser()
        visitor.consent(**WORKER)
        browser().consent(**SUBMISSION)
        return db.get_one(Participant, visitor.participant)

    def test_a_worker_id_a_reference_and_a_whole_id_find_somebody(self, db, study, person):
        for given in (f" {WORKER['external_id'].lower()} ", person.reference, str(person.id)):
            assert find_by_id(db, study, given).id == person.id

    @pytest.mark.parametrize("given", ["", "   ", "a", "%", "A1NOBODY", "________"])
    def test_what_is_nobodys_finds_nobody(self, db, study, person, given):
        with pytest.raises(NotFound):
            find_by_id(db, study, given)

    def test_a_reference_of_two_is_not_guessed_at(self, db, study, person):
        arm = db.get_one(Arm, person.arm_id)
        ParticipantFactory(arm=arm, id=UUID(f"{person.reference}{'0' * 24}"))
        with pytest.raises(BadInput, match="whole participant id"):
            find_by_id(db, study, person.reference)

    def test_somebody_of_another_study_is_not_here(self, db, person):
        with pytest.raises(NotFound):
            find_by_id(db, make_study(db), WORKER["external_id"])


class TestWorkerIds:
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

    def test_nothing_is_of_another_study(self, visitor, client, db, study):
        """Not even where that one has more room, and material of every kind."""
        for _ in range(2):
            Visitor(client, study.slug).consent()
        empty = make_study(db)
        for kind in (TrialKind.PRACTICE, TrialKind.CHECK):
            PairFactory(study_id=empty.id, kind=kind)
        visitor.consent()
        person = db.get_one(Participant, visitor.participant)
        shown = select(Pair.study_id).join(Trial, Trial.pair_id == Pair.id)
        assert db.get_one(Arm, person.arm_id).study_id == study.id
        assert set(db.scalars(shown.where(Trial.participant_id == person.id))) == {study.id}

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

    def test_faces_come_again_only_as_often_as_those_beside_them(self, client, db):
        real, fake = ([image.id for image in ImageFactory.create_batch(5, label=label)] for label in Label)
        study = make_study(db, images=list(product(real, fake)), trials=15, judgements=9, arms=(True,))
        shown = select(Pair.real_image_id, Pair.fake_image_id).join(Trial, Trial.pair_id == Pair.id)
        signs = []
        for _ in range(9):
            visitor = Visitor(client, study.slug)
            visitor.consent()
            met = TimesMet()
            mine = shown.where(Trial.participant_id == visitor.participant).order_by(Trial.position)
            for pair in db.execute(mine):
                met.add(tuple(pair))
            assert (len(met.signs), met.new >= 3) == (15, True)
            signs += met.signs
        assert np.mean(np.abs(signs)) < 0.25  # 0.01 on average; 0.4 when nothing cares

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
    def test_one_address_cannot_take_every_place(self, settings, session_factory, study, application):
        strict = settings.model_copy(update={"enrolments_per_minute": 2})
        with TestClient(application(strict, session_factory)) as client:
            answers = [Visitor(client, study.slug).consent() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["error"] == "too_many_requests"


class TestAWrongLink:
    def test_it_is_a_page_for_participants(self, client):
        response = client.get("/s/no-such-study", headers={"Accept": "text/html"})
        assert response.status_code == 404
        assert "Please check the link" in response.text
