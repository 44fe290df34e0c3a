"""Read and write files of runs, exports and reports; a file is written completely or not at all."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saliency.files.writing import write_file
from training.errors import RunError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a run; `RunError` if it is missing or damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is not a run folder: it has no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} does not hold a JSON object.")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON in one move; NaN is refused, because JSON has none."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move: a reader gets the old text or the new one, never a part."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """The same for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)


def require_free(out_dir: Path, *, because: str) -> None:
    """Raise `RunError` unless there is no such folder, or an empty one."""
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise RunError(f"{out_dir} exists already; {because}.")


@contextmanager
def new_folder(out_dir: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `out_dir` at the end, or is deleted after an error."""
    draft = out_dir.with_name(f".{out_dir.name}.partial")
    try:
        draft.mkdir(parents=True, exist_ok=True)
        yield draft
        if out_dir.is_dir():
            out_dir.rmdir()
        draft.rename(out_dir)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
