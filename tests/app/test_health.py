"""What `/health` says, and what people are told, while something is gone or full."""

import errno
import shutil
from collections import namedtuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from app.main import create_app
from app.middleware import request_group


class TestHealth:
    def test_all_is_well(self, client):
        response = client.get("/health")
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "database": "ok", "storage": "ok"}

    def test_a_store_that_fails_is_told_and_takes_no_machine_out(self, client):
        client.app.state.blobs.problems["write"] = "No space left on device"
        response = client.get("/health")
        assert response.status_code == 200
        assert response.json()["status"] == "degraded"
        assert response.json()["storage"] == "cannot write: No space left on device"

    def test_a_disk_that_is_nearly_full_is_told(self, client, blobs, monkeypatch):
        blobs.put(b"a face")
        usage = namedtuple("usage", "free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(free=1_000_000))
        assert client.get("/health").json()["storage"] == "the disk is nearly full"

    def test_a_database_that_is_gone_is_a_503_that_says_so(self, without_database):
        response = without_database.get("/health")
        assert response.status_code == 503
        assert response.json() == {"status": "down", "database": "does not answer", "storage": "ok"}


class TestWhatIsTold:
    @pytest.mark.parametrize("path", ["/s/study", "/staff", "/api/participant/next"])
    def test_without_its_database_it_says_when_to_ask_again(self, without_database, path):
        response = without_database.get(path, headers={"Authorization": "Bearer x"})
        assert (response.status_code, response.json()["error"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) > 0

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
    def test_a_full_disk_is_no_bug(self, broken, number):
        assert broken(OSError(number, "full")).status_code == 503

    def test_any_other_error_of_the_system_is_one(self, broken):
        assert broken(OSError(errno.EBADF, "what?")).status_code == 500


class TestRooms:
    @pytest.mark.parametrize(
        ("request_line", "group"),
        [
            ("GET /api/participant/next", "participants"),
            ("PUT /api/trials/1/decision", "participants"),
            ("POST /api/studies/x/participants", "participants"),
            ("GET /s/x", "participants"),
            ("GET /api/studies/x/participants", "staff"),
            ("POST /api/studies/x/maps", "staff"),
            ("GET /staff", "staff"),
            ("POST /login", "staff"),
            ("GET /i/x", None),
            ("GET /health", None),
            ("GET /static/style.css", None),
        ],
    )
    def test_participants_and_staff_work_apart_and_pictures_beside_them(self, request_line, group):
        method, path = request_line.split()
        assert request_group({"type": "http", "method": method, "path": path}) == group


@pytest.fixture
def without_database(settings):
    engine = create_engine("postgresql+psycopg://nobody@/nothing?host=/nonexistent")
    with TestClient(create_app(settings, session_factory=sessionmaker(engine))) as client:
        yield client
    engine.dispose()


@pytest.fixture
def broken(settings, session_factory):
    """Serves one function that fails, and asks for it."""
    application = create_app(settings, session_factory=session_factory)

    def ask(error: Exception):
        def fail() -> None:
            raise error

        application.add_api_route("/api/broken", fail)
        with TestClient(application) as client:
            return client.get("/api/broken")

    return ask
