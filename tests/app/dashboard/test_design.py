import pytest
from sqlalchemy import func, select

from app.models import Arm, Label, Pair, Quota, Study, StudyState
from app.models.tallies import tally
from app.studies.schemas import parse_study
from app.studies.service import create_study
from tests.support.factories import ImageFactory, StudyFactory
from tests.support.pages import read

TOML = """
slug = "faces"
title = "Which face is real?"
trials_per_participant = 1
[pairs]
per_source = 2
sources = ["gan"]
"""


class TestNewFromToml:
    @pytest.mark.parametrize("before", ["", "\ufeff"], ids=["plain", "byte order mark"])
    def test_it_makes_a_draft(self, editor, db, faces, before):
        answer = editor.post("/staff/studies/new/toml", data={"toml": before + TOML})
        assert answer.headers["location"] == "/staff/studies/faces"
        assert found(db, "faces").state is StudyState.DRAFT

    @pytest.mark.parametrize("toml", ["= no toml", TOML + "colour = 1", "", TOML.replace("2", "0")])
    def test_a_mistake_is_told_and_the_text_kept(self, editor, db, faces, toml):
        answer = editor.post("/staff/studies/new/toml", data={"toml": toml})
        assert answer.status_code == 422
        assert read(answer).text("[role=alert]")
        assert read(answer).text("textarea#toml") == " ".join(toml.split())
        assert found(db, "faces") is None

    def test_chosen_files_count_instead_of_the_text(self, editor, db, faces):
        named = TOML.partition("per_source")[0] + 'file = "pairs.csv"'
        pairs = f"real,fake\n{faces[0]},{faces[1]}"
        files = [("files", ("study.toml", named)), ("files", ("pairs.csv", pairs))]
        answer = editor.post("/staff/studies/new/toml", data={"toml": "= no toml"}, files=files)
        assert answer.headers["location"] == "/staff/studies/faces"
        assert db.scalar(select(func.count()).where(Pair.study_id == found(db, "faces").id)) == 1

    def test_a_file_that_is_no_text_is_told(self, editor, faces):
        files = [("files", ("study.toml", b"\xff\xfe\x00"))]
        answer = editor.post("/staff/studies/new/toml", data={"toml": ""}, files=files)
        assert "study.toml" in read(answer).text("[role=alert]")


class TestDesign:
    def test_everybody_sees_and_downloads_the_description(self, viewer, draft):
        assert 'slug = "faces"' in read(viewer.get("/staff/studies/faces/design")).text("pre")
        answer = viewer.get("/staff/studies/faces/study.toml")
        assert answer.headers["content-disposition"] == 'attachment; filename="faces.toml"'
        assert parse_study(answer.text, {}) == parse_study(TOML, {})

    def test_viewers_are_offered_nothing_that_changes_it(self, viewer, draft):
        offered = read(viewer.get("/staff/studies/faces/design")).values("main a.button", "href")
        assert offered == [
            "/staff/studies/faces/preview",
            "/staff/studies/faces/plan",
            "/staff/studies/faces/study.toml",
            "/staff/studies/faces/history/1/study.toml",
        ]

    @pytest.mark.parametrize("state", ["open", "paused"])
    def test_a_study_that_was_opened_is_changed_and_not_deleted(self, editor, db, draft, state):
        draft.state = StudyState(state)
        db.commit()
        offered = read(editor.get("/staff/studies/faces/design")).values("main a.button", "href")
        assert offered[0] == "/staff/studies/faces/edit"
        assert editor.get("/staff/studies/faces/edit/toml").status_code == 200
        assert editor.post("/staff/studies/faces/delete").status_code == 409

    def test_a_study_that_was_closed_is_shown_and_duplicated_alone(self, editor, db, draft):
        draft.state = StudyState.CLOSED
        db.commit()
        page = read(editor.get("/staff/studies/faces/design"))
        assert 'slug = "faces"' in page.text("pre")
        assert page.values("main a.button", "href") == [
            "/staff/studies/new?like=faces",
            "/staff/studies/faces/preview",
            "/staff/studies/faces/plan",
            "/staff/studies/faces/study.toml",
            "/staff/studies/faces/history/1/study.toml",
        ]
        assert editor.get("/staff/studies/faces/edit/toml").status_code == 409
        assert editor.post("/staff/studies/faces/edit/toml", data={"toml": TOML}).status_code == 409
        assert editor.post("/staff/studies/faces/delete").status_code == 409


class TestEdit:
    def test_the_draft_becomes_what_is_saved(self, editor, db, draft):
        new = TOML.replace('"faces"', '"other"').replace("per_source = 2", "per_source = 1")
        arms = '[[arms]]\nname = "only"\nannotate = true\n'
        answer = editor.post("/staff/studies/faces/edit/toml", data={"toml": new + arms})
        assert answer.headers["location"] == "/staff/studies/other/design"
        db.refresh(draft)
        assert (draft.slug, draft.spec["pairs"]["per_source"]) == ("other", 1)
        assert db.scalars(select(Arm.name).where(Arm.study_id == draft.id)).all() == ["only"]
        assert db.scalar(select(func.count()).where(Pair.study_id == draft.id)) == 1
        wanted = select(func.sum(tally.c.number)).where(tally.c.study_id == draft.id)
        quota = select(func.sum(Quota.wanted)).join(Arm, Arm.id == Quota.arm_id)
        assert db.scalar(wanted) == db.scalar(quota.where(Arm.study_id == draft.id)) == 10

    def test_a_mistake_leaves_it_as_it_was(self, editor, db, draft):
        pairs = db.scalars(select(Pair.id).where(Pair.study_id == draft.id)).all()
        for new in (TOML.replace("per_source = 2", "per_source = 99"), "slug = 3"):
            answer = editor.post("/staff/studies/faces/edit/toml", data={"toml": new})
            assert read(answer).text("[role=alert]")
        assert db.scalars(select(Pair.id).where(Pair.study_id == draft.id)).all() == pairs

    def test_the_name_of_another_study_is_refused(self, editor, db, draft):
        StudyFactory(slug="taken")
        answer = editor.post("/staff/studies/faces/edit/toml", data={"toml": TOML.replace("faces", "taken")})
        assert "There is a study taken already." in read(answer).text("[role=alert]")


class TestDelete:
    def test_a_draft_goes_with_all_it_shows(self, editor, db, draft):
        others = db.scalar(select(func.count()).select_from(Pair).where(Pair.study_id != draft.id))
        assert editor.post("/staff/studies/faces/delete").headers["location"] == "/staff/studies"
        assert "is deleted" in read(editor.get("/staff/studies")).text(".notice__title")
        assert found(db, "faces") is None
        assert db.scalar(select(func.count()).select_from(Pair)) == others
        assert db.scalar(select(func.count()).where(tally.c.study_id == draft.id)) == 0


@pytest.fixture
def faces(noise):
    """Content hashes of a real and of a fake image; there is a second of each."""
    images = [
        ImageFactory(label=label, source=source, width=64, height=64)
        for label, source in ((Label.REAL, "camera"), (Label.FAKE, "gan"))
        for _ in range(2)
    ]
    return images[0].content_hash, images[2].content_hash


@pytest.fixture
def draft(db, faces) -> Study:
    study = create_study(db, parse_study(TOML, {}))
    db.commit()
    return study


def found(db, slug) -> Study | None:
    return db.scalar(select(Study).where(Study.slug == slug).execution_options(populate_existing=True))
