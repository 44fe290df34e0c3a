import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.accounts import service
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.errors import AlreadyExists, BadInput, NotFound
from app.models import Role, Staff


class TestStaffCommands:
    def test_a_new_person_gets_a_link_that_works_once(self, cyborg, sessions):
        link = cyborg("add", "ada@lab.example", "--name", "Ada", "--role", "admin").output.strip()
        assert link.startswith("https://faces.lab.example/login/link/")
        with sessions() as session:
            ada = service.spend_link(session, link.rpartition("/")[2])
        assert (ada.name, ada.role) == ("Ada", Role.ADMIN)

    def test_a_password_is_read_from_standard_input(self, cyborg, sessions):
        assert (
            "/login/link/"
            not in cyborg("add", "ada@lab.example", "--password-stdin", input="correct horse\n").output
        )
        with sessions() as session:
            assert service.authenticate(session, email="ada@lab.example", password="correct horse")

    def test_another_link_can_be_made(self, cyborg, sessions):
        cyborg("add", "ada@lab.example")
        link = cyborg("link", "Ada@lab.example").output.strip()
        with sessions() as session:
            assert service.link_owner(session, link.rpartition("/")[2]).email == "ada@lab.example"

    def test_a_mistake_is_said_and_adds_nobody(self, cyborg, sessions):
        cyborg("add", "ada@lab.example")
        assert isinstance(cyborg("add", "ADA@lab.example").exception, AlreadyExists)
        assert isinstance(cyborg("add", "no address").exception, BadInput)
        assert isinstance(cyborg("add", "b@c.d", "--password-stdin", input="short\n").exception, BadInput)
        assert isinstance(cyborg("link", "nobody@lab.example").exception, NotFound)
        with sessions() as session:
            assert session.scalars(select(Staff.email)).all() == ["ada@lab.example"]


@pytest.fixture
def sessions(own_database):
    return own_database[1]


@pytest.fixture
def cyborg(own_database, monkeypatch, tmp_path):
    settings, _ = own_database
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CYBORG_PUBLIC_URL", "https://faces.lab.example/")
    return lambda *words, **typed: CliRunner().invoke(app, ["staff", *words], **typed)
