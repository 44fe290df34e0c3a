"""Blobs in a folder and in an object store, whole or not at all, and in time or not at all."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from app.errors import BadInput, StorageUnavailable
from app.models import Image, JobState, MapSet, Participant, SaliencyMap, Study
from app.settings import Settings
from app.storage import BlobStore
from tests.support.factories import SESSION_HOLDER, StrokeFactory
from tests.support.object_store import ObjectStore, object_store

TIMEOUT_S = 0.5


@pytest.fixture
def remote(tmp_path, monkeypatch) -> Iterator[ObjectStore]:
    with object_store(tmp_path / "objects") as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        yield store


@pytest.fixture(params=["folder", "object store"])
def store(request, tmp_path) -> BlobStore:
    if request.param == "folder":
        return BlobStore(Settings(data_dir=tmp_path / "data", _env_file=None).blobs_url)
    return BlobStore(request.getfixturevalue("remote").url)


class TestBlobStore:
    def test_what_is_put_comes_back(self, store):
        assert store.get(store.put(b"a face")) == b"a face"

    def test_the_same_bytes_have_the_same_name(self, store):
        assert store.put(b"a face") == store.put(b"a face")

    def test_what_was_never_put_is_not_there(self, store):
        with pytest.raises(FileNotFoundError):
            store.get("0" * 64)

    def test_nothing_is_read_before_it_is_used(self):
        made = "from app.storage import BlobStore; BlobStore('s3://bucket')"
        command = [sys.executable, "-c", f"import sys; {made}; print('fsspec' in sys.modules)"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"

    @pytest.mark.parametrize("url", ["nonsense://bucket", "gs://bucket"])
    def test_a_kind_of_store_that_cannot_be_had_is_told_in_one_sentence(self, url):
        with pytest.raises(BadInput, match="CYBORG_STORAGE_URL: "):
            BlobStore(url).connect()


class TestAStoreThatDoesNotAnswer:
    @pytest.fixture
    def blobs(self, remote) -> BlobStore:
        return BlobStore(remote.url, timeout_s=TIMEOUT_S)

    def test_a_stalled_one_is_given_up_and_asked_again(self, remote, blobs):
        name = BlobStore(remote.url).put(b"a face")  # patient: the first call imports the client of S3
        remote.stall()
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"cannot read now .it does not answer"):
            blobs.get(name)
        assert time.monotonic() - began < 10 * TIMEOUT_S
        assert blobs.problems == {"read": "it does not answer"}
        remote.go_on()
        assert blobs.get(name) == b"a face"
        assert blobs.problems == {}

    def test_a_dead_one_is_told_too(self, remote, blobs):
        remote.die()
        for use in (lambda: blobs.get("0" * 64), lambda: blobs.put(b"a face")):
            with pytest.raises(StorageUnavailable, match="cannot"):
                use()
        assert set(blobs.problems) == {"read", "write"}


FILL = """\
import os, resource, sys
from app.errors import StorageUnavailable
from app.storage import BlobStore
blobs = BlobStore(sys.argv[1])
blobs.put(b"small")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    blobs.put(bytes(100_000))
except StorageUnavailable as error:
    print(error)
print(len(blobs.put(b"small again")), blobs.problems)
"""


class TestAFullDisk:
    def test_it_is_told_in_one_sentence_and_leaves_nothing_half_written(self, tmp_path):
        command = [sys.executable, "-c", FILL, f"file://{tmp_path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        reason = os.strerror(errno.EFBIG)
        assert done.stdout == f"The file store cannot write now ({reason}).\n64 {{}}\n"
        assert [path.stat().st_size for path in Path(tmp_path).rglob("*") if path.is_file()] == [5, 11]


PROGRAM = """\
import sys
from app.cli import run
from app.storage import BlobStore
BlobStore.__init__.__kwdefaults__["timeout_s"] = float(sys.argv.pop(1))
run()
"""
"""The command line, with a timeout of its own for a store that does not answer."""


class TestACommandWithoutItsStore:
    """It ends with one sentence, and nothing has changed."""

    @pytest.fixture
    def cyborg(self, remote, study, tmp_path):
        url, _ = study
        places = {"CYBORG_STORAGE_URL": remote.url, "CYBORG_DATABASE_URL": url}

        def run(*arguments: str, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess:
            command = [sys.executable, "-c", PROGRAM, str(timeout_s), *arguments]
            environment = os.environ | places | {"CYBORG_DATA_DIR": str(tmp_path / "data")}
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=120
            )

        return run

    @pytest.fixture
    def study(self, new_database) -> tuple[str, str]:
        """A database with an annotated image, and the name of its study."""
        url = new_database()
        with rows_in(url) as session:
            StrokeFactory()
            session.commit()
            slug = session.scalars(select(Study.slug).join(Participant)).one()
        return url, slug

    @pytest.mark.parametrize("without", [ObjectStore.die, ObjectStore.stall], ids=["dead", "stalled"])
    def test_an_import_takes_in_no_image(self, cyborg, remote, study, without, tmp_path):
        url, _ = study
        before = rows(url, Image)
        without(remote)
        assert refused(cyborg("images", "import", str(folder_with_a_picture(tmp_path))), "write")
        assert rows(url, Image) == before

    @pytest.mark.parametrize("without", [ObjectStore.die, ObjectStore.stall], ids=["dead", "stalled"])
    def test_a_build_leaves_no_map(self, cyborg, remote, study, without):
        url, slug = study
        without(remote)
        assert refused(cyborg("maps", "build", slug), "write")
        assert rows(url, SaliencyMap) == 0
        with rows_in(url) as session:
            [built] = session.scalars(select(MapSet))
            assert built.state is JobState.FAILED
            assert built.error.startswith("The file store cannot write now (")

    @pytest.mark.parametrize("without", [ObjectStore.die, ObjectStore.stall], ids=["dead", "stalled"])
    def test_an_export_leaves_no_folder(self, cyborg, remote, study, without, tmp_path):
        _, slug = study
        assert cyborg("maps", "build", slug, timeout_s=60).returncode == 0
        (tmp_path / "lab").mkdir()
        without(remote)
        assert refused(cyborg("export", slug, str(tmp_path / "lab" / "export")), "read")
        assert list((tmp_path / "lab").iterdir()) == []


def refused(done: subprocess.CompletedProcess, kind: str) -> bool:
    """Whether a command ended with one sentence on what the store cannot do."""
    told = done.stderr.strip()
    is_sentence = told.startswith(f"cyborg: The file store cannot {kind} now (") and "\n" not in told
    return done.returncode == 1 and is_sentence


@contextmanager
def rows_in(url: str) -> Iterator[Session]:
    engine = create_engine(url)
    try:
        with Session(engine) as session:
            SESSION_HOLDER["session"] = session
            yield session
    finally:
        SESSION_HOLDER.clear()
        engine.dispose()


def rows(url: str, table: type) -> int:
    with rows_in(url) as session:
        return session.scalar(select(func.count()).select_from(table))


def folder_with_a_picture(tmp_path: Path) -> Path:
    from PIL import Image

    (tmp_path / "faces" / "real").mkdir(parents=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "faces" / "real" / "a.png")
    return tmp_path / "faces"
