import json
import tomllib

import pytest
from sqlalchemy import func, select

from app.models import Base, Label, StudyState
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.support.factories import ImageFactory
from tests.support.pages import read

TOML = """
slug = "faces"
title = "Which face is real?"
trials_per_participant = 4
pairs = {per_source = 4, sources = ["gan"], real_sources = ["camera"]}
practice = {count = 1}
debrief = "**Thank you.**"
breaks = {every = 2}
arms = [{name = "paints", annotate = true, advice = "decision"}, {name = "looks", annotate = false}]

[about]
institution = "Lab"
minutes = 10
pay = "£3.00"
contact = "Ada"

[quiz]
[[quiz.questions]]
text = "Clear?"
options = ["Yes", "No"]
answer = 1

[checks]
pairs = [{real = "obvious-real.png", fake = "obvious-fake.png"}]
[[checks.regions]]
image = "region.png"
prompt = "Please paint the nose."
region = [[1, 1], [9, 1], [9, 9]]

[[questions]]
id = "remarks"
text = "Anything else?"
kind = "text"

[endings]
screened_out_url = "https://a.example/out"
"""
STEPS = [
    "consent",
    "instructions",
    "quiz",
    "practice-1",
    "trial-1",
    "trial-2",
    "break",
    "check",
    "region-1",
    "questions",
    "debrief",
    "finished",
    "screened_out",
    "quota_full",
    "closed",
    "declined",
    "withdrawn",
]


class TestPreview:
    @pytest.mark.parametrize("state", list(StudyState))
    def test_every_step_of_a_study_of_any_state_is_there(self, viewer, db, study, state):
        study.state = state
        db.commit()
        assert [scene["step"] for scene in script(viewer, "paints")["scenes"]] == STEPS

    def test_nothing_is_recorded(self, viewer, study, contents):
        before = contents()
        for arm in ("paints", "looks"):
            for step in STEPS:
                assert viewer.get(f"/staff/studies/faces/preview?arm={arm}&step={step}").status_code == 200
        assert contents() == before
        assert before["study"] > 0

    def test_the_first_trial_has_a_trap_where_the_study_sets_some(self, viewer, db, study):
        assert trapped(viewer) == []
        study.visit = study.visit | {"traps": 2}
        db.commit()
        assert trapped(viewer) == ["Trial 1, with a trap"]

    def test_an_arm_shows_what_its_participants_would_see(self, viewer, study):
        paints, looks = (scenes(viewer, arm) for arm in ("paints", "looks"))
        assert "region-1" not in looks
        assert (paints["trial-1"]["trial"]["annotate"], looks["trial-1"]["trial"]["annotate"]) == (
            True,
            False,
        )
        assert paints["trial-1"]["trial"]["advice"]["confidence"] == 0.9878
        assert looks["trial-1"]["trial"]["advice"] is None
        assert looks["debrief"]["completion"]["debrief_html"] == "<p><strong>Thank you.</strong></p>\n"
        assert looks["screened_out"]["completion"]["redirect_url"] == "https://a.example/out"
        assert "answer" not in paints["quiz"]["step"]["questions"][0]

    def test_consent_begins_with_who_asks_and_what_is_paid(self, viewer, study):
        page = read(viewer.get("/staff/studies/faces/preview"))
        assert page.texts("[data-page=consent] .about dt") == ["Who asks", "Time", "Pay", "Contact"]
        assert "£3.00" in page.text("[data-page=consent] .about")

    def test_the_break_comes_where_the_study_has_it(self, viewer, study):
        assert scenes(viewer, "looks")["break"]["trial"]["position"] == 3

    def test_its_pictures_are_served(self, viewer, study):
        trial = scenes(viewer, "paints")["trial-1"]["trial"]
        sizes = {len(viewer.get(trial[side]["url"]).content) for side in ("left", "right")}
        assert len(sizes) == 1

    def test_it_says_so(self, viewer, study):
        page = read(viewer.get("/staff/studies/faces/preview"))
        assert "Nothing is recorded." in page.text("#preview")
        assert page.values("#preview option[selected]", "value") == ["consent"]

    def test_an_arm_that_is_not_there_is_not_shown(self, viewer, study):
        assert viewer.get("/staff/studies/faces/preview?arm=nowhere").status_code == 404

    def test_a_step_that_is_not_there_is_the_first(self, viewer, study):
        assert script(viewer, "looks", step="region-1")["step"] == "consent"

    def test_participants_do_not_reach_it(self, client, study):
        client.headers["accept"] = "application/json"
        assert client.get("/staff/studies/faces/preview").status_code == 401


def script(browser, arm, *, step="consent"):
    page = read(browser.get(f"/staff/studies/faces/preview?arm={arm}&step={step}"))
    return json.loads(page.find("script#script").text_content())


def scenes(browser, arm):
    return {scene["step"]: scene["answer"] for scene in script(browser, arm)["scenes"]}


def trapped(browser):
    """The labels of the steps with a trap."""
    found = [scene for scene in script(browser, "paints")["scenes"] if "trial" in (scene["answer"] or {})]
    return [scene["label"] for scene in found if scene["answer"]["trial"]["trap"]]


@pytest.fixture
def study(db, blobs):
    images = [("camera", Label.REAL)] * 7 + [("gan", Label.FAKE)] * 6
    names = ["obvious-real.png", "region.png", *"abcde", "obvious-fake.png", *"fghij"]
    made = [
        ImageFactory(
            label=label,
            source=source,
            width=64,
            height=64,
            original_name=name,
            display_hash=blobs.put(b"\xff\xd8" + name.encode()),
            display_bytes=2 + len(name),
        )
        for (source, label), name in zip(images, names, strict=True)
    ]
    advice = [{"image": one.original_name, "score": 0.9 if one.label is Label.FAKE else 0.1} for one in made]
    given = tomllib.loads(TOML) | {"advice": {"listed": advice}}
    study = create_study(db, StudySpec.model_validate(given))
    db.commit()
    return study


@pytest.fixture
def contents(db):
    """How many rows each table has."""

    def count():
        return {
            table.name: db.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        }

    return count
