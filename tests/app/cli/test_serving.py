"""`cyborg serve` says where it is."""

import os
import re
import subprocess
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.processes import COMMAND


class TestPort:
    def test_of_any_port_the_one_that_it_got_is_told(self, server):
        said = server.stdout.readline()
        url, port = re.search(r"(http://127.0.0.1:(\d+)) .*port \2\)", said).groups()
        assert port not in ("0", "8000")
        assert httpx2.get(f"{url}/health", timeout=60).json()["status"] == "ok"

    @pytest.fixture
    def server(self, new_database, tmp_path) -> Iterator[subprocess.Popen]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CYBORG_")}
        settings = {
            "CYBORG_PORT": "0",
            "CYBORG_DATA_DIR": str(tmp_path / "data"),
            "CYBORG_DATABASE_URL": new_database(),
        }
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            env=kept | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            yield process
            process.terminate()
