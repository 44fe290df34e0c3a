"""Files and folders that appear whole or not at all: each is made beside its place and moved there."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


class OutputError(ValueError):
    """A folder cannot be written; the message says which and why."""


def write_file(target: Path, data: bytes) -> None:
    """Write a file in one move; its folder must exist, and an earlier file is replaced.

    Whoever reads it meets the old bytes or the new ones, never a part, after a power cut too; and a disk that
    is full leaves the old ones.
    """
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent}")
    draft = target.with_name(f".{target.name}.{uuid4().hex[:8]}.partial")
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)  # there still when the disk is full


def write_table(target: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_file(target, text.getvalue().encode())


@contextmanager
def new_folder(target: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to fill; it takes its place when the block ends well and vanishes when it does not.

    Parameters
    ----------
    target : where the folder will be; its parents are made. An earlier result there is replaced
    mark : name of a file that every result holds; a folder that has content without it is refused
    """
    _check_replaceable(target, mark)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        yield fresh
        _check_replaceable(target, mark)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _check_replaceable(target: Path, mark: str) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / mark).is_file():
            raise OutputError(f"{target} is not empty and holds no {mark}, so it is left alone")
    elif target.exists():
        raise OutputError(f"{target} is a file, not a folder")
