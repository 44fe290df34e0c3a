"""Whom a study's rules exclude, what that changes, and how it is undone."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select
from typer.testing import CliRunner

from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.exports import queries as exports
from app.maps.queries import inclusion_rows
from app.models import (
    AuditEntry,
    Decision,
    MapSet,
    Participant,
    ParticipantState,
    QualityFlag,
    Quota,
    Trial,
    TrialKind,
)
from app.quality.exclusion_rules import VisitFacts, reasons
from app.quality.exclusions import count_again, effect_of, exclude, excluded_in
from app.quality.service import SENTENCES
from app.recruitment.assignment import has_places
from app.recruitment.service import withdraw
from app.studies.parts import ExclusionsSpec, FlagKind
from app.studies.service import find_study
from app.studies.tallies import cells, differences
from tests.support.pages import read
from tests.support.worlds import Visitor, make_study

FACTS = VisitFacts(20, 15, 10, 0, 1500.0, 900.0, frozenset())


def met(rules, **changes):
    return [one.rule for one in reasons(replace(FACTS, **changes), ExclusionsSpec(**rules))]


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "within", "beyond"),
        [
            ({"failed_checks": 2}, {"failed_checks": 1}, {"failed_checks": 2}),
            ({"median_decision_ms": 800}, {"decision_ms": 800.0}, {"decision_ms": 799.9}),
            ({"median_annotation_ms": 500}, {"annotation_ms": 500.0}, {"annotation_ms": 499.0}),
            ({"one_side": 0.9}, {"left": 3}, {"left": 2}),
            ({"one_side": 0.9}, {"left": 17}, {"left": 18}),
            ({"correct_below": 0.5}, {"correct": 10}, {"correct": 9}),
            ({"flags": ["one_side"]}, {"flags": frozenset({"honeypot"})}, {"flags": frozenset({"one_side"})}),
        ],
    )
    def test_each_excludes_from_its_limit_on(self, rules, within, beyond):
        assert met(rules, **within) == []
        assert met(rules, **beyond) == list(rules)

    def test_nothing_found_excludes_nobody(self):
        nothing = {"main": 0, "correct": 0, "left": 0, "decision_ms": None, "annotation_ms": None}
        rules = {"median_decision_ms": 1, "median_annotation_ms": 1, "one_side": 0.6, "correct_below": 0.5}
        assert met(rules, **nothing) == []

    def test_every_reason_is_a_sentence(self):
        rules = ExclusionsSpec(failed_checks=1, one_side=0.6, correct_below=0.9, flags=["honeypot"])
        found = reasons(replace(FACTS, failed_checks=3, left=19, flags=frozenset({"honeypot"})), rules)
        assert [one.sentence for one in found] == [
            "Failed 3 checks; 1 exclude.",
            "Chose one side in 95% of the pairs; 60% exclude.",
            "Was right in 75% of the pairs; below 90% excludes.",
            "Has the quality flag honeypot.",
        ]

    def test_they_know_every_flag(self):
        assert set(get_args(FlagKind)) == set(SENTENCES)

    @pytest.mark.parametrize("said", [{}, {"flags": ["nonsense"]}, {"flags": ["one_side", "one_side"]}])
    def test_rules_that_say_nothing_or_nonsense_are_refused(self, said):
        with pytest.raises(ValidationError):
            ExclusionsSpec(**said)


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def study(db):
    """Four pairs, each wanted once for each question: two visits of four trials fill an arm."""
    rules = {"median_decision_ms": 800}
    return make_study(
        db, pairs=4, trials=4, judgements=1, arms=(True,), slug="ruled", spec={"exclusions": rules}
    )


@pytest.fixture
def visit(client, db, study):
    """Somebody who finishes; fast ones meet the rule."""

    def make(*, decision_ms=1500.0):
        visitor = Visitor(client, study.slug)
        assert visitor.consent().is_success
        while "trial" in (answer := visitor.next().json()):
            assert visitor.decide(answer["trial"]["id"], decision_ms=decision_ms).is_success
        return db.get_one(Participant, visitor.participant, populate_existing=True)

    return make


def taken(db, study):
    db.expire_all()
    return db.scalar(select(func.sum(Quota.taken)).where(Quota.arm_id.in_(arms(db, study))))


def wanted(db, study):
    return db.scalar(select(func.sum(Quota.wanted)).where(Quota.arm_id.in_(arms(db, study))))


def arms(db, study):
    return select(Participant.arm_id).where(Participant.study_id == study.id)


def judged(db, study):
    return sum(cell.decided for cell in cells(db, study.id))


def apply(db, study):
    number = exclude(db, study, seen=effect_of(db, study).seen)
    db.commit()
    return number


class TestEffect:
    def test_it_is_shown_before_anything_is_done(self, db, study, visit):
        fast, slow = visit(decision_ms=400.0), visit()
        effect = effect_of(db, study)
        assert [(one.participant_id, [why.rule for why in one.reasons]) for one in effect.candidates] == [
            (fast.id, ["median_decision_ms"])
        ]
        [arm] = effect.arms
        assert (arm.participants, arm.participants_after) == (2, 1)
        assert (arm.before.total, arm.after.total) == (8, 4)
        mine = select(Decision.correct).join(Trial).where(Trial.participant_id == slow.id)
        assert round(arm.after.rate * 4) == sum(db.scalars(mine))
        assert judged(db, study) == 8

    def test_who_is_still_on_their_way_is_not_looked_at(self, client, db, study):
        visitor = Visitor(client, study.slug)
        visitor.consent()
        visitor.decide(visitor.next().json()["trial"]["id"], decision_ms=10.0)
        effect = effect_of(db, study)
        assert (effect.candidates, effect.arms[0].before.total) == ([], 1)


class TestExclusion:
    def test_it_counts_nowhere_and_is_collected_again(self, db, study, visit):
        visit(decision_ms=400.0)
        visit()
        assert not has_places(db, study.id)
        assert apply(db, study) == 1
        assert (judged(db, study), taken(db, study)) == (4, 4)
        assert has_places(db, study.id)
        assert differences(db) == []
        counted = [row.counts for row in db.execute(exports.decisions(study.id))]
        assert sorted(counted) == [False] * 4 + [True] * 4
        assert len(db.execute(inclusion_rows(study.id)).all()) == 4
        visit()
        assert (judged(db, study), taken(db, study)) == (8, 8)

    def test_it_keeps_its_rules_and_reasons(self, db, study, visit):
        person = visit(decision_ms=400.0)
        apply(db, study)
        db.refresh(person)
        assert person.exclusion == {
            "rules": {"median_decision_ms": 800.0},
            "reasons": [{"rule": "median_decision_ms", "found": 400.0, "limit": 800.0}],
        }
        assert person.state is ParticipantState.FINISHED  # and so paid as before
        assert excluded_in(db, study)[0].sentences == [
            "Took 400 ms to decide in the median; below 800 ms excludes."
        ]

    def test_the_same_work_gives_the_same_exclusions(self, db, study, visit):
        visit(decision_ms=400.0)
        before = effect_of(db, study)
        apply(db, study)
        assert apply(db, study) == 0  # whoever is excluded is not excluded again
        count_again(db, study)
        db.commit()
        assert effect_of(db, study) == before

    def test_maps_that_they_were_in_are_stale(self, db, study, visit):
        visit(decision_ms=400.0)
        db.add(MapSet(study_id=study.id, version=1, parameters={}, state="succeeded"))
        db.commit()
        apply(db, study)
        assert db.scalars(select(MapSet.stale).where(MapSet.study_id == study.id)).all() == [True]

    def test_it_is_undone_without_losing_what_came_meanwhile(self, db, study, visit):
        first = visit(decision_ms=400.0)
        visit()
        apply(db, study)
        visit()
        assert count_again(db, study, [first.id]) == 4
        db.commit()
        assert (judged(db, study), taken(db, study), wanted(db, study)) == (12, 12, 12)
        assert differences(db) == []

    def test_undone_at_once_nothing_has_changed(self, db, study, visit):
        visit(decision_ms=400.0)
        before = judged(db, study), taken(db, study), wanted(db, study)
        apply(db, study)
        assert count_again(db, study) == 0
        db.commit()
        assert (judged(db, study), taken(db, study), wanted(db, study)) == before
        assert differences(db) == []

    def test_whoever_withdraws_then_gives_their_places_back_once(self, db, study, visit):
        person = visit(decision_ms=400.0)
        visit()
        apply(db, study)
        withdraw(db, person)
        db.commit()
        assert (judged(db, study), taken(db, study), differences(db)) == (4, 4, [])
        db.refresh(person)
        assert (person.excluded_at, person.exclusion) == (None, None)

    def test_setting_aside_is_a_rule_like_others(self, db, study, visit):
        person = visit()
        study.spec = {"exclusions": {"flags": ["set_aside"]}}
        db.add(QualityFlag(participant_id=person.id, kind="set_aside", detail={}))
        db.commit()
        assert apply(db, study) == 1


class TestPage:
    def test_it_excludes_whom_it_showed_and_takes_back(self, editor, db, study, visit):
        editor.headers.pop("accept")
        person = visit(decision_ms=400.0)
        page = read(editor.get("/staff/studies/ruled/exclusions"))
        columns = page.texts("[aria-label='Effect of the exclusions'] thead th")
        assert len(set(columns)) == len(columns) == 7  # on a phone each value has its column's name beside it
        [why] = page.texts("[aria-label='Participants to exclude'] tbody tr")
        assert why.startswith(person.reference)
        assert "Took 400 ms" in why
        seen = page.find("input[name=seen]").attrib["value"]
        editor.post("/staff/studies/ruled/exclusions", data={"seen": seen})
        assert judged(db, study) == 0
        entry = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert any("excluded_at" in line for line in entry.changes)
        editor.post("/staff/studies/ruled/exclusions/undo", data={"participant": str(person.id)})
        assert judged(db, study) == 4

    def test_what_was_not_shown_is_not_done(self, editor, db, study, visit):
        editor.headers.pop("accept")
        visit(decision_ms=400.0)
        seen = read(editor.get("/staff/studies/ruled/exclusions")).find("input[name=seen]").attrib["value"]
        visit(decision_ms=300.0)
        editor.post("/staff/studies/ruled/exclusions", data={"seen": seen})
        assert judged(db, study) == 8
        assert "Somebody finished" in read(editor.get("/staff/studies/ruled/exclusions")).text("[role=alert]")

    def test_a_study_without_rules_says_where_they_are_written(self, viewer, db):
        make_study(db, slug="unruled")
        assert "without rules" in read(viewer.get("/staff/studies/unruled/exclusions")).text("main")


class TestApi:
    def test_it_shows_excludes_and_undoes(self, editor, db, study, visit):
        editor.headers.pop("accept")
        person = visit(decision_ms=400.0)
        shown = editor.get("/api/studies/ruled/exclusions").json()
        [arm] = shown["effect"]
        assert (arm["before"]["judgements"], arm["after"]["judgements"], arm["after"]["correct"]) == (
            4,
            0,
            None,
        )
        assert editor.post("/api/studies/ruled/exclusions", json={"seen": "x"}).status_code == 409
        done = editor.post("/api/studies/ruled/exclusions", json={"seen": shown["seen"]}).json()
        assert [one["participant"] for one in done["excluded"]] == [str(person.id)]
        again = editor.post("/api/studies/ruled/exclusions/undo", json={}).json()
        assert (again["excluded"], len(again["candidates"])) == ([], 1)


class TestCommand:
    def test_it_shows_excludes_and_undoes(self, own_database, monkeypatch):
        settings, sessions = own_database
        monkeypatch.setenv("CYBORG_DATABASE_URL", str(settings.database_url))
        monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
        with sessions() as session:
            from tests.support import factories

            factories.SESSION_HOLDER["session"] = session
            made = make_study(session, slug="told", spec={"exclusions": {"failed_checks": 1}})
            arm = factories.ArmFactory(study_id=made.id)
            person = factories.ParticipantFactory(arm=arm, state=ParticipantState.FINISHED)
            trial = factories.TrialFactory(participant=person, kind=TrialKind.CHECK, state="decided")
            factories.DecisionFactory(trial=trial, correct=False)
        run = CliRunner()
        said = json.loads(run.invoke(app, ["exclusions", "told", "--json"]).stdout)
        assert [one["reasons"][0]["rule"] for one in said["candidates"]] == ["failed_checks"]
        assert "1 excluded." in run.invoke(app, ["exclusions", "told", "--apply"]).stdout
        with sessions() as session:
            assert len(excluded_in(session, find_study(session, "told"))) == 1
        assert "counts again; 0" in run.invoke(app, ["exclusions", "told", "--undo"]).stdout
