"""Events that marketplaces send. An event asks for a visit to the marketplace, and is believed in nothing.

So it does not matter whether one comes twice, late, out of order or not at all.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.deps import Config, Db
from app.errors import NotAllowed, NotFound
from app.jobs import VISIT_MARKETPLACE, enqueue_once
from app.models import Listing, ListingState, MarketplaceAccount, Source, Submission
from app.recruitment.marketplaces.registry import EVENT_READERS
from app.recruitment.marketplaces.seam import MarketEvent
from app.security import token_box

EVENTS_PATH: Final = "/api/marketplaces/{source}/events"

router: Final = APIRouter(include_in_schema=False)


async def raw_body(request: Request) -> bytes:
    """As it was sent: the signature is over its bytes."""
    return await request.body()


@router.post(EVENTS_PATH, status_code=204)
def take_event(
    source: Source, request: Request, db: Db, config: Config, body: Annotated[bytes, Depends(raw_body)]
) -> None:
    account = db.get(MarketplaceAccount, source)
    if account is None or account.sealed_hook_secret is None or source not in EVENT_READERS:
        raise NotFound
    secret = token_box(db, config).open(account.sealed_hook_secret, of=f"{source} events")
    event = EVENT_READERS[source](request.headers, body, secret, at=datetime.now(UTC))
    if event is None:
        raise NotAllowed("This event has no valid signature.")
    account.event_at = datetime.now(UTC)
    for listing_id in listings_of(db, source, event):
        ask_for_visit(db, listing_id)


def ask_for_visit(session: Session, listing_id: int) -> None:
    enqueue_once(session, VISIT_MARKETPLACE, lock=f"listing:{listing_id}", listing_id=listing_id)


def listings_of(session: Session, source: Source, event: MarketEvent) -> list[int]:
    """Listings that an event is about; every living one where the submission is not known yet."""
    of_source = select(Listing.id).where(Listing.marketplace == source)
    if event.listing:
        return list(session.scalars(of_source.where(Listing.external_id == event.listing)))
    known = of_source.join(Submission, Submission.listing_id == Listing.id)
    found = list(session.scalars(known.where(Submission.external_id == event.submission)))
    live = Listing.state.not_in((ListingState.STOPPED, ListingState.DRAFT))
    return found or list(session.scalars(of_source.where(live)))
