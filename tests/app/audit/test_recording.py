"""Every change of a person leaves an entry, in the transaction of the change."""

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from app.accounts.service import add_staff, login_link
from app.audit.recording import Actor, action_of, note, unwatched, watch, watched
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.db import to_json
from app.models import AuditEntry, Channel, Participant, QualityFlag, Role, Staff, Study, StudyState
from app.security import passwords
from app.studies.service import open_study
from tests.support.factories import ParticipantFactory, StaffFactory
from tests.support.worlds import make_study

ADA = Actor(who="ada@lab.example", channel=Channel.PAGE, action="study.open", staff_id=1)


class TestAnEntry:
    def test_it_says_what_a_row_was_before_and_is_now(self, session, study):
        session.get_one(Study, study.id).state = StudyState.OPEN
        session.commit()
        entry = session.scalars(select(AuditEntry)).one()
        assert (entry.who, entry.action, entry.subject) == (
            "ada@lab.example",
            "study.open",
            f"study {study.slug}",
        )
        assert entry.changes == [f"study {study.slug}: state draft → open"]

    def test_there_is_one_for_a_transaction_with_many_changes(self, session, study):
        session.get_one(Study, study.id).title = "Faces"
        session.flush()
        session.add(Staff(email="bob@lab.example", name="Bob", role=Role.VIEWER))
        session.commit()
        entry = session.scalars(select(AuditEntry)).one()
        assert [line.partition(":")[0] for line in entry.changes] == [
            f"study {study.slug}",
            "staff bob@lab.example created",
        ]

    def test_the_next_transaction_has_its_own(self, session, study):
        for title in ("One", "Two"):
            session.get_one(Study, study.id).title = title
            session.commit()
        assert len(session.scalars(select(AuditEntry)).all()) == 2

    def test_what_changes_nothing_leaves_none(self, session, study):
        session.get_one(Study, study.id).title = study.title
        session.commit()
        assert session.scalars(select(AuditEntry)).all() == []

    def test_what_is_rolled_back_leaves_none(self, session, study):
        session.get_one(Study, study.id).title = "Never"
        session.flush()
        session.rollback()
        session.commit()
        assert session.scalars(select(AuditEntry)).all() == []

    def test_what_a_savepoint_takes_back_is_not_in_it(self, session, study):
        session.get_one(Study, study.id).title = "Kept"
        with session.begin_nested() as point:
            session.add(Staff(email="never@lab.example", name="N", role=Role.VIEWER))
            session.flush()
            point.rollback()
        with session.begin_nested():
            session.add(Staff(email="kept@lab.example", name="K", role=Role.VIEWER))
        session.commit()
        changes = session.scalars(select(AuditEntry)).one().changes
        assert [line.split()[1].rstrip(":") for line in changes] == [study.slug, "kept@lab.example"]

    def test_a_statement_that_loads_no_row_is_in_it(self, session, study):
        session.execute(update(Study).where(Study.id == study.id).values(title="Another"))
        session.execute(delete(QualityFlag))
        session.commit()
        assert session.scalars(select(AuditEntry)).one().changes == [
            "study rows changed",
            "quality flag rows deleted",
        ]

    def test_a_note_stands_for_what_no_row_shows(self, session):
        note(session, "logged in")
        session.commit()
        assert session.scalars(select(AuditEntry)).one().changes == ["logged in"]

    def test_it_holds_no_secret_and_nothing_that_a_participant_wrote(self, session):
        person = add_staff(session, email="c@lab.example", name="C", role=Role.VIEWER)
        person.password_hash = passwords.hash("correct horse battery")
        link = login_link(session, person)
        participant = session.scalars(select(Participant)).one()
        participant.answers, participant.completion_code = {"age": "forty-two"}, "CODE-CODE"
        session.commit()
        said = to_json(session.scalars(select(AuditEntry)).one().changes)
        assert "answers changed" in said
        for secret in ("argon2", link.rpartition("/")[2], "forty-two", "CODE-CODE"):
            assert secret not in said

    def test_a_very_long_list_of_changes_is_cut(self, session, monkeypatch):
        monkeypatch.setattr("app.audit.recording.MOST_LINES", 40)
        for number in range(60):
            session.add(Staff(email=f"n{number}@lab.example", name="N", role=Role.VIEWER))
        session.commit()
        changes = session.scalars(select(AuditEntry)).one().changes
        assert (len(changes), changes[-1]) == (41, "and 20 more")


class TestTheTable:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET who = 'nobody'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
        ],
    )
    def test_postgresql_refuses_to_change_or_delete_an_entry(self, session, statement):
        note(session, "logged in")
        session.commit()
        with pytest.raises(ProgrammingError, match="neither changed nor deleted"), session.begin_nested():
            session.execute(text(statement))
        assert session.scalars(select(AuditEntry.who)).all() == ["ada@lab.example"]


