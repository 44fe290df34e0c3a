"""Messages to people on the marketplace that they came from."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import note
from app.errors import BadInput, WrongState
from app.models import Listing, Participant, Submission
from app.recruitment.accounts import key_of, opened
from app.settings import Settings

LONGEST: Final = 2000  # characters


def submission_of(session: Session, participant: Participant) -> Submission | None:
    """The newest submission behind somebody's visit; None of who came otherwise."""
    mine = select(Submission).where(Submission.participant_id == participant.id)
    return session.scalar(mine.order_by(Submission.id.desc()).limit(1))


def write_to(
    session: Session, settings: Settings, listing: Listing, submissions: Sequence[Submission], text: str
) -> int:
    """Send each person the same message; returns how many got it.

    A message cannot be taken back and is not sent again by itself: where the marketplace fails in between,
    its error is raised and the others have theirs.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise BadInput(f"A message needs a text of at most {LONGEST:,} characters.")
    if listing.external_id is None:
        raise WrongState("The study is not on the marketplace yet.")
    with opened(key_of(session, listing.marketplace, settings), settings) as market:
        for one in submissions:
            market.message(listing.external_id, one.worker_id, text)
    note(session, f"{len(submissions)} people got a message")
    return len(submissions)
