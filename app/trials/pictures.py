"""What a participant's browser gets of an image: bytes that do not tell a real face from a fake one."""

from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import Image, Pair, Participant, ParticipantState, Trial

START_OF_IMAGE: Final = b"\xff\xd8"
COMMENT: Final = b"\xff\xfe"
LONGEST_COMMENT: Final = 2 + 65_535  # marker, then a length that counts itself
SHORTEST_COMMENT: Final = 4


def find_picture(session: Session, token: str) -> tuple[str, int]:
    """Blob name and served size of the image that a token stands for."""
    found = session.execute(
        select(Image.display_hash, Pair.served_bytes)
        .select_from(Trial)
        .join(Pair, Pair.id == Trial.pair_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(
            Image,
            or_(
                (Trial.left_token == token) & (Image.id == Trial.left_image_id),
                (Trial.right_token == token) & (Image.id == Trial.right_image_id),
            ),
        )
        .where(
            or_(Trial.left_token == token, Trial.right_token == token),
            Participant.state != ParticipantState.WITHDRAWN,
        )
    ).first()
    if found is None:
        raise NotFound("There is no such picture.")
    return found.display_hash, found.served_bytes


def pad_jpeg(data: bytes, size: int) -> bytes:
    """`data` with comments of zeros after its first marker, `size` bytes in all.

    How well a face compresses follows its class, and the length of a download is seen even by those
    who never decode it; both images of a pair are therefore served at one length. `size` must equal
    `len(data)` or exceed it by at least four bytes, the length of an empty comment.
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
        # Never leave a rest that is too short to be a comment of its own.
        take = min(length, LONGEST_COMMENT)
        if 0 < length - take < SHORTEST_COMMENT:
            take -= SHORTEST_COMMENT
        comments.append(COMMENT + (take - 2).to_bytes(2) + bytes(take - SHORTEST_COMMENT))
        length -= take
    return comments