class TestSessions:
    def test_those_of_a_factory_all_write(self, session_factory, study):
        sessions = watched(session_factory, ADA)
        with sessions.begin() as session:
            open_study(session, session.get_one(Study, study.id))
        with sessions() as session:
            assert session.scalars(select(AuditEntry.action)).all() == ["study.open"]

    def test_those_of_background_work_do_not(self, session_factory, study):
        with unwatched(watched(session_factory, ADA)).begin() as session:
            session.get_one(Study, study.id).title = "Another"
            assert session.scalars(select(AuditEntry)).all() == []


class TestActions:
    @pytest.mark.parametrize(
        ("method", "path", "action"),
        [
            ("POST", "/staff/studies/{slug}/open", "study.open"),
            ("POST", "/staff/studies/new", "study.new"),
            ("POST", "/staff/people", "staff.create"),
            ("POST", "/staff/people/{staff_id}/role", "staff.role"),
            ("POST", "/staff/studies/{slug}/maps", "study.maps.create"),
            ("DELETE", "/api/v1/notes/{note_id}", "note.delete"),
            (
                "POST",
                "/staff/studies/{slug}/participants/{participant_id}/withdraw",
                "study.participant.withdraw",
            ),
        ],
    )
    def test_their_names_come_from_the_address(self, method, path, action):
        assert action_of(method, path) == action


class TestPages:
    def test_a_change_names_who_what_and_from_where(self, client, db, log_in, study):
        log_in(Role.EDITOR)
        answer = client.post(f"/staff/studies/{study.slug}/open")
        entry = db.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.subject) == ("study.open", f"study {study.slug}")
        assert (entry.address, entry.request_id) == ("testclient", answer.headers["x-request-id"])
        assert entry.channel is Channel.PAGE

    def test_a_refusal_leaves_none(self, client, db, log_in, study):
        log_in(Role.EDITOR)
        client.post(f"/staff/studies/{study.slug}/open")
        assert client.post(f"/staff/studies/{study.slug}/open").status_code == 409
        assert len(db.scalars(select(AuditEntry)).all()) == 1

    def test_a_login_is_in_it_and_its_token_is_not(self, client, db):
        person = StaffFactory()
        link = login_link(db, person)
        db.commit()
        client.post(link)
        client.post("/logout")
        entries = db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [entry.action for entry in entries] == ["account.login", "account.logout"]
        assert link.rpartition("/")[2] not in str([vars(entry) for entry in entries])

    @pytest.mark.parametrize("name", ["decisions.csv", "annotations.jsonl", "export.zip", "links.csv"])
    def test_a_download_is_in_it(self, client, db, log_in, study, name):
        log_in(Role.EDITOR)
        assert client.get(f"/api/studies/{study.slug}/{name}").status_code == 200
        entry = db.scalars(select(AuditEntry)).one()
        assert (entry.subject, entry.changes) == (f"study {study.slug}", [f"downloaded {name}"])

    def test_a_download_of_payments_is_in_it(self, client, db, log_in):
        log_in(Role.FINANCE)
        client.get("/staff/payments.csv")
        assert db.scalars(select(AuditEntry)).one().changes == ["downloaded payments.csv"]

    def test_the_list_is_filtered_and_goes_on(self, client, db, log_in, monkeypatch):
        monkeypatch.setattr("app.dashboard.audit.PAGE_SIZE", 2)
        log_in(Role.ADMIN)
        for who in ("ada", "bob", "ada", "ada"):
            db.add(
                AuditEntry(
                    who=who, channel="page", action="x", subject="", changes=[], address="", request_id=""
                )
            )
        db.commit()
        first = client.get("/staff/audit?who=ADA").text
        assert (first.count("<td>ada"), "Next page" in first, "<td>bob" in first) == (2, True, False)

    def test_the_file_has_every_entry_and_no_formula(self, client, db, log_in):
        log_in(Role.ADMIN)
        db.add(
            AuditEntry(
                who="=1+1",
                channel="page",
                action="x",
                subject="",
                changes=["a", "b"],
                address="",
                request_id="",
            )
        )
        db.commit()
        lines = client.get("/staff/audit/entries.csv").text.splitlines()
        assert lines[0].startswith("id,at,who,channel")
        assert ",'=1+1,page,,x,,a; b,," in lines[1]


class TestCommands:
    def test_the_account_and_the_command_are_in_it(self, own_database, monkeypatch, tmp_path):
        settings, sessions = own_database
        monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
        monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("USER", "ada")
        monkeypatch.setenv("LOGNAME", "ada")
        CliRunner().invoke(app, ["staff", "add", "bob@lab.example"])
        with sessions() as session:
            entry = session.scalars(select(AuditEntry)).one()
        assert (entry.who.partition("@")[0], entry.channel, entry.action) == (
            "ada",
            Channel.COMMAND,
            "staff.add",
        )
        assert "staff bob@lab.example created" in entry.changes[0]
        assert "bob@lab.example" in CliRunner().invoke(app, ["audit", "--json"]).output


@pytest.fixture
def study(db):
    made = make_study(db, state=StudyState.DRAFT)
    db.commit()
    return made


@pytest.fixture
def session(session_factory, db):
    """Watched, beside a participant who is not."""
    ParticipantFactory()
    with session_factory() as session:
        watch(session, ADA)
        yield session
