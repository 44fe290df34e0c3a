"""Pictures for participants, whose address and length do not tell a real face from a fake one."""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db import AnyRow
from app.errors import NotFound
from app.models import Image, ImageAdvice, Pair, Participant, RegionCheck, Trial
from app.studies.padding import served_bytes
from app.trials.addresses import PictureSlot, Seal

START_OF_IMAGE: Final = b"\xff\xd8"
COMMENT: Final = b"\xff\xfe"
LONGEST_COMMENT: Final = 2 + 65_535  # marker, then a length that counts itself
SHORTEST_COMMENT: Final = 4

END_OF_PNG_HEADER: Final = 8 + 25  # the signature and the header's chunk, which always comes first
PADDING_CHUNK: Final = b"paDd"  # lower case: no decoder needs it, it is private, it may be copied
CHUNK_FRAME: Final = 12  # length, name and checksum


@dataclass(frozen=True, slots=True)
class Addresses:
    """Makes the addresses of the pictures of trials."""

    session: Session
    seal: Seal
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    lengths: dict[UUID, int] = field(default_factory=dict)
    """Length in bytes of the heat maps of a trial, which are padded to one length."""

    def of(self, trial: AnyRow, place: PictureSlot) -> str:
        """The address of one picture of a trial.

        trial : a row of `app.trials.service.upcoming`
        """
        is_left = place in (PictureSlot.LEFT, PictureSlot.LEFT_MAP)
        if place.is_map:
            blob, size = trial.advice["left_map" if is_left else "right_map"], self._map_bytes(trial.id)
        else:
            blob, size = trial.left_blob if is_left else trial.right_blob, trial.served_bytes
        return f"/i/{self.seal.address(trial.id, place, blob=blob, size=size, at=self.now)}"

    def _map_bytes(self, trial: UUID) -> int:
        if trial not in self.lengths:
            longest = self.session.scalar(LONGEST_MAP, {"trial": trial})
            assert longest is not None  # noqa: S101 - the trial names its maps
            self.lengths[trial] = served_bytes(longest)
        return self.lengths[trial]


LONGEST_MAP: Final = (
    select(func.max(ImageAdvice.map_bytes))
    .join(Participant, Participant.study_id == ImageAdvice.study_id)
    .join(Trial, Trial.participant_id == Participant.id)
    .where(
        Trial.id == bindparam("trial"),
        ImageAdvice.image_id.in_([Trial.left_image_id, Trial.right_image_id]),
    )
)


def find_picture(session: Session, token: str) -> tuple[str, int]:
    """Blob name and served size of the image that a token stands for."""
    size = func.coalesce(Pair.served_bytes, RegionCheck.served_bytes)
    picture = session.execute(
        select(Image.display_hash, size)
        .select_from(Trial)
        .join(Image, _shown_as(token))
        .outerjoin(Pair, Pair.id == Trial.pair_id)
        .outerjoin(RegionCheck, RegionCheck.id == Trial.region_check_id)
        .where(_is_valid(token))
    ).first()
    if picture is None:
        raise NotFound("There is no such picture.")
    return picture[0], picture[1]


def find_heat_map(session: Session, token: str) -> tuple[str, int]:
    """Blob name and served size of the heat map laid over the image that a token stands for."""
    either = aliased(ImageAdvice)  # of the left or the right image: both maps are served at one length
    longest = (
        select(func.max(either.map_bytes))
        .where(
            either.study_id == ImageAdvice.study_id,
            either.image_id.in_([Trial.left_image_id, Trial.right_image_id]),
        )
        .correlate(ImageAdvice, Trial)
        .scalar_subquery()
    )
    heat_map = session.execute(
        select(ImageAdvice.map_hash, longest)
        .select_from(Trial)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Image, _shown_as(token))
        .join(
            ImageAdvice,
            (ImageAdvice.study_id == Participant.study_id) & (ImageAdvice.image_id == Image.id),
        )
        .where(_is_valid(token), Trial.advice["left_map"].astext.is_not(None))
    ).first()
    if heat_map is None or heat_map[0] is None:
        raise NotFound("There is no such picture.")
    return heat_map[0], served_bytes(heat_map[1])


def _shown_as(token: str) -> ColumnElement[bool]:
    """The condition that joins a trial with the image on the side that the token stands for."""
    return or_(
        (Trial.left_token == token) & (Image.id == Trial.left_image_id),
        (Trial.right_token == token) & (Image.id == Trial.right_image_id),
    )


def _is_valid(token: str) -> ColumnElement[bool]:
    """The condition that a trial has this token; withdrawal deletes the trials, and so their addresses."""
    return or_(Trial.left_token == token, Trial.right_token == token)


def pad_jpeg(data: bytes, size: int) -> bytes:
    """`data` with comments of zeros after its first marker, `size` bytes in all.

    Real and fake faces compress differently, and a download's length is visible without decoding it, so
    both images of a pair are served at one length.

    `ValueError`: `size` is smaller than `len(data)`, or larger by less than an empty comment (4 bytes)
    """
    missing = size - len(data)
    if missing == 0:
        return data
    if missing < SHORTEST_COMMENT:
        raise ValueError(f"cannot pad {len(data)} bytes to {size}")
    return START_OF_IMAGE + b"".join(_comments(missing)) + data[len(START_OF_IMAGE) :]


def _comments(length: int) -> list[bytes]:
    comments = []
    while length > 0:
        # Leave either nothing or enough for another comment.
        take = min(length, LONGEST_COMMENT)
        if 0 < length - take < SHORTEST_COMMENT:
            take -= SHORTEST_COMMENT
        comments.append(COMMENT + (take - 2).to_bytes(2) + bytes(take - SHORTEST_COMMENT))
        length -= take
    return comments


def pad_png(data: bytes, size: int) -> bytes:
    """`data` with a private chunk of zeros after its header, `size` bytes in all.

    Decoders ignore the chunk.

    `ValueError`: `size` does not exceed `len(data)` by an empty chunk (12 bytes)
    """
    missing = size - len(data) - CHUNK_FRAME
    if missing < 0:
        raise ValueError(f"cannot pad {len(data)} bytes to {size}")
    content = PADDING_CHUNK + bytes(missing)
    chunk = missing.to_bytes(4) + content + zlib.crc32(content).to_bytes(4)
    return data[:END_OF_PNG_HEADER] + chunk + data[END_OF_PNG_HEADER:]
