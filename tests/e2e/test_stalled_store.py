"""An object store that takes connections and answers none keeps up nobody but who wants a new picture."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image as Picture

from tests.support.object_store import ObjectStore, object_store
from tests.support.processes import Installation
from tests.support.worlds import Visitor

PAIRS = 40
PROMPTLY_S = 5.0
"""For what takes milliseconds, on a machine that is busy with other tests."""

STUDY = f"""
slug = "stalled"
title = "Which face is real?"
trials_per_participant = {PAIRS}
judgements = 5
arms = [{{ name = "control", annotate = false }}]
[pairs]
per_source = {PAIRS}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="cyborg-e2e-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def store(folder) -> Iterator[ObjectStore]:
    with object_store(folder / "objects") as made:
        yield made


@pytest.fixture(scope="module")
def installation(folder, store) -> Iterator[Installation]:
    """Serves a study whose pictures are in the object store."""
    made = Installation(folder / "data", extra=store.environment | {"CYBORG_STORAGE_URL": store.url})
    for number in range(PAIRS):
        for label in ("real", "fake/gan"):
            face = folder / "faces" / label / f"{number}.png"
            face.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(abs(hash((number, label)))).integers(0, 256, (64, 64, 3), np.uint8)
            Picture.fromarray(pixels).save(face)
    (folder / "study.toml").write_text(STUDY)
    made.run("images", "import", str(folder / "faces"))
    made.run("study", "create", str(folder / "study.toml"))
    made.run("study", "open", "stalled")
    made.serve()
    yield made
    store.go_on()
    made.stop()


@pytest.fixture
def client(installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=installation.url, timeout=60) as client:
        yield client


@pytest.fixture
def visitor(client) -> Visitor:
    visitor = Visitor(client, "stalled")
    visitor.consent(consent_version=visitor.page()["consent_version"])
    return visitor


@pytest.fixture
def stalled(store) -> Iterator[None]:
    store.stall()
    yield
    store.go_on()


class TestAStalledStore:
    def test_keeps_nobody_from_deciding_and_nothing_that_is_in_memory(self, client, visitor, store):
        first = visitor.next().json()
        seen = first["trial"]["left"]["url"]
        assert client.get(seen).status_code == 200
        store.stall()
        with ThreadPoolExecutor(30) as crowd:
            waiting = [crowd.submit(client.get, url) for url in self.unseen(client, 30)]
            time.sleep(0.5)  # they are being read, or wait for that
            assert promptly(lambda: client.get("/health")).status_code == 200
            assert promptly(lambda: client.get(seen)).status_code == 200
            assert promptly(lambda: visitor.decide(first["trial"]["id"])).status_code == 200
            assert promptly(visitor.next).json()["trial"]["position"] == 2
            refused = [one.result() for one in waiting if one.result().status_code != 200]
        assert len(refused) > 20  # the picture in memory was among them under other addresses
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.json()["error"] for answer in refused} == {"storage_unavailable"}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        told = client.get("/health").json()
        assert told == {"status": "degraded", "database": "ok", "storage": "cannot read: it does not answer"}
        store.go_on()
        assert client.get(first["preload"][0]).status_code == 200
        assert client.get("/health").json()["status"] == "ok"

    @staticmethod
    def unseen(client, count: int) -> list[str]:
        """Addresses of pictures that nobody has asked for."""
        urls: list[str] = []
        while len(urls) < count:
            other = Visitor(client, "stalled")
            other.consent(consent_version=other.page()["consent_version"])
            urls += other.next().json()["preload"]
        return urls[:count]

    def test_keeps_staff_from_nothing_but_pictures(self, installation, client, visitor, store):
        link = installation.run("staff", "add", "ada@lab.example").stdout.strip()
        with httpx2.Client(base_url=installation.url, timeout=60, follow_redirects=True) as staff:
            staff.post(link)
            store.stall()
            with ThreadPoolExecutor(12) as crowd:
                waiting = [crowd.submit(staff.get, f"/staff/images/{n}/picture") for n in range(1, 13)]
                time.sleep(0.5)
                assert promptly(visitor.next).status_code == 200  # staff have places of their own
                assert {one.result().status_code for one in waiting} == {503}
            assert staff.get("/staff").status_code == 200
            store.go_on()


def promptly(ask):
    began = time.monotonic()
    answer = ask()
    assert time.monotonic() - began < PROMPTLY_S
    return answer
