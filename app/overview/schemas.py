"""An overview, as the page, the API and the command line show it."""

from datetime import datetime
from uuid import UUID

from app.messages import Answer
from app.models import AlertKind, AlertReceiver, AlertTurn, StudyState


class ArmCount(Answer):
    """Judgements of one arm."""

    name: str
    wanted: int
    decided: int
    held: int
    """Places on lease: kept for somebody who has not decided yet."""
    participants: int


class CountInArm(Answer):
    """Judgements of one pair in one arm."""

    arm: str
    wanted: int
    decided: int


class PairCount(Answer):
    """Judgements of one pair, over both questions and all arms."""

    id: int
    real_image_id: int
    fake_image_id: int
    real_name: str
    fake_name: str
    source: str
    """Generator of the fake image."""
    wanted: int
    decided: int
    held: int
    arms: list[CountInArm]


class Pairs(Answer):
    """Judgements by pair."""

    total: int
    complete: int
    """Pairs with every judgement that is wanted of them."""
    furthest_behind: list[PairCount]
    """The pairs with the smallest share of what is wanted, the smallest first."""


class Arrivals(Answer):
    """Participants who consented in one step of time."""

    at: datetime
    number: int


class VisitStep(Answer):
    """How many participants stand, or stopped, at one step of the visit."""

    name: str
    at_work: int
    left: int
    """Of those whose lease has run out; they may return."""
    screened_out: int


class Lease(Answer):
    """Places kept for participants who have not decided yet."""

    places: int
    participants: int
    """Whose lease runs."""
    next_ends_at: datetime | None
    """When the first of these leases ends unless its participant does something."""


class Forecast(Answer):
    """When the last judgement is due at the pace of the last day."""

    per_hour: float | None
    """Judgements; None where there is too little to go by, or the study is not open."""
    done_at: datetime | None


class Spend(Answer):
    """What a study has cost on marketplaces in one currency, in its minor units: cents, pence."""

    currency: str
    paid: int
    open: int
    """Intended or sent, and not shown by the marketplace yet."""
    per_judgement: float | None
    """Paid so far; None before the first judgement."""


class AlertView(Answer):
    """Something that staff have to look at."""

    kind: AlertKind
    text: str
    began_at: datetime
    run_id: UUID | None


class UndeliveredView(Answer):
    """What was told of an alert by mail or webhook, and has not arrived."""

    id: int
    text: str
    """Of the alert."""
    turn: AlertTurn
    receiver: AlertReceiver
    place: str | None
    """The server to which it went: its name alone."""
    tries: int
    tried_at: datetime
    """The last time."""
    error: str | None
    """Of the last time."""
    waits: bool
    """Whether it is tried again by itself."""
    next_try_at: datetime | None
    """None: now, or never when it does not wait."""


class Overview(Answer):
    """How a study is going. Judgements are decisions of main trials that count; people and programs are
    counted together."""

    slug: str
    pilot_of: str | None
    """Slug of the study that it tries out; None of a study. A pilot counts in no result of that study."""
    state: StudyState
    at: datetime
    """When this was counted."""
    wanted: int
    decided: int
    held: int
    participants: int
    finished: int
    at_work: int
    left: int
    screened_out: int
    withdrawn: int
    arms: list[ArmCount]
    pairs: Pairs
    arrivals: list[Arrivals]
    """In order; steps in which nobody came are left out."""
    arrivals_step_s: int | None
    """Length of a step; None before the first participant."""
    stages: list[VisitStep]
    """In the order of a visit; the work of who withdrew is gone, so they are in none."""
    lease: Lease
    forecast: Forecast
    alerts: list[AlertView]
    """Those that stand, the newest first."""
    undelivered: list[UndeliveredView]
    """Messages of alerts that did not arrive, the newest first."""
    spend: list[Spend] | None
    """By currency; None for whoever may not see it."""
