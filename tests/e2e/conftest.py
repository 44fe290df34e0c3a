"""One installation for the browser tests, and the Chromium that this machine has."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    candidates = (os.environ.get("CYBORG_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in candidates if name and (path := shutil.which(name))), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    return {"args": arguments, "headless": True} | ({"executable_path": found} if found else {})
