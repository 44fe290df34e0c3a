"""Read and write files of runs, exports and reports; a file is written completely or not at all."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from saliency.files.writing import write_file
from training.errors import RunError

BEGUN: Final = "begun.json"
LOCK: Final = "lock"


class FolderBusyError(RunError):
    """Another process is writing the folder at this moment."""


def file_sha256(path: Path) -> str:
    """SHA-256 of the content of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_hash(package: Path) -> str:
    """SHA-256 over the paths and contents of every source file of a package."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def own_code_hash() -> str:
    """That of this package."""
    return code_hash(Path(__file__).parent)


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


@contextmanager
def resumable_folder(out_dir: Path, begun: dict[str, Any]) -> Iterator[Path]:
    """Yield a draft to fill; it becomes `out_dir` at the end, and after an error stays for the next call.

    begun : what is made; a draft of anything else is emptied first
    `RunError`: `out_dir` exists. `FolderBusyError`: another process is at it
    """
    because = "nothing is written over it"
    require_free(out_dir, because=because)
    draft = out_dir.with_name(f".{out_dir.name}.partial")
    draft.mkdir(parents=True, exist_ok=True)
    with (draft / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusyError(f"Another process is writing {out_dir}.") from None
        require_free(out_dir, because=because)  # whoever held the lock may have finished meanwhile
        _empty_unless_of(draft, begun)
        yield draft
        (draft / BEGUN).unlink()
        (draft / LOCK).unlink()
        if out_dir.is_dir():
            out_dir.rmdir()
        draft.rename(out_dir)


def _empty_unless_of(draft: Path, begun: dict[str, Any]) -> None:
    if (draft / BEGUN).is_file() and read_json(draft / BEGUN) == json.loads(json.dumps(begun)):
        return
    for path in draft.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
    write_json(draft / BEGUN, begun)
