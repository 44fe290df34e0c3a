"""Migrations that change rows: what an installation of an older version holds keeps its meaning."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, select, text

from app.db import MIGRATIONS, factory
from app.models import Study
from app.studies.plan import plan_of
from tests.app.factories import StudyFactory

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


def migrate(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        go = command.upgrade if revision == "head" else command.downgrade
        go(config, revision)
