"""Blobs in a folder and in an object store, whole or not at all, and in time or not at all."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import BadInput, StorageUnavailable
from app.settings import Settings
from app.storage import BlobStore
from tests.support.object_store import ObjectStore, object_store

PATIENCE_S = 0.5


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
        return BlobStore(remote.url, patience_s=PATIENCE_S)

    def test_a_stalled_one_is_given_up_and_asked_again(self, remote, blobs):
        name = blobs.put(b"a face")
        remote.stall()
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"cannot read now .it does not answer"):
            blobs.get(name)
        assert time.monotonic() - began < 10 * PATIENCE_S
        assert blobs.trouble == {"read": "it does not answer"}
        remote.go_on()
        assert blobs.get(name) == b"a face"
        assert blobs.trouble == {}

    def test_a_dead_one_is_told_too(self, remote, blobs):
        remote.die()
        for use in (lambda: blobs.get("0" * 64), lambda: blobs.put(b"a face")):
            with pytest.raises(StorageUnavailable, match="cannot"):
                use()
        assert set(blobs.trouble) == {"read", "write"}


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
print(len(blobs.put(b"small again")), blobs.trouble)
"""


class TestAFullDisk:
    def test_it_is_told_in_one_sentence_and_leaves_nothing_half_written(self, tmp_path):
        command = [sys.executable, "-c", FILL, f"file://{tmp_path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        reason = os.strerror(errno.EFBIG)
        assert done.stdout == f"The file store cannot write now ({reason}).\n64 {{}}\n"
        assert [path.stat().st_size for path in Path(tmp_path).rglob("*") if path.is_file()] == [5, 11]


class TestACommandWithoutItsStore:
    def test_it_ends_with_one_sentence(self, remote, new_database, tmp_path):
        remote.die()
        done = cyborg(
            *("images", "import", str(folder_with_a_picture(tmp_path))),
            CYBORG_STORAGE_URL=remote.url,
            CYBORG_DATABASE_URL=new_database(),
        )
        assert done.returncode == 1
        assert done.stderr.startswith("cyborg: The file store cannot write now (")
        assert done.stderr.count("\n") == 1


def cyborg(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from app.cli import run; run()", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=120
    )


def folder_with_a_picture(tmp_path: Path) -> Path:
    from PIL import Image

    (tmp_path / "faces" / "real").mkdir(parents=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "faces" / "real" / "a.png")
    return tmp_path / "faces"
