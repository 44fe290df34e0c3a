"""What staff see of a participant's trials: on the participant's page, in the replay, over the API."""

import json
from uuid import uuid4

import pytest

from app.dashboard.participants import visits
from app.models import Label, QualityFlag, TrialState
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.pages import read

EVENTS = [{"kind": "loaded", "t_ms": 0, "load_ms": 12.0}, {"kind": "choose", "t_ms": 900, "side": "right"}]
POINTS = [[10.0, 10.0, 950.0], [20.0, 10.0, 990.0]]


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def participant(db):
    return ParticipantFactory(arm=ArmFactory(study_id=StudyFactory(slug="seen").id))


@pytest.fixture
def at(participant):
    return f"/studies/seen/participants/{participant.id}"


@pytest.fixture
def judge(participant):
    """A decided trial with two strokes; `decided` False: one that is not."""

    def make(position, *, decided=True):
        fake = ImageFactory(label=Label.FAKE, source="gan").id
        pair = PairFactory(study_id=participant.study_id, fake_image_id=fake)
        state = TrialState.DECIDED if decided else TrialState.ASSIGNED
        trial = TrialFactory(participant=participant, pair=pair, position=position, state=state)
        if decided:
            decision = DecisionFactory(trial=trial, choice="right", decision_ms=900, events=EVENTS)
            annotation = AnnotationFactory(decision=decision)
            for number, tool in enumerate(("lasso", "eraser")):
                StrokeFactory(annotation_id=annotation.id, position=number, tool=tool, points=POINTS)
        return trial

    return make


class TestApi:
    def test_a_trial_has_times_choice_events_and_strokes_in_their_order(self, viewer, at, judge):
        judge(1)
        [trial] = viewer.get(f"/api{at}/trials").json()["trials"]
        assert (trial["choice"], trial["decision_ms"], trial["events"]) == ("right", 900, EVENTS)
        assert [(one["tool"], one["points"]) for one in trial["strokes"]] == [
            ("lasso", POINTS),
            ("eraser", POINTS),
        ]
        assert trial["right"] == {
            "image_id": trial["right"]["image_id"],
            "width": 64,
            "height": 64,
            "label": "fake",
            "source": "gan",
        }

    def test_a_trial_that_is_not_decided_has_no_choice(self, viewer, at, judge):
        judge(1, decided=False)
        [trial] = viewer.get(f"/api{at}/trials").json()["trials"]
        assert (trial["choice"], trial["strokes"], trial["events"]) == (None, None, [])

    def test_pages_go_on_where_the_last_one_ended(self, viewer, at, judge, monkeypatch):
        monkeypatch.setattr(visits, "PAGE_SIZE", 2)
        for position in (1, 2, 4):
            judge(position)
        first = viewer.get(f"/api{at}/trials").json()
        second = viewer.get(f"/api{at}/trials?after={first['after']}").json()
        shown = [[one["position"] for one in page["trials"]] for page in (first, second)]
        assert (shown, second["after"]) == ([[1, 2], [4]], None)

    def test_another_study_does_not_have_them(self, viewer, participant, judge):
        judge(1)
        other = StudyFactory().slug
        assert viewer.get(f"/api/studies/{other}/participants/{participant.id}/trials").status_code == 404


class TestReplay:
    def test_it_holds_what_the_api_gives(self, viewer, at, judge):
        judge(1)
        page = read(viewer.get(f"/staff{at}/replay"))
        [trial] = viewer.get(f"/api{at}/trials").json()["trials"]
        assert json.loads(page.find("#record").text) == trial

    def test_it_leads_to_the_trials_beside_it(self, viewer, at, judge):
        for position in (1, 2, 4):
            judge(position)
        page = read(viewer.get(f"/staff{at}/replay?trial=2&speed=16"))
        [before], [after] = (page.values(f"a[rel={rel}]", "href") for rel in ("previous", "next"))
        assert before.startswith(f"/staff{at}/replay?trial=1&speed=16")
        assert after.startswith(f"/staff{at}/replay?trial=4&speed=16")
        assert page.text("h2") == "Trial 2 of 3: which is real?"

    @pytest.mark.parametrize("query", ["?trial=9", ""])
    def test_a_trial_that_is_not_there_is_not_found(self, viewer, at, query):
        assert viewer.get(f"/staff{at}/replay{query}").status_code == 404

    def test_nobody_sees_it_without_an_account(self, client, at, judge):
        judge(1)
        assert client.get(f"/staff{at}/replay", headers={"accept": "text/html"}).status_code == 303


class TestParticipantPage:
    def test_a_kind_of_flag_is_one_line_with_its_trials(self, db, viewer, participant, at, judge):
        trials = [judge(position) for position in (1, 2)]
        for trial in trials:
            flag = {"participant_id": participant.id, "trial_id": trial.id, "kind": "fast_decision"}
            db.add(QualityFlag(**flag, detail={"decision_ms": 90}))
        db.commit()
        page = read(viewer.get(f"/staff{at}"))
        [line] = page.texts("main .card ul li")
        assert line == "Decided faster than anybody can compare two faces. Trials 1 (90 ms), 2 (90 ms)"
        assert page.values("main .card ul a", "href") == [
            f"/staff{at}/replay?trial={number}" for number in (1, 2)
        ]

    def test_trials_come_page_by_page(self, viewer, at, judge, monkeypatch):
        monkeypatch.setattr(visits, "PAGE_SIZE", 2)
        for position in (1, 2, 3):
            judge(position)
        first = read(viewer.get(f"/staff{at}"))
        second = read(viewer.get(first.find("a[rel=next]").attrib["href"]))
        assert [len(page.all("[aria-label=Trials] tbody tr")) for page in (first, second)] == [2, 1]
        assert second.values("#trials", "data-records")[0].endswith("trials?after=2")

    def test_unknown_participants_are_not_found(self, viewer):
        StudyFactory(slug="empty")
        assert viewer.get(f"/staff/studies/empty/participants/{uuid4()}/replay").status_code == 404
