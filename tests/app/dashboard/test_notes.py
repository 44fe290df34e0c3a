"""Notes of staff, on the pages of what they are about."""

import pytest
from sqlalchemy import select

from app.models import AuditEntry, Participant, Role, StaffNote
from app.recruitment.service import withdraw
from tests.support.factories import ImageFactory, ParticipantFactory
from tests.support.worlds import make_study


class TestNotes:
    @pytest.mark.parametrize("thing", ["study", "participant", "image"])
    def test_they_are_shown_on_the_page_with_their_author(self, editor, pages, thing):
        editor.post(f"{pages[thing]}/notes", data={"text": "Saw <b>this</b>.\nTwice."})
        page = editor.get(pages[thing]).text
        assert "Saw &lt;b&gt;this&lt;/b&gt;.\nTwice." in page
        assert "A Colleague, " in page

    @pytest.mark.parametrize("thing", ["study", "participant", "image"])
    def test_they_are_on_no_other_page(self, editor, pages, thing):
        editor.post(f"{pages[thing]}/notes", data={"text": "Only here."})
        shown = [name for name, address in pages.items() if "Only here." in editor.get(address).text]
        assert shown == [thing]

    def test_an_empty_one_is_refused(self, editor, pages, db):
        assert editor.post(f"{pages['study']}/notes", data={"text": "  "}).status_code == 422
        assert db.scalars(select(StaffNote)).all() == []

    def test_a_viewer_reads_and_writes_none(self, editor, pages, log_in):
        editor.post(f"{pages['study']}/notes", data={"text": "Read me."})
        viewer = log_in(Role.VIEWER)
        page = viewer.get(pages["study"]).text
        assert ("Read me." in page, "/notes" in page) == (True, False)

    def test_only_its_author_and_admins_delete_one(self, editor, pages, log_in, db):
        editor.post(f"{pages['study']}/notes", data={"text": "Mine."})
        number = db.scalars(select(StaffNote.id)).one()
        assert log_in(Role.EDITOR).post(f"/staff/notes/{number}/delete").status_code == 403
        answer = log_in(Role.ADMIN).post(f"/staff/notes/{number}/delete")
        assert answer.headers["location"] == pages["study"]
        assert db.scalars(select(StaffNote)).all() == []

    def test_the_audit_log_says_that_and_not_what(self, editor, pages, db):
        editor.post(f"{pages['study']}/notes", data={"text": "Between us."})
        entry = db.scalars(select(AuditEntry)).one()
        assert entry.action == "study.note.create"
        assert "Between us" not in str(entry.changes)

    def test_those_on_a_participant_go_with_their_work(self, editor, pages, db):
        editor.post(f"{pages['participant']}/notes", data={"text": "About them."})
        withdraw(db, db.scalars(select(Participant)).one())
        assert db.scalars(select(StaffNote)).all() == []


@pytest.fixture
def pages(db):
    """Addresses by what they are about."""
    study = make_study(db)
    participant = ParticipantFactory(study_id=study.id)
    return {
        "study": f"/staff/studies/{study.slug}",
        "participant": f"/staff/studies/{study.slug}/participants/{participant.id}",
        "image": f"/staff/images/{ImageFactory().id}",
    }
