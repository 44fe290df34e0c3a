"""A study on a marketplace: who was recruited there, and every payment, bonus and fee."""

import enum
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set
from app.models.people import Source


class MarketplaceAccount(Base):
    """The lab's account on a marketplace; what opens it is sealed (`app.security.TokenBox`)."""

    __tablename__ = "marketplace_account"

    marketplace: Mapped[Source] = mapped_column(closed_set(Source, "marketplace"), primary_key=True)
    sealed_token: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_hook_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What the marketplace signs its events with; None where it sends none."""
    owner: Mapped[str]
    """Whose account it is, as the marketplace says it."""
    workspace: Mapped[str]
    currency: Mapped[str]
    connected_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    connected_at: Mapped[Now]
    event_at: Mapped[datetime | None]
    """When the marketplace last sent an event."""


class ListingState(enum.StrEnum):
    """As the marketplace says it; it may change there without us."""

    DRAFT = "draft"
    PUBLISHED = "published"  # draft | paused -> published; also full | stopped, when places are raised
    PAUSED = "paused"  # published -> paused
    FULL = "full"  # published -> full: every place is taken
    STOPPED = "stopped"  # published | paused | full -> stopped


class ListingAction(enum.StrEnum):
    """What staff ask for; a worker carries it out and clears it."""

    PUBLISH = "publish"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class Listing(Base):
    """One study on one marketplace: what is asked for, and what the marketplace says of it."""

    __tablename__ = "listing"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    marketplace: Mapped[Source] = mapped_column(closed_set(Source, "marketplace"))
    reference: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    """By which it is found on the marketplace again when its id there was not written down."""
    external_id: Mapped[str | None] = mapped_column(unique=True)
    """Of the marketplace; None until the draft is there."""
    title: Mapped[str]
    description: Mapped[str]
    minutes: Mapped[int]
    reward: Mapped[int] = mapped_column(BigInteger)
    """Minor units of `currency`: cents, pence."""
    screen_out_reward: Mapped[int | None] = mapped_column(BigInteger)
    """For who is screened out; None: they are asked to return their submission."""
    screen_out_places: Mapped[int | None]
    """How many may be paid so before the marketplace pauses the study."""
    staff_screen_out: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Published as a study in which staff screen people out."""
    currency: Mapped[str]
    codes: Mapped[Json]
    """Completion code by the way a visit ends; `app.recruitment.listings`."""
    group_id: Mapped[str | None]
    """The marketplace's list of who took part."""
    places_wanted: Mapped[int]
    places: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    places_taken: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    asked: Mapped[ListingAction | None] = mapped_column(closed_set(ListingAction, "asked"))
    state: Mapped[ListingState | None] = mapped_column(closed_set(ListingState, "state"))
    charged: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What the marketplace says it has cost: rewards, bonuses, fees, tax in minor units."""
    error: Mapped[str | None]
    """Why the last visit to the marketplace did not do everything, in one sentence."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]
    synced_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("study_id", "marketplace"),
        CheckConstraint("reward > 0 AND places_wanted > 0 AND minutes > 0", name="amounts_positive"),
        CheckConstraint("screen_out_reward < reward", name="screen_out_below_reward"),
        CheckConstraint("num_nulls(screen_out_reward, screen_out_places) IN (0, 2)", name="screen_out_whole"),
    )


class SubmissionState(enum.StrEnum):
    RESERVED = "reserved"
    ACTIVE = "active"
    AWAITING_REVIEW = "awaiting_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    TIMED_OUT = "timed_out"
    SCREENED_OUT = "screened_out"
    UNKNOWN = "unknown"


class SubmissionVerdict(enum.StrEnum):
    """What staff decided about a submission; a worker tells the marketplace."""

    APPROVE = "approve"
    REQUEST_RETURN = "request_return"
    REJECT = "reject"
    SCREEN_OUT = "screen_out"


class Submission(Base):
    """One person's take-up of a listing. Holds worker ids: read by recruitment alone, never exported."""

    __tablename__ = "submission"

    id: Mapped[Id]
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id"))
    external_id: Mapped[str]
    worker_id: Mapped[str]
    participant_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("participant.id", ondelete="SET NULL"), index=True
    )
    """Whose visit it is; None of somebody who never consented."""
    state: Mapped[SubmissionState] = mapped_column(closed_set(SubmissionState, "state"))
    code: Mapped[str | None]
    """The completion code that came with it."""
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    return_requested_at: Mapped[datetime | None]
    verdict: Mapped[SubmissionVerdict | None] = mapped_column(closed_set(SubmissionVerdict, "verdict"))
    verdict_detail: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """Category and message of a rejection, reason of a return, pay of a screen-out; or, without a verdict,
    why the marketplace refused a screen-out."""
    verdict_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    verdict_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    """When the marketplace was told of the verdict."""

    __table_args__ = (
        UniqueConstraint("listing_id", "external_id"),
        Index("ix__submission__listing_id_state", "listing_id", "state"),
        Index("ix__submission__newest", "listing_id", text("started_at DESC"), "id"),
    )


class PaymentKind(enum.StrEnum):
    REWARD = "reward"
    SCREEN_OUT = "screen_out"
    BONUS = "bonus"
    FEE = "fee"
    TAX = "tax"


class PaymentState(enum.StrEnum):
    INTENDED = "intended"  # also sent -> intended, when the marketplace refuses or staff say it was not paid
    SENT = "sent"  # intended -> sent, before the call of a bonus and after that of a reward
    CONFIRMED = "confirmed"  # any -> confirmed: the marketplace shows it
    CANCELLED = "cancelled"  # intended -> cancelled: nobody to pay any more, or staff cancel a bonus


class Payment(Base):
    """A row of the ledger. The key says what is paid; the database lets nothing be written down twice."""

    __tablename__ = "payment"

    id: Mapped[Id]
    listing_id: Mapped[int] = mapped_column(ForeignKey("listing.id"))
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submission.id"), index=True)
    """None of a fee or a tax, which is for a whole listing."""
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[PaymentKind] = mapped_column(closed_set(PaymentKind, "kind"))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Minor units of `currency`. A fee that the marketplace gives back is negative."""
    currency: Mapped[str]
    state: Mapped[PaymentState] = mapped_column(closed_set(PaymentState, "state"))
    reason: Mapped[str | None]
    batch: Mapped[str | None]
    """The marketplace's id of the bonuses that are paid together; None until it has one."""
    paid_before: Mapped[int | None]
    """Bonuses of this amount that the submission had when this one was sent."""
    refusals: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often the marketplace refused to pay it."""
    refusal: Mapped[str | None]
    """What it said the last time."""
    next_try_at: Mapped[datetime | None]
    """Not before then it is asked for again; None: at the next visit."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """Who asked for it; None: the marketplace did it by itself."""
    intended_at: Mapped[Now]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix__payment__sums",
            *("listing_id", "state", "kind", "currency"),
            postgresql_include=["amount"],
        ),
        CheckConstraint("amount > 0 OR kind IN ('fee', 'tax')", name="amount_positive"),
        CheckConstraint("length(currency) = 3", name="currency_code"),
    )
