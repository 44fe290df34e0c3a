"""What the planner is asked, and what it answers, as the API has it; the command line prints the same."""

from typing import Literal

from pydantic import Field

from app.messages import Answer, Body
from app.models import Source
from app.recruitment.review import MOST_PAID

RowName = Literal["fewest", "left_out", "plan"]

MOST_LEFT_OUT = 0.9


class PlannerBody(Body):
    """What the planner is to assume and to price; nothing of it is kept."""

    like: str = Field("", max_length=60)
    """A study whose decisions say how people and pairs differ; empty: assumptions stand in."""
    mean: float | None = Field(None, gt=0, lt=1)
    """Share correct; null: measured in `like`, or assumed."""
    participant_sd: float | None = Field(None, ge=0, lt=1)
    """Standard deviation of the share correct over participants; null as above."""
    pair_sd: float | None = Field(None, ge=0, lt=1)
    """The same over pairs."""
    left_out: float = Field(0, ge=0, le=MOST_LEFT_OUT)
    """Share of participants who are paid and whose work is then left out."""
    reward: int | None = Field(None, ge=1, le=MOST_PAID)
    """Of one participant, in minor units: pence or cents. Null: what the description says as pay."""
    marketplace: Source | None = None
    """Whose fees and tax are asked for; null: the account that was connected first."""


class EstimateView(Answer):
    """An estimate with its 95 % interval, in shares correct."""

    value: float
    low: float | None
    high: float | None


class MeasuredView(Answer):
    """What decisions say of the assumptions, and what that rests on."""

    study: str
    who: Literal["people", "simulated"]
    """Whose decisions they are."""
    mean: EstimateView
    participant_sd: EstimateView
    pair_sd: EstimateView
    participants: int
    pairs: int
    decisions: int


class AssumedView(Answer):
    """What the smallest difference is reckoned with."""

    mean: float
    participant_sd: float
    pair_sd: float


class PlannedArm(Answer):
    """One arm. A participant meets practice and checks beside the trials that count."""

    name: str
    trials: int
    participants: int
    """At least so many are needed for every judgement."""
    minutes: float
    """Of one visit."""


class PlannerRow(Answer):
    """One number of participants with its hours and its cost. Amounts are minor units; null: not known.

    `fewest`: as many as every judgement needs, if everybody's work counts; `left_out`: with as many more as
    are left out; `plan`: as many as the plan of the study says.
    """

    name: RowName
    participants: int
    hours: float
    """Of all of them together."""
    rewards: int | None
    fees: int | None
    tax: int | None
    total: int | None
    """Rewards, fees and tax."""


class PlannerView(Answer):
    """What a study takes, and which difference it finds."""

    pairs: int
    judgements: int
    smallest_difference: float | None
    """Between two arms, in shares correct, that four of five such studies find; null of one arm."""
    assumed: AssumedView
    measured: MeasuredView | None
    """Null where no study was named."""
    arms: list[PlannedArm]
    rows: list[PlannerRow]
    reward: int | None
    """Of one participant, in minor units."""
    currency: str
    """Empty where it is not known."""
    marketplace: Source | None
    """Who says the fees and tax; null where nobody does."""
    complaint: str
    """Why a part of the cost is missing; empty where none is."""
