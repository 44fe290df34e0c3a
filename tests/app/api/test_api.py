"""The API as its documentation says it is: the examples, the shapes, and `cyborg --server`."""

import os
import re
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import uvicorn
from typer.testing import CliRunner

from app.accounts.service import add_staff
from app.accounts.token_service import create_token
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.cli.remote import chosen
from app.errors import BadInput
from app.main import create_app
from app.models import Role, TokenScope
from app.stimuli.service import import_path
from app.storage import BlobStore
from app.studies.schemas import StudySpec
from app.studies.service import create_study, open_study
from tests.support import ROOT
from tests.support.pictures import draw

EXAMPLES = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)[1:]
SPEC = {
    "slug": "faces",
    "title": "Faces",
    "trials_per_participant": 2,
    "judgements": 1,
    "pairs": {"per_source": 2},
}


class TestTheDocument:
    def test_every_call_refuses_in_the_shape_that_it_names(self, client):
        document = client.get("/api/openapi.json").json()
        named = {
            call["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            for calls in document["paths"].values()
            for call in calls.values()
        }
        assert named == {"Problem"}
        refusal = client.get("/api/studies/none", headers={"authorization": "Bearer x"}).json()
        assert set(refusal) == set(document["components"]["schemas"]["Problem"]["properties"])

    def test_every_call_for_staff_says_what_it_does(self, client):
        paths = client.get("/api/openapi.json").json()["paths"]
        assert [
            path for path, calls in paths.items() for call in calls.values() if not call.get("description")
        ] == []


class TestOnAServer:
    def test_the_examples_of_the_documentation_work(self, platform, tmp_path):
        draw(tmp_path / "face.png", seed=9)
        for example in EXAMPLES:
            done = subprocess.run(
                ["bash", "-ec", example],
                env=platform,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, example + done.stderr
        assert (tmp_path / "export.zip").read_bytes().startswith(b"PK")

    def test_the_command_line_speaks_to_it(self, platform, cyborg, tmp_path):
        assert "faces" in cyborg("study", "list").output
        text = cyborg("study", "show", "faces").output.replace('"faces"', '"more"')
        (tmp_path / "more.toml").write_text(text)
        assert "is a draft on http" in cyborg("study", "create", str(tmp_path / "more.toml")).output
        states = [cyborg("study", verb, "more").output for verb in ("open", "pause", "open", "close")]
        assert states == [f"Study more is {state}.\n" for state in ("open", "paused", "open", "closed")]
        cyborg("export", "faces", str(tmp_path / "out"))
        assert (tmp_path / "out" / "README.md").is_file()
        draw(tmp_path / "in" / "real" / "one.png", seed=77)
        draw(tmp_path / "in" / "fake" / "gan" / "two.png", seed=78)
        (tmp_path / "in" / "real" / "no.png").write_bytes(b"no picture")
        said = cyborg("images", "import", str(tmp_path / "in")).output
        assert "2 images imported, 0 already there, 1 refused." in said
        assert "0 images imported, 2 already" in cyborg("images", "import", str(tmp_path / "in")).output

    def test_what_it_refuses_is_one_sentence(self, platform, cyborg):
        assert "no study called 'none'" in str(cyborg("study", "open", "none").exception)

    def test_a_command_of_the_server_itself_says_so(self, platform, cyborg):
        assert isinstance(cyborg("staff", "list-nothing").exception, SystemExit)
        assert "works on the server itself" in str(cyborg("db", "counts").exception)


class TestTheServersAddress:
    @pytest.mark.parametrize("url", ["http://faces.lab.example", "ftp://x", "faces.lab.example"])
    def test_a_token_is_not_sent_unencrypted(self, url):
        with pytest.raises(BadInput):
            chosen(url, "cyborg_x")

    def test_a_token_is_needed(self):
        with pytest.raises(BadInput, match="CYBORG_TOKEN"):
            chosen("https://faces.lab.example", None)


@contextmanager
def serving(application):
    """The application on a port of its own; gives its address."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def platform(own_database, tmp_path):
    """Variables by which a program finds a server with an open study, and its token."""
    settings, sessions = own_database
    blobs = BlobStore(settings.blobs_url)
    for number in range(4):
        draw(tmp_path / "first" / "real" / f"{number}.png", seed=number)
        draw(tmp_path / "first" / "fake" / "gan" / f"{number}.png", seed=100 + number)
    import_path(sessions, blobs, tmp_path / "first", size=None)
    with sessions.begin() as session:
        open_study(session, create_study(session, StudySpec.model_validate(SPEC)))
        editor = add_staff(session, email="ada@lab.example", name="Ada", role=Role.EDITOR)
        token = create_token(session, editor, name="t", scopes=[TokenScope.EDIT], lifetime=timedelta(days=1))
    with serving(create_app(settings)) as url:
        yield os.environ | {"CYBORG_SERVER": url, "CYBORG_TOKEN": token}


@pytest.fixture
def cyborg(platform, monkeypatch):
    for name in ("CYBORG_SERVER", "CYBORG_TOKEN"):
        monkeypatch.setenv(name, platform[name])
    return lambda *words: CliRunner().invoke(app, list(words))
