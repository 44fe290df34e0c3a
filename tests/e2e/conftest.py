"""One installation for the browser tests, and the Chromium that this machine has."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lab import Lab
from tests.support.local_prolific import LocalProlific, serving
from tests.support.processes import Installation, chromium


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """An empty installation, shared by the tests of one file."""
    with _folder() as folder:
        made = Installation(folder / "data")
        yield made
        made.stop()


@pytest.fixture(scope="session")
def prolific() -> Iterator[LocalProlific]:
    with serving(platform := LocalProlific()) as platform.url:
        yield platform


@pytest.fixture(scope="session")
def lab(prolific: LocalProlific) -> Iterator[Lab]:
    """An installation that serves, with pictures; tests add the studies that they need."""
    with _folder() as folder:
        made = Lab(folder / "data", extra=prolific.environment)
        made.import_pictures()
        made.serve()
        yield made
        made.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    # Not pytest's own folder: the embedded database runs as another user, who may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="cyborg-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    return chromium()
