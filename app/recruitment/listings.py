"""Studies on marketplaces, as staff ask for them. A worker carries it out: `app.recruitment.sync`."""

import secrets
from typing import Annotated, Final, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound, WrongState
from app.models import (
    Listing,
    ListingAction,
    ListingState,
    Source,
    Study,
    StudyState,
)
from app.recruitment.accounts import account_of
from app.recruitment.identity import kept_out_by
from app.recruitment.marketplaces.registry import ARRIVALS, CODED_ENDINGS, MARKETPLACES, SCREENS_OUT
from app.recruitment.marketplaces.seam import Money, Offer, VisitEnd
from app.recruitment.service import CODE_LETTERS
from app.studies.plan import plan_of

CODE_LENGTH: Final = 10

ALLOWED: Final = {
    ListingAction.PUBLISH: (None, ListingState.DRAFT),
    ListingAction.PAUSE: (ListingState.PUBLISHED,),
    ListingAction.RESUME: (ListingState.PAUSED,),
    ListingAction.STOP: (ListingState.PUBLISHED, ListingState.PAUSED, ListingState.FULL),
}
"""The states of a listing in which each may be asked for."""

Minor = Annotated[int, Field(ge=1, le=1_000_000)]


class Terms(BaseModel):
    """What people on a marketplace are offered. Amounts in minor units of the account's currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    places: int = Field(ge=1, le=10_000)
    reward: Minor
    minutes: int = Field(ge=1, le=600)
    """Estimated time of one visit."""
    description: Annotated[str, Field(min_length=1, max_length=5000)]
    screen_out_reward: Minor | None = None
    screen_out_places: int | None = Field(None, ge=1, le=10_000)
    staff_screen_out: bool = False
    """Whether staff may screen people out; it is decided when the study is published."""

    @model_validator(mode="after")
    def screen_out_is_whole(self) -> "Terms":
        if (self.screen_out_reward is None) != (self.screen_out_places is None):
            raise ValueError("say both what a screened-out person is paid and how many may be.")
        if self.screen_out_reward is not None and self.screen_out_reward >= self.reward:
            raise ValueError("who is screened out is paid less than the reward.")
        return self


def listing_of(session: Session, study: Study) -> Listing | None:
    """The study's listing; of several marketplaces the first."""
    return session.scalar(select(Listing).where(Listing.study_id == study.id).order_by(Listing.id).limit(1))


def find_listing(session: Session, study: Study) -> Listing:
    listing = listing_of(session, study)
    if listing is None:
        raise NotFound(f"{study.slug} is on no marketplace yet.")
    return listing


def make_listing(session: Session, study: Study, source: Source, terms: Terms, *, by: int | None) -> Listing:
    """A listing that is to be published; visits that come from there end with its codes from now on."""
    account = account_of(session, source)
    if study.state is not StudyState.OPEN:
        raise WrongState("Open the study first: people come as soon as it is published.")
    if listing_of(session, study) is not None:
        raise WrongState("This study is on a marketplace already.")
    if terms.staff_screen_out and source not in SCREENS_OUT:
        raise BadInput(f"{MARKETPLACES[source]} has no screen-out.")
    listing = Listing(
        study_id=study.id,
        marketplace=source,
        title=study.title,
        description=terms.description,
        minutes=terms.minutes,
        reward=terms.reward,
        screen_out_reward=terms.screen_out_reward,
        screen_out_places=terms.screen_out_places,
        staff_screen_out=terms.staff_screen_out,
        currency=account.currency,
        codes={ending: _new_code() for ending in CODED_ENDINGS[source]},
        places_wanted=terms.places,
        asked=ListingAction.PUBLISH,
        created_by=by,
    )
    session.add(listing)
    session.flush()
    return listing


def _new_code() -> str:
    return "C" + "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def ask(listing: Listing, action: ListingAction) -> None:
    """Note what a worker is to do; `WrongState` where the listing is not in a state for it."""
    if listing.state not in ALLOWED[action]:
        raise WrongState(f"It is {listing.state or 'not there yet'}: it cannot be asked to {action} now.")
    listing.asked = action


def raise_places(listing: Listing, places: int) -> None:
    """Ask for more places; they never become fewer, because somebody may be on their way."""
    if places <= max(listing.places_wanted, listing.places):
        raise BadInput(
            f"There are {max(listing.places_wanted, listing.places)} places; they can only be more."
        )
    listing.places_wanted = places


def offer_of(session: Session, study: Study, listing: Listing, *, public_url: str) -> Offer:
    return Offer(
        reference=f"cyborg {listing.reference}",
        title=listing.title,
        description=listing.description,
        url=arrival_address(study, listing.marketplace, public_url),
        minutes=listing.minutes,
        reward=Money(listing.reward, listing.currency),
        places=listing.places_wanted,
        codes=cast("dict[VisitEnd, str]", listing.codes),
        screen_out=Money(listing.screen_out_reward, listing.currency) if listing.screen_out_reward else None,
        screen_out_places=listing.screen_out_places,
        staff_screen_out=listing.staff_screen_out,
        group=listing.group_id,
        shut_out=shut_out(session, study, listing),
        device=() if plan_of(study).device.touch else ("desktop",),
    )


def arrival_address(study: Study, source: Source, public_url: str) -> str:
    """With the parameters that the marketplace fills in."""
    query = f"?{ARRIVALS[source]}" if ARRIVALS[source] else ""
    return f"{public_url.rstrip('/')}/s/{study.slug}{query}"


def shut_out(session: Session, study: Study, listing: Listing) -> list[str]:
    """The groups of the studies whose people may not come, as far as they were listed."""
    earlier = (
        select(Listing.group_id)
        .join(Study, Study.id == Listing.study_id)
        .where(
            kept_out_by(study),
            Listing.marketplace == listing.marketplace,
            Listing.group_id.is_not(None),
        )
        .order_by(Listing.id)
    )
    return [group for group in session.scalars(earlier) if group]


def marketplace_name(listing: Listing) -> str:
    return MARKETPLACES[listing.marketplace]
