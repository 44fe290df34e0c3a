"""What a marketplace does for us, in words that are nobody's in particular.

Every call goes over a network, may take seconds, and may be lost on its way there or on its way back:
`MarketplaceUnavailable` says nothing about whether it was done. A call may be sent again unless it says
otherwise. No transaction is open during a call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from app.models import ListingAction, ListingState, Source, SubmissionState

MINOR_UNITS: Final = 100
"""Of a pound, a dollar or a euro; marketplaces that pay in other currencies do not exist here."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of pence or cents: never a float."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added.")
        return Money(self.minor + other.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    @property
    def decimal(self) -> str:
        sign, minor = "-" if self.minor < 0 else "", abs(self.minor)
        return f"{sign}{minor // MINOR_UNITS}.{minor % MINOR_UNITS:02}"


VisitEnd = Literal[
    "finished",
    "screened_out",
    "failed_checks",
    "declined",
    "quota_full",
    "closed",
    "already_took_part",
    "withdrawn",
]
"""The ways in which a visit ends; each has a completion code of its own."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose account a token opens."""

    name: str
    workspace: str
    currency: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A study as people on a marketplace are offered it.

    reference : ours, by which the draft is found again
    codes : completion code by ending
    group : the list that takes up who finishes
    shut_out : lists of people who may not take part
    staff_screen_out : staff may screen out who has handed in their work
    """

    reference: str
    title: str
    description: str
    url: str
    minutes: int
    reward: Money
    places: int
    codes: Mapping[VisitEnd, str]
    screen_out: Money | None = None
    screen_out_places: int | None = None
    staff_screen_out: bool = False
    group: str | None = None
    shut_out: Sequence[str] = ()
    device: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A study as the marketplace has it."""

    id: str
    state: ListingState
    places: int
    places_taken: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission as the marketplace has it."""

    id: str
    worker: str
    state: SubmissionState
    code: str | None
    started_at: datetime
    completed_at: datetime | None = None
    return_requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bonus:
    """key : the same for the same bonus, however often it is sent"""

    submission: str
    amount: Money
    key: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RejectionRules:
    """What a marketplace asks of a rejection.

    categories : what it may be for, in the marketplace's code and in words
    shortest : characters of the message that the rejected person reads
    """

    categories: Mapping[str, str]
    shortest: int


@dataclass(frozen=True, slots=True)
class BonusBatch:
    """Bonuses that are set up and not paid yet. `total` has fees and tax in it."""

    id: str
    total: Money


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs, or has cost; minor units of one currency."""

    rewards: int
    fees: int
    tax: int
    bonuses: int = 0
    currency: str = "GBP"

    @property
    def total(self) -> Money:
        return Money(self.rewards + self.bonuses + self.fees + self.tax, self.currency)


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """What an event is about. What it says of it is not believed: the marketplace is asked."""

    listing: str | None = None
    submission: str | None = None


class EventReader(Protocol):
    def __call__(
        self, headers: Mapping[str, str], body: bytes, secret: str, *, at: datetime
    ) -> MarketEvent | None:
        """What a signed event is about; None of one that is not the marketplace's, or too old.

        headers : their names in small letters
        """


class Marketplace(Protocol):
    """One account on one marketplace."""

    @property
    def source(self) -> Source: ...

    @property
    def pays_once(self) -> bool:
        """Whether it pays a bonus once, however often one with the same key is sent."""

    @property
    def bonuses_settle(self) -> timedelta:
        """After that long a bonus that was paid is shown with its submission."""

    def owner(self) -> Owner:
        """Whose account it is; `MarketplaceRefused` when the token opens none."""

    def quote(self, reward: Money, places: int) -> Cost:
        """What so many places would cost; spends nothing."""

    def find(self, reference: str) -> Listed | None:
        """The study that was made under this reference, if any was."""

    def create(self, offer: Offer) -> Listed:
        """A draft, which nobody sees. Not repeatable: look with `find` first."""

    def look(self, listing: str) -> Listed: ...

    def act(self, listing: str, action: ListingAction, offer: Offer) -> None:
        """Publish, pause, resume or stop. `MarketplaceRefused` where the state does not allow it."""

    def raise_places(self, listing: str, places: int, offer: Offer) -> None:
        """Set the number of places; it only goes up. What is not published yet may stay as it is."""

    def submissions(self, listing: str) -> Sequence[Submitted]: ...

    def approve(self, submissions: Sequence[str]) -> None:
        """Pay the reward; who has been paid is not paid again."""

    def request_return(self, submission: str, reason: str) -> None:
        """Ask somebody to return their submission. They are asked once."""

    def reject(self, submission: str, category: str, message: str) -> None: ...

    def screen_out(self, listing: str, submission: str, pay: Money) -> None:
        """Screen out somebody who handed in their work, for this pay; somebody else may take their place.
        Not repeatable. `MarketplaceRefused` where there is no such thing, or for too little pay."""

    def set_up_bonuses(self, listing: str, bonuses: Sequence[Bonus]) -> BonusBatch:
        """Write bonuses down; nothing is paid."""

    def pay_bonuses(self, batch: str, bonuses: Sequence[Bonus]) -> None:
        """Pay what was set up. **Not repeatable** unless `pays_once`: a second call pays a second time."""

    def bonuses_of(self, submission: str) -> Sequence[int]:
        """Each bonus that was paid for a submission, in minor units."""

    def charged(self, listing: str) -> Cost:
        """What a study has cost until now."""

    def message(self, listing: str, worker: str, text: str) -> None:
        """Write to somebody. Not repeatable."""

    def group(self, name: str) -> str:
        """The id of the list of this name, made where there is none."""

    def enlist(self, group: str, workers: Sequence[str]) -> None:
        """Put people on a list, where the marketplace does not do it by itself; who is on it stays."""

    def listen(self, url: str) -> str:
        """Have events sent to an address; returns the secret that they are signed with."""
