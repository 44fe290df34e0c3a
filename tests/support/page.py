"""The page's own code, asked through Node.js."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("page.mjs")


def ask(questions: Sequence[Mapping[str, Any]]) -> list[Any]:
    """One answer for each question, all from one run of Node.js."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    lines = "".join(f"{json.dumps(one)}\n" for one in questions)
    run = subprocess.run([node, str(PROGRAM)], input=lines, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]
