"""The list of participants: sorted, added up, and worked on many at once."""

from itertools import pairwise
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.dashboard.participants import queries
from app.models import ParticipantState, QualityFlag, StaffNote, TrialState
from tests.support.factories import (
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.pages import read

LIST = "/staff/studies/listed/participants"


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def arm(db):
    return ArmFactory(study_id=StudyFactory(slug="listed").id)


@pytest.fixture
def person(db, arm):
    """A participant with decisions of some time, the first `right` of which are correct, and flags."""

    def make(*, times=(), right=0, flags=0, **columns):
        made = ParticipantFactory(arm=arm, **columns)
        for number, decision_ms in enumerate(times):
            trial = TrialFactory(
                participant=made, pair=PairFactory(study_id=arm.study_id), state=TrialState.DECIDED
            )
            DecisionFactory(trial=trial, decision_ms=decision_ms, correct=number < right)
        for _ in range(flags):
            db.add(QualityFlag(participant_id=made.id, kind="fast_decision", detail={}))
        db.commit()
        return made

    return make


def listed(browser, query):
    """Everybody, page after page."""
    found, address = [], f"{LIST}?{query}"
    while address:
        page = read(browser.get(address))
        found += page.values("td a[title]", "title")
        address = next(iter(page.values("a[rel=next]", "href")), None)
    return found


def kinds(db, who):
    return db.scalars(select(QualityFlag.kind).where(QualityFlag.participant_id == who.id)).all()


class TestSorting:
    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch):
        monkeypatch.setattr(queries, "PAGE_SIZE", 2)

    def test_most_flags_come_first(self, viewer, person):
        few, none, many = person(flags=1), person(), person(flags=3)
        assert listed(viewer, "sort=most_flags") == [str(one.id) for one in (many, few, none)]

    def test_least_correct_come_first_and_those_without_a_decision_last(self, viewer, person):
        none = person()
        people = [person(times=(900, 900, 900), right=right) for right in (2, 0, 1)]
        order = [people[1], people[2], people[0], none]
        assert listed(viewer, "sort=least_correct") == [str(one.id) for one in order]

    def test_fastest_come_first(self, viewer, person):
        slow, fast = person(times=(900, 2000, 2100)), person(times=(5000, 800.25, 801))
        assert listed(viewer, "sort=fastest") == [str(one.id) for one in (fast, slow)]

    @pytest.mark.parametrize("sort", ["newest", "oldest", "most_flags", "least_correct", "fastest"])
    def test_every_page_goes_on_where_the_last_one_ended(self, viewer, person, sort):
        people = {str(person(times=(1 / 3,) * (n % 2)).id) for n in range(5)}
        found = listed(viewer, f"sort={sort}")
        assert len(found) == 5
        assert set(found) == people

    def test_oldest_is_newest_turned_round(self, viewer, person):
        for _ in range(3):
            person()
        assert listed(viewer, "sort=oldest") == listed(viewer, "sort=newest")[::-1]

    def test_the_api_sorts_alike(self, viewer, person):
        people = [person(flags=number) for number in range(3)]
        first = viewer.get("/api/studies/listed/participants?sort=most_flags").json()
        again = viewer.get(f"/api/studies/listed/participants?sort=most_flags&after={first['after']}").json()
        found = [one["id"] for one in first["participants"] + again["participants"]]
        assert found == [str(one.id) for one in reversed(people)]
        counts = [one["flags"] for one in first["participants"]]
        assert all(one >= other for one, other in pairwise(counts))


class TestTotals:
    def test_they_are_of_all_whom_the_filter_lets_through(self, viewer, person, monkeypatch):
        monkeypatch.setattr(queries, "PAGE_SIZE", 2)
        for flags in (0, 0, 1, 1):
            person(flags=flags, state=ParticipantState.FINISHED)
        person()
        said = read(viewer.get(f"{LIST}?state=finished")).text("main p.number")
        assert said == "4 participants, 4 finished, 2 with a flag, 0 excluded"


class TestBulk:
    def do(self, browser, action, *people, text=""):
        sent = {"action": action, "participant": [str(one.id) for one in people], "text": text}
        return browser.post("/staff/studies/listed/ticked-participants", data=sent)

    def test_those_ticked_are_set_aside_and_taken_back(self, editor, db, person):
        one, two, other = person(), person(), person()
        self.do(editor, "set_aside", one, two, text="same room")
        assert [kinds(db, who) for who in (one, two, other)] == [["set_aside"], ["set_aside"], []]
        self.do(editor, "take_back", one)
        db.expire_all()
        assert [kinds(db, who) for who in (one, two)] == [[], ["set_aside"]]

    def test_a_note_is_written_to_each(self, editor, db, person):
        people = person(), person()
        self.do(editor, "note", *people, text="Called them.")
        noted = db.scalars(select(StaffNote.participant_id).where(StaffNote.text == "Called them.")).all()
        assert set(noted) == {one.id for one in people}

    def test_flags_are_checked_again(self, editor, db, person):
        invented = person(flags=1, times=(2000,), right=1)
        self.do(editor, "check", invented)
        assert kinds(db, invented) == []

    def test_nobody_ticked_is_said(self, editor, person):
        person()
        assert self.do(editor, "set_aside").status_code == 303
        assert "Nobody is ticked" in read(editor.get(LIST)).text("[role=alert]")

    def test_with_somebody_of_another_study_nothing_is_done(self, editor, db, person):
        mine, stranger = person(), ParticipantFactory()
        self.do(editor, "set_aside", mine, stranger)
        assert kinds(db, mine) == []

    def test_the_api_does_it_to_all_or_none(self, editor, db, person):
        editor.headers.pop("accept")
        mine = person()
        address = "/api/studies/listed/participants/bulk"
        sent = {"action": "set_aside", "participants": [str(mine.id), str(uuid4())]}
        assert editor.post(address, json=sent).status_code == 404
        done = editor.post(address, json=sent | {"participants": [str(mine.id)], "text": "why"})
        assert done.json() == {"participants": 1}
        assert kinds(db, mine) == ["set_aside"]

    def test_a_viewer_has_no_boxes(self, viewer, person):
        person()
        assert not read(viewer.get(LIST)).has("input[type=checkbox], #bulk")
