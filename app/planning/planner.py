"""What a study takes, and which difference it finds: the numbers, each with its hours and its cost."""

import math
from collections.abc import Iterator
from dataclasses import asdict

from sqlalchemy.orm import Session

from app.models import Study
from app.planning.cost import PricedNumbers, pay_of, priced
from app.planning.measuring import measured
from app.planning.schemas import (
    AssumedView,
    MeasuredView,
    PlannedArm,
    PlannerBody,
    PlannerRow,
    PlannerView,
    RowName,
)
from app.settings import Settings
from app.studies.schemas import StudySpec, stored_spec
from app.studies.service import count_pairs, find_study
from app.studies.toml import description_of
from app.studies.totals import Assumptions, Totals, totals


def plan_study(
    session: Session, settings: Settings, study: Study, asked: PlannerBody, *, ask_marketplace: bool = True
) -> PlannerView:
    """Of a study in any state, by its newest description. `BadStudy` where today's rules refuse that."""
    spec = stored_spec(description_of(session, study))
    pairs = count_pairs(session, study)
    return plan(session, settings, spec, asked, pairs=pairs, ask_marketplace=ask_marketplace)


def plan(
    session: Session,
    settings: Settings,
    spec: StudySpec,
    asked: PlannerBody,
    *,
    pairs: int,
    ask_marketplace: bool = True,
) -> PlannerView:
    """What a description takes. With `ask_marketplace` it commits before it asks, and spends nothing.

    pairs : main pairs that the study shows; of none, everything is 0
    `NotFound`, `BadInput`: there is no study `asked.like`, or it has too few judgements
    """
    found = measured(session, find_study(session, asked.like)) if asked.like else None
    assumed = assumptions(asked, found)
    adds_up = totals(spec, pairs=pairs, assumed=assumed)
    numbers = dict(_numbers(adds_up, spec, asked.left_out))
    cost = priced(
        session,
        settings,
        sorted({*numbers.values()}),
        reward=asked.reward,
        pay=pay_of(spec.about.pay),
        marketplace=asked.marketplace,
        asks=ask_marketplace,
    )
    return PlannerView(
        pairs=adds_up.pairs,
        judgements=adds_up.judgements,
        smallest_difference=adds_up.smallest_difference,
        assumed=AssumedView(
            mean=assumed.mean, participant_sd=assumed.participant_sd, pair_sd=assumed.pair_sd
        ),
        measured=found,
        arms=[PlannedArm(**asdict(arm)) for arm in adds_up.arms],
        rows=[_row(name, people, adds_up, cost) for name, people in numbers.items()],
        reward=cost.reward.minor if cost.reward else None,
        currency=cost.reward.currency if cost.reward else "",
        marketplace=cost.marketplace,
        complaint=cost.complaint,
    )


def assumptions(asked: PlannerBody, found: MeasuredView | None) -> Assumptions:
    """What was said counts first, then what was measured, then what is assumed."""
    values = Assumptions()
    if found is not None:
        values = Assumptions(found.mean.value, found.participant_sd.value, found.pair_sd.value)
    said = (asked.mean, asked.participant_sd, asked.pair_sd)
    known = (values.mean, values.participant_sd, values.pair_sd)
    return Assumptions(*(old if new is None else new for new, old in zip(said, known, strict=True)))


def _numbers(found: Totals, spec: StudySpec, left_out: float) -> Iterator[tuple[RowName, int]]:
    """Numbers of participants that people compare."""
    yield "fewest", found.participants
    if left_out:
        # Of each arm, because each needs its judgements; rounding of floats makes no participant more.
        yield "left_out", sum(math.ceil(arm.participants / (1 - left_out) - 1e-9) for arm in found.arms)
    if spec.plan and spec.plan.participants:
        yield "plan", spec.plan.participants


def _row(name: RowName, people: int, found: Totals, cost: PricedNumbers) -> PlannerRow:
    of_market = cost.costs.get(people)
    rewards = cost.reward.minor * people if cost.reward else None
    return PlannerRow(
        name=name,
        participants=people,
        hours=found.hours * people / found.participants if found.participants else 0,
        rewards=of_market.rewards if of_market else rewards,
        fees=of_market.fees if of_market else None,
        tax=of_market.tax if of_market else None,
        total=of_market.total.minor if of_market else None,
    )
