"""Quality flags in the database and on the pages: raised, replaced, shown, never a rejection."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from app.cli import app as cli
from app.cli import commands as _registers  # noqa: F401
from app.models import SET_ASIDE, ParticipantState, QualityFlag, Role, Screening, TrialKind, TrialState
from app.quality.rules import KINDS
from app.quality.service import (
    HONEYPOT,
    SENTENCES,
    check_participant,
    check_study,
    flags_by_kind,
    set_aside,
)
from app.recruitment.service import screen_out, withdraw
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)

OURS = {"origin": "http://127.0.0.1:8000"}
POINTS = [[10.0 + 9 * n, 20.0 + n * n / 9, 1600.0 + 20 * n] for n in range(12)]


def test_every_kind_has_a_sentence_and_is_in_the_docs():
    text = Path("docs/quality.md").read_text("utf-8")
    assert set(SENTENCES) == {HONEYPOT, SET_ASIDE, *KINDS}
    assert [kind for kind in SENTENCES if f"`{kind}`" not in text] == []


class TestCheck:
    def test_strokes_are_read_from_the_database(self, db, participant, paint):
        paint(participant)
        paint(participant)
        assert check_participant(db, participant.id) == 1
        assert raised(db) == ["identical_strokes"]

    def test_checking_again_replaces_and_does_not_add(self, db, participant, paint):
        paint(participant, decision_ms=90.0)
        for _ in range(2):
            check_participant(db, participant.id)
        assert raised(db) == ["fast_decision"]

    def test_what_the_page_told_of_the_input_is_read(self, db, participant, paint):
        paint(participant, events=[{"kind": "controlled", "t_ms": 9.0, "webdriver": 1.0}])
        check_participant(db, participant.id)
        (flag,) = db.scalars(select(QualityFlag).where(QualityFlag.participant_id == participant.id))
        assert (flag.kind, flag.detail) == (
            "automation",
            {"evidence": [{"name": "controlled", "found": 1.0, "limit": 1}]},
        )

    def test_facts_that_are_no_numbers_are_no_evidence(self, db, participant, paint):
        paint(
            participant, events=[{"kind": "controlled", "t_ms": 9.0, "webdriver": "yes"}, {"kind": "mouse"}]
        )
        assert check_participant(db, participant.id) == 0

    def test_practice_is_not_looked_at(self, db, participant, paint):
        paint(participant, kind=TrialKind.PRACTICE, decision_ms=90.0)
        assert check_participant(db, participant.id) == 0

    def test_what_was_seen_on_arrival_is_never_taken_back(self, db, participant):
        db.add(QualityFlag(participant_id=participant.id, kind=HONEYPOT, detail={}))
        check_participant(db, participant.id)
        assert raised(db) == [HONEYPOT]

    def test_nobody_is_rejected(self, db, participant, paint):
        paint(participant, decision_ms=90.0)
        check_participant(db, participant.id)
        db.refresh(participant)
        assert participant.state is ParticipantState.ACTIVE

    def test_whoever_withdrew_has_no_flags(self, db, participant, paint):
        paint(participant, decision_ms=90.0)
        check_participant(db, participant.id)
        withdraw(db, participant)
        assert check_participant(db, participant.id) == 0
        assert raised(db) == []

    def test_a_whole_study_is_checked_and_counted_by_kind(self, db, session_factory, study, arm, people):
        for _ in range(3):
            people(decision_ms=90.0)
        seen = []
        check_study(session_factory, study, lambda done, total: seen.append((done, total)))
        assert seen == [(1, 3), (2, 3), (3, 3)]
        assert flags_by_kind(db, study.id) == [{"kind": "fast_decision", "participants": 3, "flags": 3}]


class TestWhen:
    def test_whoever_is_screened_out_is_looked_at_too(self, db, participant):
        screen_out(db, participant, Screening.CHECKS)
        jobs = db.execute(text("SELECT task_name, args->>'participant_id' FROM procrastinate_jobs"))
        assert jobs.all() == [("quality.check", str(participant.id))]


class TestPages:
    def test_the_list_shows_only_the_flagged_when_asked(self, editor, db, study, people):
        flagged, fine = people(decision_ms=90.0), people()
        check_participant(db, flagged.id)
        db.commit()
        page = editor.get(f"/staff/studies/{study.slug}/participants?flag=any").text
        assert str(flagged.id) in page
        assert str(fine.id) not in page
        assert (
            str(flagged.id) not in editor.get(f"/staff/studies/{study.slug}/participants?flag=one_side").text
        )

    def test_a_participant_is_checked_again_on_their_page(self, editor, db, study, people):
        someone = people(decision_ms=90.0)
        address = f"/staff/studies/{study.slug}/participants/{someone.id}"
        assert editor.post(f"{address}/check", headers={"origin": "http://127.0.0.1:8000"}).status_code == 303
        assert SENTENCES["fast_decision"] in editor.get(address).text

    def test_evidence_stands_there_with_its_limits_whoever_looks(self, log_in, db, study, people):
        events = [{"kind": "scripted", "t_ms": 9, "presses": 1, "moves": 24, "clicks": 0, "keys": 0}]
        someone = people(events=events)
        address = f"/staff/studies/{study.slug}/participants/{someone.id}"
        viewer = log_in(Role.VIEWER)
        assert "1 of 11 measures looks like a program" in viewer.get(address).text
        told = viewer.get(f"/api/studies/{study.slug}/participants/{someone.id}").json()["evidence"]
        (met,) = [one for one in told if one["is_met"]]
        assert (met["name"], met["found"], met["limit"]) == ("scripted_pointer", 25, 3)

    def test_what_interrupted_a_judgement_stands_beside_its_times(self, editor, db, study, people):
        events = [
            {"kind": "hidden", "t_ms": 1000},
            {"kind": "visible", "t_ms": 3500},
            {"kind": "reload", "t_ms": 4000, "away_ms": 61_000},
        ]
        someone = people(events=events)
        page = editor.get(f"/staff/studies/{study.slug}/participants/{someone.id}").text
        assert "hidden 2.5 s, away 61.0 s (1 × reloaded)" in page

    def test_somebody_is_set_aside_and_taken_back(self, editor, db, study, people):
        someone, other = people(), people()
        set_aside(db, other, reason="")
        address = f"/staff/studies/{study.slug}/participants/{someone.id}"
        for reason in ("guessed", "wrote that they guessed"):
            editor.post(f"{address}/set-aside", data={"reason": reason}, headers=OURS)
        check_participant(db, someone.id)
        assert raised(db) == ["set_aside"] * 2
        assert "wrote that they guessed" in editor.get(address).text
        editor.post(f"{address}/take-back", headers=OURS)
        assert list(db.scalars(select(QualityFlag.participant_id))) == [other.id]

    def test_a_viewer_may_not_check(self, log_in, study, people):
        someone = people()
        viewer = log_in(Role.VIEWER)
        address = f"/staff/studies/{study.slug}/participants/{someone.id}/check"
        assert viewer.post(address, headers={"origin": "http://127.0.0.1:8000"}).status_code == 403


class TestCommand:
    def test_it_checks_and_counts(self, cyborg, db, study, people):
        people(decision_ms=90.0)
        counts = json.loads(cyborg(study.slug, "--json").output)
        assert counts == [{"kind": "fast_decision", "participants": 1, "flags": 1}]
        assert SENTENCES["fast_decision"][:20] in cyborg(study.slug).output

    def test_a_study_without_flags_says_so(self, cyborg, study):
        assert cyborg(study.slug).output == "No flags.\n"


def raised(db) -> list[str]:
    return list(db.scalars(select(QualityFlag.kind).order_by(QualityFlag.id)))


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def study(db):
    return StudyFactory()


@pytest.fixture
def arm(db, study):
    return ArmFactory(study_id=study.id)


@pytest.fixture
def participant(db, arm):
    return ParticipantFactory(arm=arm, consented_at=datetime.now(UTC) - timedelta(hours=1))


@pytest.fixture
def paint():
    """One decided trial of a participant, with one stroke."""

    def make(who, points=POINTS, *, kind=TrialKind.MAIN, decision_ms=1500.0, events=()):
        trial = TrialFactory(participant=who, kind=kind, state=TrialState.DECIDED)
        decision = DecisionFactory(
            trial=trial, decision_ms=decision_ms, annotation_ms=9000.0, events=list(events)
        )
        StrokeFactory(annotation_id=AnnotationFactory(decision=decision).id, points=points)

    return make


@pytest.fixture
def people(arm, paint):
    """A new participant with one painted decision."""

    def make(**decision):
        someone = ParticipantFactory(arm=arm, consented_at=datetime.now(UTC) - timedelta(hours=1))
        paint(someone, **decision)
        return someone

    return make


@pytest.fixture
def cyborg(session_factory, settings, monkeypatch):
    """`cyborg quality …` on the test's own transaction."""

    @contextmanager
    def opened():
        yield SimpleNamespace(sessions=session_factory)

    monkeypatch.setattr("app.cli.quality.opened", opened)

    def run(*arguments):
        result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["quality", *arguments])
        assert result.exit_code == 0, result.output
        return SimpleNamespace(output=result.stdout)

    return run
