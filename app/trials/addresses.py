"""Sealed addresses of pictures: the server reads them without a database, and nobody else can read them.

An address is encrypted and signed with a key that every process of an installation shares (AES-SIV,
RFC 5297). Its content has the same length for every picture and begins with the trial's random id. So no two
participants share an address, a participant's address stays the same for a week, and the addresses of the
two pictures of a pair tell nothing about them.

An address stops working one to two weeks after it was last issued. It names no person: withdrawal deletes
the trial that connects the two, and so need not revoke it.
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
    """The place of a picture in a trial."""

    LEFT = 0
    RIGHT = 1
    LEFT_MAP = 2
    RIGHT_MAP = 3

    @property
    def is_map(self) -> bool:
        return self >= PictureSlot.LEFT_MAP


@dataclass(frozen=True, slots=True)
class SealedPicture:
    """The picture that an address stands for: a blob, and the size to which it is padded."""

    blob: str
    size: int
    is_map: bool


class Seal:
    """Makes and opens addresses.

    key : 64 random bytes
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def address(self, trial: UUID, place: PictureSlot, *, blob: str, size: int, at: datetime) -> str:
        content = CONTENT.pack(trial.bytes, place, _week(trial.bytes, at), size, bytes.fromhex(blob))
        return base64.urlsafe_b64encode(self._cipher.encrypt(content, None)).rstrip(b"=").decode()

    def open(self, address: str, *, at: datetime) -> SealedPicture | None:
        """The picture that an address stands for; None for an address that is too old or not from here."""
        if len(address) != SEALED_CHARACTERS:
            return None
        try:
            sealed = base64.urlsafe_b64decode(address + "=" * (-len(address) % 4))
            trial, place, week, size, blob = CONTENT.unpack(self._cipher.decrypt(sealed, None))
        except (ValueError, InvalidTag):
            return None
        # A week ahead is valid, too: the clock of the machine that made the address may be ahead.
        if week - _week(trial, at) not in (-1, 0, 1):
            return None
        return SealedPicture(blob.hex(), size, PictureSlot(place).is_map)


def _week(trial: bytes, at: datetime) -> int:
    """The number of the week; weeks of each trial begin at another moment, so that not all change at once."""
    shift = int.from_bytes(trial[:4]) % WEEK_S
    return (int(at.timestamp()) + shift) // WEEK_S % 65_536
