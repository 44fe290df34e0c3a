"""What starting a command costs: the modules that it loads. Seconds depend on the machine, modules do not."""

import json
import subprocess
import sys
from typing import get_args, get_type_hints

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from app.cli.staff import add
from app.db import MIGRATIONS, revisions
from app.models import Role
from app.security import NO_PASSWORDS_HASH, passwords

SLOW = {
    "alembic", "cv2", "fastapi", "matplotlib", "numpy", "pandas", "PIL", "procrastinate",
    "scipy", "sqlalchemy", "starlette", "statsmodels", "torch", "uvicorn",
}  # fmt: skip
PROGRAM = """\
import json, sys
from app.cli import run
sys.argv[1:] = json.loads(sys.argv[1])
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded(*arguments: str, environment=None) -> set[str]:
    """The slow packages that a command loads, from the outermost names of its modules."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return SLOW & set(json.loads(done.stdout.splitlines()[-1]))


class TestHelp:
    @pytest.mark.parametrize("group", [(), ("study",), ("maps", "build"), ("analyse",)], ids=" ".join)
    def test_it_loads_nothing_that_is_slow(self, group):
        assert loaded(*group, "--help") == set()


class TestACommandOnAnUpToDateDatabase:
    @pytest.mark.parametrize(
        "command", [("study", "list"), ("db", "upgrade"), ("staff", "link", "ada@lab.example")], ids=" ".join
    )
    def test_it_loads_what_reads_a_database_and_no_more(self, command, environment):
        assert loaded(*command, environment=environment) == {"sqlalchemy"}

    @pytest.fixture
    def environment(self, new_database, monkeypatch, tmp_path):
        url = new_database()
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO staff (email, name, role) VALUES ('ada@lab.example', 'Ada', 'admin')")
            )
        engine.dispose()
        monkeypatch.setenv("CYBORG_DATABASE_URL", url)
        monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path))


class TestRevisions:
    def test_the_newest_is_the_one_that_the_migrations_end_with(self):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        assert ScriptDirectory.from_config(config).get_heads() == [revisions()[-1]]


class TestRoles:
    def test_the_command_offers_those_that_there_are(self):
        hint = get_type_hints(add)["role"]
        assert get_args(hint) == tuple(Role)


class TestNobodysHash:
    def test_it_costs_what_a_real_one_costs(self, dear_passwords):
        made_up, real = (text.rsplit("$", 2) for text in (NO_PASSWORDS_HASH, passwords.hash("a password")))
        assert made_up[0] == real[0]
        assert [len(part) for part in made_up] == [len(part) for part in real]
        assert passwords.verify("anything", NO_PASSWORDS_HASH) is False
