"""A ZIP archive of images, unpacked into a folder that is gone afterwards; its list is checked first."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISLNK
from typing import Final

from app.errors import BadInput

MOST_FILES: Final = 100_000
LARGEST_FILE: Final = 500_000_000  # bytes; no picture has so many
READABLE: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED: Final = 0x1
OUTSIDE: Final = re.compile(r"^(/|[a-zA-Z]:)|(^|/)\.\.(/|$)")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of an archive's files; the only folder at its top, if there is nothing else.

    `BadInput` names the first file that is outside of the archive, a link, encrypted, packed in an unusual
    way or too large; nothing is unpacked then. Files that a system made (`__MACOSX`, `.…`) are left out.
    """
    with tempfile.TemporaryDirectory(prefix="cyborg-images-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                wanted = _checked(archive.infolist(), free=shutil.disk_usage(folder).free)
                archive.extractall(folder, wanted)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
            raise BadInput(f"{path} is no whole ZIP archive: {error}") from None
        yield _top(Path(folder))


def _checked(entries: Sequence[zipfile.ZipInfo], *, free: int) -> list[zipfile.ZipInfo]:
    if len(entries) > MOST_FILES:
        raise BadInput(f"The archive has {len(entries):,} files; at most {MOST_FILES:,} go at once.")
    for entry in entries:
        _check(entry)
    wanted = [one for one in entries if not one.is_dir() and not _is_hidden(one.filename)]
    if (size := sum(one.file_size for one in wanted)) > free:
        raise BadInput(f"The archive unpacks to {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.")
    return wanted


def _check(entry: zipfile.ZipInfo) -> None:
    name = entry.filename.replace("\\", "/")
    if OUTSIDE.search(name):
        raise BadInput(f"The archive names a file outside of itself: {name}.")
    if S_ISLNK(entry.external_attr >> 16):
        raise BadInput(f"The archive holds a link: {name}. Pack the files themselves.")
    if entry.flag_bits & ENCRYPTED:
        raise BadInput(f"The archive is encrypted: {name}.")
    if entry.compress_type not in READABLE:
        raise BadInput(f"The archive is packed in an unusual way: {name}.")
    if entry.file_size > LARGEST_FILE:
        raise BadInput(f"{name} unpacks to {entry.file_size / 1e6:,.0f} MB; no picture has so many.")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _top(folder: Path) -> Path:
    """Programs pack a folder with its name; what is inside counts."""
    inside = list(folder.iterdir())
    is_wrapped = len(inside) == 1 and inside[0].is_dir() and inside[0].name not in ("real", "fake")
    return _top(inside[0]) if is_wrapped else folder
