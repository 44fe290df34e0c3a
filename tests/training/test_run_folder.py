"""A disk that is full while a run folder is written: what was there stays, and nothing half-written."""

import subprocess
import sys

FILL = """\
import resource, sys
from pathlib import Path
from training.files import write_bytes
path = Path(sys.argv[1])
write_bytes(path, b"whole")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    write_bytes(path, bytes(100_000))
except OSError as error:
    print(error.strerror)
"""


class TestAFullDisk:
    def test_it_leaves_the_file_as_it_was_and_no_other(self, tmp_path):
        path = tmp_path / "last.pt"
        command = [sys.executable, "-c", FILL, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "File too large\n"
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == b"whole"
