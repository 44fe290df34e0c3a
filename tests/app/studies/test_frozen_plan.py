"""The plan of a study: frozen at the opening, and what went otherwise."""

import hashlib

import pytest

from app.errors import BadStudy
from app.exports.service import members
from app.models import Participant, StudyState
from app.quality.service import set_aside
from app.studies import service
from app.studies.deviations import plan_report
from app.studies.pilots import start_pilot
from app.studies.schemas import StudySpec
from app.studies.toml import description_of, toml_of
from tests.support.pages import read
from tests.support.worlds import Visitor, make_images

PLAN = {
    "hypotheses": ["Painting raises  accuracy."],
    "exclusions": ["Asked to be left out."],
    "participants": 2,
    "stopping": "When every place is taken.",
}


class TestThePlan:
    def test_its_hash_is_that_of_the_file_in_the_export(self, db, blobs, study):
        files = {one.name: b"".join(one.chunks) for one in members(db, blobs, study)}
        assert hashlib.sha256(files["plan.json"]).hexdigest() == study.plan_hash
        assert f'"plan_hash": "{study.plan_hash}"' in files["study.json"].decode()
        assert "Painting raises accuracy." in files["plan.json"].decode()

    def test_it_cannot_change_once_the_study_was_opened(self, db, study):
        with pytest.raises(BadStudy, match=r"^plan: .* frozen"):
            change(db, study, plan={"hypotheses": ["Something else."]})

    def test_another_change_leaves_plan_and_hash_as_they_were(self, db, blobs, study):
        before = study.plan_hash
        change(db, study, title="Other", judgements=9)
        files = {one.name: b"".join(one.chunks) for one in members(db, blobs, study)}
        assert hashlib.sha256(files["plan.json"]).hexdigest() == study.plan_hash == before

    def test_it_stands_in_the_toml(self, db, study):
        assert "[plan]" in toml_of(db, study)

    def test_a_study_without_one_has_no_hash_and_no_file(self, db, blobs):
        study = opened(db, blobs, plan=None)
        assert study.plan_hash is None
        assert "plan.json" not in [one.name for one in members(db, blobs, study)]
        assert [one.kind for one in plan_report(db, study).deviations] == ["plan"]


class TestDeviations:
    def test_there_is_none_when_all_goes_as_planned(self, client, db, study):
        for _ in range(2):
            take_part(client, study)
        service.close_study(db, study)
        report = plan_report(db, study)
        assert (report.finished, report.judgements, report.wanted, report.deviations) == (2, 4, 4, ())

    def test_too_few_count_once_the_study_is_closed(self, client, db, study):
        take_part(client, study)
        assert plan_report(db, study).deviations == ()
        service.close_study(db, study)
        assert [one.said for one in plan_report(db, study).deviations] == [
            "1 participants finished; 2 were planned.",
            "2 judgements were made; 4 were planned.",
        ]

    def test_changes_and_new_arms_are_listed(self, db, study):
        arms = description_of(db, study)["arms"]
        change(db, study, title="Other", arms=[*arms, {"name": "look", "annotate": False}])
        kinds = {one.kind: one.said for one in plan_report(db, study).deviations}
        assert "changed title, arms.look" in kinds["version"]
        assert kinds["arm"] == "The arm look was added after the opening."

    @pytest.mark.parametrize(("reason", "number"), [("asked to be  left out.", 0), ("Too fast.", 1), ("", 1)])
    def test_who_is_set_aside_for_another_reason_is_listed(self, client, db, study, reason, number):
        take_part(client, study)
        set_aside(db, db.query(Participant).one(), reason=reason)
        db.flush()
        found = [one for one in plan_report(db, study).deviations if one.kind == "set_aside"]
        assert len(found) == number

    def test_pilots_are_listed(self, db, blobs):
        draft = make_draft(db, blobs)
        start_pilot(db, draft)
        assert plan_report(db, draft).deviations == ()
        service.open_study(db, draft)
        assert [one.said for one in plan_report(db, draft).deviations] == [
            "The pilot faces-pilot had 0 participants."
        ]


class TestWhereItIsRead:
    def test_the_page_shows_plan_hash_and_deviations(self, editor, db, study):
        change(db, study, title="Other")
        page = read(editor.get("/staff/studies/faces/plan"))
        assert study.plan_hash == page.text(".plan__hash")
        assert "Painting raises accuracy." in page.text("ol:first-of-type")
        assert "changed title: Better." in page.text("[aria-labelledby=deviations] tbody")

    def test_the_api_answers_with_the_same(self, editor, db, study):
        told = editor.get("/api/studies/faces/plan").json()
        assert (told["hash"], told["plan"]["participants"], told["deviations"]) == (study.plan_hash, 2, [])


def describe(**options) -> StudySpec:
    plain = {
        "slug": "faces",
        "title": "Faces",
        "trials_per_participant": 2,
        "judgements": 1,
        "arms": [{"name": "paint", "annotate": True}],
        "plan": PLAN,
        "pairs": {"per_source": 2, "sources": ["gan"]},
    }
    return StudySpec.model_validate(plain | options)


def make_draft(db, blobs, **options):
    for image in make_images(db, blobs, count=2):
        if image.label == "fake":
            image.source = "gan"
    return service.create_study(db, describe(**options))


def opened(db, blobs, **options):
    made = service.open_study(db, make_draft(db, blobs, **options))
    db.commit()
    assert made.state is StudyState.OPEN
    return made


@pytest.fixture
def study(db, blobs):
    return opened(db, blobs)


def change(db, study, **options) -> None:
    said = StudySpec.model_validate(description_of(db, study) | options)
    service.revise(db, study, said, reason="Better.")
    db.commit()


def take_part(client, study) -> None:
    visitor = Visitor(client, study.slug)
    visitor.consent(consent_version=study.consent_version)
    visitor.finish()
