"""The history of a draft: every save is kept, compared, and brought back by one press."""

import pytest
from sqlalchemy import select

from app.errors import EditedMeanwhile, NotFound, WrongState
from app.models import AuditEntry, DraftSave, Pair
from app.studies import drafts, service
from app.studies.pilots import start_pilot
from app.studies.schemas import StudySpec
from app.studies.versions import ChangedKey
from tests.support.factories import StaffFactory
from tests.support.pages import read
from tests.support.worlds import make_images

EDIT = "/staff/studies/faces/edit/toml"
DESIGN = "/staff/studies/faces/design"


class TestSaves:
    def test_each_says_who_and_what(self, db, draft):
        change(db, draft, staff_id=StaffFactory(name="Ada").id, title="Other")
        second, first = drafts.history_of(db, draft)
        assert (first.number, first.made_by, first.differences) == (1, None, ())
        assert (second.number, second.made_by) == (2, "Ada")
        assert second.differences == (ChangedKey("title", (("-", "Faces"), ("+", "Other"))),)

    def test_saving_the_same_again_is_no_save(self, db, draft):
        change(db, draft)
        assert len(drafts.history_of(db, draft)) == 1

    def test_a_refused_change_leaves_none(self, editor, db, draft):
        assert editor.post(EDIT, data={"toml": "slug = 'faces'"}).status_code == 422
        assert len(drafts.history_of(db, draft)) == 1

    def test_they_stay_when_the_study_opens_and_versions_are_none(self, db, draft):
        change(db, draft, title="Other")
        service.open_study(db, draft)
        service.revise(db, draft, describe(title="Third"), reason="Better.")
        assert [one.number for one in drafts.history_of(db, draft)] == [2, 1]

    def test_a_pilot_has_none_and_a_deleted_draft_leaves_none(self, db, draft):
        assert drafts.history_of(db, start_pilot(db, draft)) == []
        other = service.create_study(db, describe(slug="other"))
        service.delete_draft(db, other)
        assert set(db.scalars(select(DraftSave.study_id))) == {draft.id}


class TestRestoring:
    def test_it_is_a_save_of_its_own_and_builds_the_pairs(self, db, draft):
        change(db, draft, title="Other", pairs={"per_source": 1}, trials_per_participant=1)
        service.restore(db, draft, 1, staff_id=StaffFactory(name="Ada").id)
        newest = drafts.history_of(db, draft)[0]
        assert (newest.number, newest.restored, newest.made_by, draft.title) == (3, 1, "Ada", "Faces")
        assert len(db.scalars(select(Pair).where(Pair.study_id == draft.id)).all()) == 2

    def test_what_is_restored_can_be_undone_the_same_way(self, db, draft):
        change(db, draft, title="Other")
        service.restore(db, draft, 1)
        service.restore(db, draft, 2)
        assert draft.title == "Other"
        assert [one.restored for one in drafts.history_of(db, draft)] == [2, 1, None, None]

    def test_a_former_name_comes_back_too(self, editor, db, draft):
        change(db, draft, slug="renamed")
        db.commit()
        answer = editor.post("/api/studies/renamed/history/1/restore")
        assert answer.json()["slug"] == "faces"

    def test_only_a_draft_is_restored_and_only_what_there_is(self, db, draft):
        with pytest.raises(NotFound, match="no save 7"):
            service.restore(db, draft, 7)
        service.open_study(db, draft)
        with pytest.raises(WrongState, match="can be restored"):
            service.restore(db, draft, 1)


class TestTwoWhoEditAtOnce:
    def test_the_later_one_is_told_who_saved_and_when(self, db, draft):
        edition = service.edition(draft)
        change(db, draft, staff_id=StaffFactory(name="Ada").id, title="Hers")
        said = r"^Ada saved this study on \d+ \w+ \d{4} at \d\d:\d\d UTC, after you began"
        with pytest.raises(EditedMeanwhile, match=said):
            change(db, draft, based_on=edition, title="His")
        with pytest.raises(EditedMeanwhile, match=said):
            service.restore(db, draft, 1, based_on=edition)
        assert draft.title == "Hers"

    def test_what_is_saved_over_all_the_same_can_be_restored(self, editor, db, draft):
        form = read(editor.get(EDIT))
        toml = form.find("textarea#toml").text_content().replace('"Faces"', '"Mine"')
        change(db, draft, staff_id=StaffFactory(name="Ada").id, title="Hers")
        db.commit()
        sent = {"toml": toml, "based_on": form.values("[name=based_on]", "value")[0]}
        refused = read(editor.post(EDIT, data=sent))
        assert "Ada saved this study" in refused.text("[role=alert]")
        sent["based_on"] = refused.values("[name=based_on]", "value")[0]
        assert editor.post(EDIT, data=sent).status_code == 303
        said = [one.differences[0].lines for one in drafts.history_of(db, draft)[:2]]
        assert said == [(("-", "Hers"), ("+", "Mine")), (("-", "Faces"), ("+", "Hers"))]


class TestWhereItIsRead:
    def test_the_design_shows_it_and_one_press_restores(self, editor, db, draft):
        change(db, draft, title="Other")
        db.commit()
        page = read(editor.get(DESIGN))
        assert page.texts("#history ~ details strong") == ["Save 2", "Save 1"]
        assert (page.text("del"), page.text("ins")) == ("− Faces", "+ Other")
        (address,) = page.values("#history ~ details form", "action")
        sent = {"based_on": page.values("#history ~ details [name=based_on]", "value")[0]}
        assert editor.post(address, data=sent).headers["location"] == DESIGN
        assert "restored save 1" in read(editor.get(DESIGN)).texts("#history ~ details summary")[0]

    def test_a_page_that_is_out_of_date_restores_nothing(self, editor, db, draft):
        answer = editor.post("/staff/studies/faces/history/1/restore", data={"based_on": "0" * 16})
        assert answer.status_code == 409
        assert "saved this study" in answer.text

    def test_the_api_and_downloads_have_every_save(self, editor, db, draft):
        change(db, draft, title="Other")
        db.commit()
        told = editor.get("/api/studies/faces/history").json()
        assert [(one["number"], one["restored"]) for one in told] == [(2, None), (1, None)]
        assert told[0]["differences"] == [{"key": "title", "lines": ["-Faces", "+Other"]}]
        for where in ("api", "staff"):
            answer = editor.get(f"/{where}/studies/faces/history/1/study.toml")
            assert 'title = "Faces"' in answer.text

    def test_restoring_is_in_the_audit_log(self, editor, db, draft):
        change(db, draft, title="Other")
        db.commit()
        editor.post("/api/studies/faces/history/1/restore")
        entry = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (entry.action, entry.subject) == ("study.history.restore", "study faces, number 1")
        assert "title Other → Faces" in " ".join(entry.changes)
        assert any("draft save created" in line and "restored 1" in line for line in entry.changes)


def describe(**changes):
    spec = {"slug": "faces", "title": "Faces", "trials_per_participant": 2, "pairs": {"per_source": 2}}
    return StudySpec.model_validate(spec | changes)


def change(db, draft, *, based_on=None, staff_id=None, **changes):
    service.revise(db, draft, describe(**changes), based_on=based_on, staff_id=staff_id)


@pytest.fixture
def draft(db, blobs):
    make_images(db, blobs, count=3)
    made = service.create_study(db, describe())
    db.commit()
    return made
