"""Addresses of pictures that say everything to us and nothing to anybody else.

An address is sealed: encrypted and signed with a key that every process of an installation shares
(AES-SIV, RFC 5297). Whoever serves it asks no database. What is sealed is as long for every picture, and
begins with the trial's random id: no two participants share an address, one participant's is the same
each time within a week, and two pictures of a pair differ in nothing but noise.

An address stops working one to two weeks after it was last given out. It names no person, so withdrawal
need not undo it: it removes what connects the two.
"""

import base64
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

WEEK_S: Final = int(timedelta(weeks=1).total_seconds())

CONTENT: Final = struct.Struct(">16s B H I 32s")
"""Trial, place, week, size in bytes, name of the blob."""

SEALED_CHARACTERS: Final = -(-(CONTENT.size + 16) * 4 // 3)


class PictureSlot(IntEnum):
    """Where a trial shows a picture."""

    LEFT = 0
    RIGHT = 1
    LEFT_MAP = 2
    RIGHT_MAP = 3

    @property
    def is_map(self) -> bool:
        return self >= PictureSlot.LEFT_MAP


@dataclass(frozen=True, slots=True)
class SealedPicture:
    """What an address stands for: a blob, and how long it is made before it is sent."""

    blob: str
    size: int
    is_map: bool


class Seal:
    """`key`: 64 random bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def address(self, trial: UUID, place: PictureSlot, *, blob: str, size: int, at: datetime) -> str:
        content = CONTENT.pack(trial.bytes, place, _week(trial.bytes, at), size, bytes.fromhex(blob))
        return base64.urlsafe_b64encode(self._cipher.encrypt(content, None)).rstrip(b"=").decode()

    def open(self, address: str, *, at: datetime) -> SealedPicture | None:
        """What an address stands for; None of one that is not ours, or too old."""
        if len(address) != SEALED_CHARACTERS:
            return None
        try:
            sealed = base64.urlsafe_b64decode(address + "=" * (-len(address) % 4))
            trial, place, week, size, blob = CONTENT.unpack(self._cipher.decrypt(sealed, None))
        except (ValueError, InvalidTag):
            return None
        # The clock of another machine may be ahead.
        if week - _week(trial, at) not in (-1, 0, 1):
            return None
        return SealedPicture(blob.hex(), size, PictureSlot(place).is_map)


def _week(trial: bytes, at: datetime) -> int:
    """The number of the week; each trial's begin at a time of its own, so that no moment is everybody's."""
    shift = int.from_bytes(trial[:4]) % WEEK_S
    return (int(at.timestamp()) + shift) // WEEK_S % 65_536
