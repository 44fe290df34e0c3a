"""Migrations that change rows: what an installation of an older version holds keeps its meaning."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session

from app.db import MIGRATIONS, factory
from app.models import (
    Dataset,
    DatasetImage,
    ParticipantState,
    Split,
    Study,
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


class TestDatasetImages:
    def test_images_that_were_frozen_before_keep_their_splits(self, new_database):
        engine = create_engine(new_database())
        migrate(engine, "0012")
        with factory(engine)() as session:
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
        with factory(engine)() as session:
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


@pytest.fixture
def older(new_database) -> Iterator[Engine]:
    """A database of the version before with one study, brought up to date."""
    engine = create_engine(new_database())
    migrate(engine, "0011")
    with factory(engine)() as session:
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
