"""The files of an export as a sequence: their checksums, and a ZIP archive of them."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Chunks = Iterator[bytes]

SUMS: Final = "SHA256SUMS"
"""The name that `sha256sum --check` is given; one line for every other file."""

PACKED: Final = (".png", ".parquet")
"""Files that compressing again makes no smaller."""


@dataclass(frozen=True, slots=True)
class ExportMember:
    """One file of an export; `chunks` is read once, in order."""

    name: str
    chunks: Chunks


@dataclass(slots=True)
class Sums:
    """The SHA-256 of each file that has passed."""

    found: dict[str, str] = field(default_factory=dict)

    def of(self, members: Iterable[ExportMember]) -> Iterator[ExportMember]:
        """The same files; each is known when its last chunk has been read."""
        for member in members:
            yield ExportMember(member.name, self._hashed(member))

    def _hashed(self, member: ExportMember) -> Chunks:
        digest = hashlib.sha256()
        for chunk in member.chunks:
            digest.update(chunk)
            yield chunk
        self.found[member.name] = digest.hexdigest()

    def text(self) -> bytes:
        """The sums as `sha256sum` writes and checks them."""
        return "".join(f"{digest}  {name}\n" for name, digest in self.found.items()).encode()


def with_sums(members: Iterable[ExportMember]) -> Iterator[ExportMember]:
    """The files, and one with their sums at the end."""
    sums = Sums()
    yield from sums.of(members)
    yield ExportMember(SUMS, iter([sums.text()]))


def archive(files: Iterable[ExportMember], *, folder: str) -> Chunks:
    """A ZIP archive of files in one folder, piece by piece; entries have a fixed time and order."""
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as into:
        for member in files:
            entry = zipfile.ZipInfo(f"{folder}/{member.name}")
            is_packed = member.name.endswith(PACKED)
            entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            with into.open(entry, "w", force_zip64=True) as stream:
                for chunk in member.chunks:
                    stream.write(chunk)
                    yield from sink.drained()
    yield from sink.drained()


class Sink(io.RawIOBase):
    """Holds what a writer writes until it is taken; it cannot seek, so nothing is written twice."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def tell(self) -> int:
        return self._taken + len(self._held)

    def drained(self) -> Chunks:
        if self._held:
            self._taken += len(self._held)
            yield bytes(self._held)
            self._held.clear()
