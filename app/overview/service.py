"""An overview of a study, counted now.

It reads counts that the database keeps (docs/decisions/0016), places by pair, and participants who are on
their way: it costs the same at a thousand decisions and at a million.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Final

from sqlalchemy.orm import Session

from app.models import ParticipantState, Study, StudyState
from app.overview import queries
from app.overview.alerts import Undelivered, open_alerts, undelivered
from app.overview.schemas import (
    AlertView,
    ArmCount,
    Arrivals,
    CountInArm,
    Forecast,
    Lease,
    Overview,
    PairCount,
    Pairs,
    Spend,
    UndeliveredView,
    VisitStep,
)
from app.overview.steps import in_steps
from app.studies import tallies
from app.studies.plan import VisitPlan, plan_of
from app.studies.progress import StudyProgress, progress

LOOK_BACK: Final = timedelta(hours=24)
"""The forecast goes by the pace of this long."""

SHORTEST_PACE: Final = timedelta(minutes=15)
"""What has lasted less says nothing about a pace."""

PARTS: Final = 4
"""Ranges of main trials in which drop-outs are counted."""


def overview(
    session: Session, study: Study, *, counts: StudyProgress | None = None, with_spend: bool = True
) -> Overview:
    """counts : of this study, where the caller has them already"""
    counts = counts or progress(session, study)
    now = datetime.now(UTC)
    came, step = _arrivals(session, study)
    return Overview(
        slug=study.slug,
        pilot_of=study.pilot_of,
        state=study.state,
        at=now,
        wanted=counts.wanted,
        decided=counts.decided,
        held=counts.held,
        participants=counts.everybody,
        finished=counts.participants[ParticipantState.FINISHED],
        at_work=counts.working,
        left=counts.away,
        screened_out=counts.participants[ParticipantState.SCREENED_OUT],
        withdrawn=counts.participants[ParticipantState.WITHDRAWN],
        arms=[
            ArmCount(
                name=arm.name,
                wanted=arm.wanted,
                decided=arm.decided,
                held=arm.held,
                participants=arm.participants,
            )
            for arm in counts.arms
        ],
        pairs=_pairs(session, study),
        arrivals=came,
        arrivals_step_s=step and int(step.total_seconds()),
        stages=_stages(session, study),
        lease=Lease(
            places=counts.held,
            participants=counts.working,
            next_ends_at=queries.next_lease_end(session, study) if counts.working else None,
        ),
        forecast=_forecast(session, study, counts, now),
        alerts=[
            AlertView(kind=one.kind, text=one.text, began_at=one.began_at, run_id=one.run_id)
            for one in open_alerts(session, study)
        ],
        undelivered=[undelivered_view(one) for one in undelivered(session, study)],
        spend=_spend(session, study, counts) if with_spend else None,
    )


def undelivered_view(one: Undelivered) -> UndeliveredView:
    told = one.delivery
    same = {
        name: getattr(told, name)
        for name in ("id", "turn", "receiver", "place", "tries", "tried_at", "error")
    }
    return UndeliveredView(text=one.text, waits=one.waits, next_try_at=one.next_try_at, **same)


def _pairs(session: Session, study: Study) -> Pairs:
    behind = queries.pairs_behind(session, study)
    if not behind:
        return Pairs(total=0, complete=0, furthest_behind=[])
    return Pairs(
        total=behind[0].total,
        complete=behind[0].complete,
        furthest_behind=[_pair(list(rows)) for _, rows in groupby(behind, key=lambda row: row.pair_id)],
    )


def _pair(rows: Sequence[Any]) -> PairCount:
    """Of the rows of one pair."""
    same = {name: getattr(rows[0], name) for name in PairCount.model_fields if name not in ("id", "arms")}
    arms = [CountInArm(arm=row.arm, wanted=row.wanted_of_arm, decided=row.decided_of_arm) for row in rows]
    return PairCount(id=rows[0].pair_id, arms=arms, **same)


def _arrivals(session: Session, study: Study) -> tuple[list[Arrivals], timedelta | None]:
    counts, step = in_steps(tallies.arrivals(session, study.id))
    return [Arrivals(at=at, number=number) for at, number in counts], step


def _stages(session: Session, study: Study) -> list[VisitStep]:
    """Where participants stand, by steps of a visit."""
    plan, ranges = plan_of(study), _ranges(study.trials_per_participant)
    practice = queries.practice_pairs(session, study) if plan.has_practice else 0
    names = [name for name, there in (("Quiz", plan.quiz), ("Practice", plan.has_practice)) if there]
    names += [_range_name(one) for one in ranges]
    names += ["Closing questions"] if plan.questions else []
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for row in queries.standing(session, study):
        who = "at_work" if row.at_work else "screened_out" if row.screened_out else "left"
        found[_stage(row, plan, ranges, practice)][who] += row.number
    return [
        VisitStep(name=name, **{who: found[name][who] for who in ("at_work", "left", "screened_out")})
        for name in names
    ]


def _ranges(trials: int) -> list[range]:
    """Numbers of main trials, in parts of nearly the same length."""
    parts = min(PARTS, trials)
    ends = [trials * part // parts for part in range(parts + 1)]
    return [range(start + 1, end + 1) for start, end in pairwise(ends)]


def _range_name(numbers: range) -> str:
    first, last = numbers[0], numbers[-1]
    return f"Trial {first}" if first == last else f"Trials {first} to {last}"


def _stage(row: Any, plan: VisitPlan, ranges: list[range], practice: int) -> str:
    """The step before somebody; checks stand between the main trials and count as such."""
    if plan.quiz and not row.passed_quiz:
        return "Quiz"
    if row.practises:
        return "Practice"
    if plan.questions and row.trials and row.decided == row.trials:
        return "Closing questions"
    done, of = max(0, row.decided - practice), max(1, row.trials - practice)
    part = min(len(ranges) * done // of, len(ranges) - 1)
    return _range_name(ranges[part])


def _forecast(session: Session, study: Study, counts: StudyProgress, now: datetime) -> Forecast:
    since = max(now - LOOK_BACK, study.opened_at or study.created_at)
    if study.state is not StudyState.OPEN or now - since < SHORTEST_PACE:
        return Forecast(per_hour=None, done_at=None)
    made = sum(number for _, number in tallies.pace(session, study.id, simulated=None, since=since))
    if made <= 0:
        return Forecast(per_hour=0.0, done_at=None)
    missing = max(0, counts.wanted - counts.decided)
    hours = (now - since) / timedelta(hours=1)
    return Forecast(
        per_hour=made / hours, done_at=_after(now, hours=missing * hours / made) if missing else None
    )


def _after(now: datetime, *, hours: float) -> datetime | None:
    """None of a time that no calendar holds."""
    try:
        return now + timedelta(hours=hours)
    except OverflowError:
        return None


def _spend(session: Session, study: Study, counts: StudyProgress) -> list[Spend]:
    return [
        Spend(
            currency=currency,
            paid=paid,
            open=on_way,
            per_judgement=paid / counts.decided if counts.decided else None,
        )
        for currency, paid, on_way in queries.spend(session, study)
    ]
