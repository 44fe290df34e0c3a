"""Messages to people on the marketplace that they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import note
from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import Listing, Participant, Submission
from app.recruitment.accounts import AccountKey, key_of, opened
from app.settings import Settings

LONGEST: Final = 2000  # characters


def submission_of(session: Session, participant: Participant) -> Submission | None:
    """The newest submission behind somebody's visit; None of who came otherwise."""
    mine = select(Submission).where(Submission.participant_id == participant.id)
    return session.scalar(mine.order_by(Submission.id.desc()).limit(1))


@dataclass(frozen=True, slots=True)
class AddressedMessage:
    """One message to several people, by their ids on the marketplace."""

    key: AccountKey
    listing: str
    workers: tuple[str, ...]
    text: str


def addressed(
    session: Session, settings: Settings, listing: Listing, submissions: Sequence[Submission], text: str
) -> AddressedMessage:
    """A message that can be sent. The audit log says that it was asked for; commit before it is sent."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise BadInput(f"A message needs a text of at most {LONGEST:,} characters.")
    if listing.external_id is None:
        raise WrongState("The study is not on the marketplace yet.")
    key = key_of(session, listing.marketplace, settings)
    note(session, f"{len(submissions)} people are written to")
    return AddressedMessage(key, listing.external_id, tuple(one.worker_id for one in submissions), text)


def send(message: AddressedMessage, settings: Settings) -> int:
    """Send a message to each person, outside of any transaction; returns how many got it.

    It cannot be taken back and is not sent again by itself: where the marketplace fails in between, its
    error says how many have theirs.
    """
    sent = 0
    try:
        with opened(message.key, settings) as market:
            for worker in message.workers:
                market.message(message.listing, worker, message.text)
                sent += 1
    except (MarketplaceRefused, MarketplaceUnavailable) as error:
        raise type(error)(f"{error} {sent} of {len(message.workers)} people got the message.") from None
    return sent
