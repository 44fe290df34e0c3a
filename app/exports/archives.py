"""The files of an export as a sequence: their checksums, and a ZIP archive of them."""

import hashlib
import io
import pickle
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

Chunks = Iterator[bytes]

SUMS: Final = "SHA256SUMS"
"""The name that `sha256sum --check` is given; one line for every other file."""

PIECE_BYTES: Final = 1 << 20
HELD_BYTES: Final = 1 << 24

PACKED: Final = (".png", ".parquet")
"""Files that compressing again makes no smaller."""


@dataclass(frozen=True, slots=True)
class ExportMember:
    """One file of an export; `chunks` is read once, in order."""

    name: str
    chunks: Chunks


class Sums:
    """The SHA-256 of each file that has passed. Memory does not grow with them: their text is in a file."""

    def __init__(self, text: IO[bytes]) -> None:
        self.described: dict[str, str] = {}
        """The sums of files outside folders, and of the first file of each kind in a folder."""
        self._kinds: set[tuple[str, str]] = set()
        self._text = text

    def of(self, members: Iterable[ExportMember]) -> Iterator[ExportMember]:
        """The same files; each is known when its last chunk has been read."""
        for member in members:
            yield ExportMember(member.name, self._hashed(member))

    def _hashed(self, member: ExportMember) -> Chunks:
        digest = hashlib.sha256()
        for chunk in member.chunks:
            digest.update(chunk)
            yield chunk
        self._text.write(f"{digest.hexdigest()}  {member.name}\n".encode())
        if self._is_first_of_its_kind(Path(member.name)):
            self.described[member.name] = digest.hexdigest()

    def _is_first_of_its_kind(self, path: Path) -> bool:
        if len(path.parts) == 1:
            return True
        kind = (path.parts[0], path.suffix)
        is_first = kind not in self._kinds
        self._kinds.add(kind)
        return is_first

    def text(self) -> Chunks:
        """The sums as `sha256sum` writes and checks them."""
        return pieces_of(self._text)


@contextmanager
def summing() -> Iterator[Sums]:
    """Sums, and the file that they are kept in meanwhile."""
    with tempfile.TemporaryFile() as text:
        yield Sums(text)


def with_sums(members: Iterable[ExportMember]) -> Iterator[ExportMember]:
    """The files, and one with their sums at the end."""
    with summing() as sums:
        yield from sums.of(members)
        yield ExportMember(SUMS, sums.text())


def archive(files: Iterable[ExportMember], *, folder: str) -> Chunks:
    """A ZIP archive of files in one folder, piece by piece; entries have a fixed time and order."""
    with Sink() as sink, tempfile.TemporaryFile() as kept:
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as into:
            into.filelist = _Entries(kept)  # type: ignore[assignment]
            for member in files:
                entry = zipfile.ZipInfo(f"{folder}/{member.name}")
                is_packed = member.name.endswith(PACKED)
                entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
                with into.open(entry, "w", force_zip64=True) as stream:
                    for chunk in member.chunks:
                        stream.write(chunk)
                        yield from sink.drained()
                into.NameToInfo.clear()  # only readers ask for it
        yield from sink.drained()


class _Entries:
    """The entries of an archive, kept in a file: they are written again at its end, and each mask is one."""

    def __init__(self, kept: IO[bytes]) -> None:
        self._kept = kept
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, entry: zipfile.ZipInfo) -> None:
        pickle.dump(entry, self._kept)
        self._count += 1

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        self._kept.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._kept)  # noqa: S301 - what `append` wrote


class Sink(io.RawIOBase):
    """Holds what a writer writes until it is taken; it cannot seek, so nothing is written twice.

    What exceeds `HELD_BYTES` waits on the disk.
    """

    def __init__(self) -> None:
        self._held = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 - `close` does
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._held.write(data)

    def tell(self) -> int:
        return self._taken + self._held.tell()

    def drained(self) -> Chunks:
        if waiting := self._held.tell():
            yield from pieces_of(self._held)
            self._taken += waiting
            self._held.seek(0)
            self._held.truncate()

    def close(self) -> None:
        self._held.close()
        super().close()


def pieces_of(stream: IO[bytes]) -> Chunks:
    """A file from its beginning, piece by piece."""
    stream.seek(0)
    while piece := stream.read(PIECE_BYTES):
        yield piece
