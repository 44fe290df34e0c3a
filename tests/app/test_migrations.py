"""Migrations that change rows: what an installation of an older version holds keeps its meaning."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, func, inspect, select, text
from sqlalchemy.orm import Session

from app.analysis.requests import abort_analysis
from app.db import MIGRATIONS, factory
from app.experiments.background_tasks import abort_task
from app.models import (
    BackgroundTask,
    Base,
    Dataset,
    DatasetImage,
    ParticipantState,
    Split,
    Study,
    StudyAnalysis,
    TrialKind,
    TrialState,
    tally,
)
from app.studies.plan import plan_of
from app.studies.tallies import differences
from tests.support.factories import (
    SESSION_HOLDER,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StudyFactory,
    TrialFactory,
)

OLD = {"device": {"min_width": 320, "min_height": 480, "touch": True}, "quiz": {"attempts": 3}}
"""What a description of the version before said of a study with nothing but defaults."""
QUIZ = {"questions": [{"text": "Q", "options": ["A", "B"], "answer": 1}]}


class TestKeptRules:
    def test_a_study_keeps_the_rules_that_it_was_made_with(self, older):
        with factory(older)() as session:
            plan = plan_of(session.scalars(select(Study)).one())
        assert (plan.device.min_width, plan.device.min_height, plan.device.touch) == (320, 480, False)
        assert plan.quiz.attempts == 3

    def test_what_it_holds_no_later_default_can_change(self, older):
        with older.connect() as connection:
            visit = connection.scalar(text("SELECT visit FROM study"))
        assert visit["device"] == {"min_width": 320, "min_height": 480, "touch": False}
        assert visit["quiz"]["attempts"] == 3


@contextmanager
def todays_columns(engine: Engine) -> Iterator[None]:
    """Let the factories write into a database of before: what came since is there, empty, for as long."""
    present = inspect(engine)
    lacking = [
        (table.name, column)
        for table in Base.metadata.sorted_tables
        if present.has_table(table.name)
        for column in table.columns
        if column.name not in {one["name"] for one in present.get_columns(table.name)}
    ]
    with engine.begin() as connection:
        for table, column in lacking:
            kind = column.type.compile(engine.dialect)
            connection.execute(text(f'ALTER TABLE "{table}" ADD COLUMN "{column.name}" {kind}'))
    yield
    with engine.begin() as connection:
        for table, column in lacking:
            connection.execute(text(f'ALTER TABLE "{table}" DROP COLUMN "{column.name}"'))


class TestDatasetImages:
    def test_images_that_were_frozen_before_keep_their_splits(self, new_database):
        engine = create_engine(new_database())
        migrate(engine, "0012")
        with todays_columns(engine), factory(engine)() as session:
            SESSION_HOLDER["session"] = session
            study, other = StudyFactory(), StudyFactory()
            paired, elsewhere = PairFactory(study_id=study.id), PairFactory(study_id=other.id)
            practice = PairFactory(study_id=study.id, kind=TrialKind.PRACTICE)
            early = ImageFactory(split=Split.TEST, imported_at=datetime(2026, 1, 1, tzinfo=UTC))
            late = ImageFactory(split=Split.VAL, imported_at=datetime(2026, 3, 1, tzinfo=UTC))
            free = ImageFactory()
            made = {
                "map_set_id": insert_row(
                    session,
                    "map_set",
                    study_id=study.id,
                    version=1,
                    parameters="{}",
                    state="queued",
                    stale=False,
                ),
                "folder": "",
                "parameters": {},
                "counts": {},
                "content_hash": "0",
            }
            session.add(Dataset(study_id=study.id, created_at=datetime(2026, 2, 1, tzinfo=UTC), **made))
            session.commit()
        migrate(engine, "head")
        with factory(engine)() as session:
            held = set(session.scalars(select(DatasetImage.image_id)))
        engine.dispose()
        assert held == {paired.real_image_id, paired.fake_image_id, early.id}
        assert not held & {elsewhere.real_image_id, practice.fake_image_id, late.id, free.id}


class TestTallies:
    def test_what_was_decided_before_counts(self, new_database):
        engine = create_engine(new_database())
        migrate(engine, "0014")
        with todays_columns(engine), factory(engine)() as session:
            SESSION_HOLDER["session"] = session
            for kind in (TrialKind.MAIN, TrialKind.MAIN, TrialKind.CHECK):
                DecisionFactory(trial=TrialFactory(kind=kind, state=TrialState.DECIDED), annotation_ms=7.0)
            gone = TrialFactory(participant=ParticipantFactory(state=ParticipantState.SCREENED_OUT))
            DecisionFactory(trial=gone)
            session.commit()
        migrate(engine, "head")
        with factory(engine)() as session:
            assert differences(session) == []
            decided = session.scalar(select(func.sum(tally.c.number)).where(tally.c.measure == "cell"))
        engine.dispose()
        assert decided == 2


class TestBackgroundWork:
    """A database of the version before, with work that waits and work that has ended."""

    @pytest.fixture
    def upgraded(self, new_database) -> Iterator[Engine]:
        engine = create_engine(new_database())
        migrate(engine, "0016")
        with todays_columns(engine), factory(engine)() as session:
            SESSION_HOLDER["session"] = session
            study = StudyFactory()
            for state in ("queued", "succeeded"):
                done = {"state": state, "done": 0, "total": 0}
                errand = insert_row(
                    session, "errand", kind="score", arguments='{"image": "x"}', result=None, **done
                )
                insert_job(session, "experiments.errand", "errand:score", state, errand_id=errand)
            insert_row(session, "errand", kind="freeze", arguments="{}", state="failed", done=3, total=9)
            parameters = {"study_id": study.id, "parameters": "{}", "seen": "{}"}
            for version, state, done in ((1, "succeeded", 100), (2, "queued", 0)):
                analysis = insert_row(
                    session, "study_analysis", version=version, state=state, done=done, **parameters
                )
                insert_job(session, "analysis.run", "analysis:1", state, analysis_id=analysis)
            insert_job(session, "experiments.forget_scores", None, "queued", timestamp=1)
            session.commit()
        migrate(engine, "head")
        yield engine
        engine.dispose()

    def test_errands_are_background_tasks_with_all_that_they_held(self, upgraded):
        with factory(upgraded)() as session:
            tasks = session.scalars(select(BackgroundTask).order_by(BackgroundTask.id)).all()
        assert [(task.kind, task.state) for task in tasks] == [
            ("score", "queued"),
            ("score", "succeeded"),
            ("freeze", "failed"),
        ]
        assert tasks[0].arguments == {"image": "x"}
        assert (tasks[2].done, tasks[2].total) == (3, 9)

    def test_the_next_one_gets_the_next_number(self, upgraded):
        with factory(upgraded)() as session:
            last = session.scalar(select(func.max(BackgroundTask.id)))
            session.add(task := BackgroundTask(kind="export", arguments={}))
            session.flush()
            assert task.id == last + 1

    def test_a_job_that_waits_does_the_same_work_under_its_new_name(self, upgraded):
        query = text("SELECT task_name, lock, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        with upgraded.connect() as connection:
            task, analysis, periodic = connection.execute(query).all()
            waiting = connection.scalar(text("SELECT id FROM background_task WHERE state = 'queued'"))
        assert tuple(task) == ("experiments.task", "task:score", {"task_id": waiting})
        assert analysis.task_name == "analysis.run"
        assert periodic.task_name == "experiments.delete_scores"

    def test_work_that_waits_can_be_aborted(self, upgraded):
        with factory(upgraded)() as session:
            task = session.scalars(select(BackgroundTask).where(BackgroundTask.state == "queued")).one()
            analysis = session.scalars(select(StudyAnalysis).where(StudyAnalysis.state == "queued")).one()
            abort_task(session, task)
            abort_analysis(session, analysis)
            session.commit()
            left = session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'cancelled'"))
        assert (task.state, analysis.state, left) == ("aborted", "aborted", 2)

    def test_an_analysis_that_has_ended_is_a_hundred_of_a_hundred(self, upgraded):
        with factory(upgraded)() as session:
            rows = session.scalars(select(StudyAnalysis).order_by(StudyAnalysis.version)).all()
        assert [(row.done, row.total) for row in rows] == [(100, 100), (0, 0)]

    def test_it_can_be_taken_back(self, upgraded):
        migrate(upgraded, "0016")
        query = text("SELECT task_name, lock, args ? 'errand_id' FROM procrastinate_jobs ORDER BY id LIMIT 1")
        with upgraded.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM errand")) == 3
            assert tuple(connection.execute(query).one()) == ("experiments.errand", "errand:score", True)


def insert_job(session: Session, name: str, lock: str | None, state: str, **arguments: int) -> None:
    status = "todo" if state == "queued" else "succeeded"
    insert = text(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status) "
        "VALUES ('default', :name, :lock, CAST(:args AS jsonb), CAST(:status AS procrastinate_job_status))"
    )
    values = {"name": name, "lock": lock, "args": json.dumps(arguments), "status": status}
    session.execute(insert, values)


@pytest.fixture
def older(new_database) -> Iterator[Engine]:
    """A database of the version before with one study, brought up to date."""
    engine = create_engine(new_database())
    migrate(engine, "0011")
    with todays_columns(engine), factory(engine)() as session:
        study = StudyFactory.build(spec=OLD, visit={"device": {"touch": False}, "quiz": QUIZ})
        session.add(study)
        session.commit()
    migrate(engine, "head")
    yield engine
    engine.dispose()


def insert_row(session: Session, table: str, **values: object) -> int:
    """Insert a row into a table that has other columns than its model today; its id."""
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    return session.scalar(text(f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id"), values)


def migrate(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        go = command.upgrade if revision == "head" else command.downgrade
        go(config, revision)
