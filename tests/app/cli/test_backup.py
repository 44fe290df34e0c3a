"""A backup of the database, and what comes out of it."""

import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.db import connect, factory
from app.models import Staff, tally
from app.models.tallies import TallyMeasure
from app.settings import Settings
from tests.support.factories import SESSION_HOLDER, DecisionFactory


@pytest.fixture
def cyborg(monkeypatch, tmp_path):
    monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))

    def run(url, *words):
        monkeypatch.setenv("CYBORG_DATABASE_URL", url)
        return CliRunner().invoke(app, [*words])

    return run


@pytest.fixture
def filled(new_database, cyborg):
    url = new_database()
    for name in ("ada", "bob"):
        assert cyborg(url, "staff", "add", f"{name}@lab.example").exit_code == 0
    return url


@pytest.fixture
def empty(new_database):
    """A database without a single table."""
    return new_database("template0")


def people(url):
    engine = connect(Settings(database_url=url, _env_file=None))
    with factory(engine)() as session:
        number = session.scalar(select(func.count()).select_from(Staff))
    engine.dispose()
    return number


def decided(url):
    """One more decision in that database."""
    engine = connect(Settings(database_url=url, _env_file=None))
    with factory(engine)() as session:
        SESSION_HOLDER["session"] = session
        DecisionFactory()
        session.commit()
    SESSION_HOLDER.clear()
    engine.dispose()


def rows_expected(url, table):
    """How many rows PostgreSQL plans for; -1 when it has not looked."""
    engine = connect(Settings(database_url=url, _env_file=None))
    with engine.connect() as connection:
        known = text("SELECT reltuples FROM pg_class WHERE relname = :name")
        number = connection.scalar(known, {"name": table})
    engine.dispose()
    return number


def judgements(url):
    """Of each study, as they are kept."""
    engine = connect(Settings(database_url=url, _env_file=None))
    cells = select(tally.c.number).where(tally.c.measure == TallyMeasure.CELL)
    with factory(engine)() as session:
        numbers = session.scalars(cells).all()
    engine.dispose()
    return numbers


class TestBackup:
    def test_what_was_there_is_there_again(self, filled, empty, cyborg, tmp_path):
        assert "bytes" in cyborg(filled, "db", "backup", str(tmp_path / "b")).output
        restored = cyborg(empty, "db", "restore", str(tmp_path / "b"))
        assert restored.exit_code == 0, restored.output
        assert people(empty) == 2
        assert cyborg(empty, "staff", "add", "cyd@lab.example").exit_code == 0

    def test_postgresql_knows_at_once_how_large_its_tables_are(self, filled, empty, cyborg, tmp_path):
        cyborg(filled, "db", "backup", str(tmp_path / "b"))
        cyborg(empty, "db", "restore", str(tmp_path / "b"))
        assert rows_expected(empty, "staff") == 2

    def test_a_database_that_holds_something_is_left_alone(self, filled, cyborg, tmp_path):
        cyborg(filled, "db", "backup", str(tmp_path / "b"))
        refused = cyborg(filled, "db", "restore", str(tmp_path / "b"))
        assert "a backup goes into an empty one" in str(refused.exception)
        assert people(filled) == 2

    def test_its_counts_are_right_and_go_on_being_right(self, filled, empty, cyborg, tmp_path):
        decided(filled)
        cyborg(filled, "db", "backup", str(tmp_path / "b"))
        cyborg(empty, "db", "restore", str(tmp_path / "b"))
        assert cyborg(empty, "db", "counts").output == "Every count is right.\n"
        decided(empty)
        assert cyborg(empty, "db", "counts").output == "Every count is right.\n"
        assert judgements(empty) == [1, 1]

    def test_a_backup_is_never_written_over(self, filled, cyborg, tmp_path):
        (tmp_path / "b").write_text("precious")
        assert "exists already" in str(cyborg(filled, "db", "backup", str(tmp_path / "b")).exception)
        assert (tmp_path / "b").read_text() == "precious"

    def test_a_file_that_is_none_changes_nothing(self, empty, cyborg, tmp_path):
        (tmp_path / "b").write_text("no backup")
        failed = cyborg(empty, "db", "restore", str(tmp_path / "b"))
        assert "pg_restore: " in str(failed.exception)
        assert [path.name for path in tmp_path.iterdir()] == ["b"]
