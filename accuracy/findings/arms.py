"""Estimates of each arm: accuracy, d′, criterion, side bias, and how much people differ."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from accuracy.decisions.table import Decisions
from accuracy.findings.answers import (
    DELTA_METHOD,
    answer_rates,
    criterion_of,
    dprime_of,
    has_dprime,
    hits_and_false_alarms,
    yes_answer,
)
from accuracy.findings.estimates import Estimate, Scope
from accuracy.findings.scopes import scope
from accuracy.statistics.clustered_proportions import clustered_proportion
from accuracy.statistics.detection import DetectionMeasure, detection_interval
from accuracy.statistics.intervals import Interval
from accuracy.statistics.resampling import participant_totals

CLUSTERED_WILSON: Final = "Wilson at the effective number of decisions (participants and pairs)"


def of_arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        in_arm = decisions.of_arm(arm)
        arm_scope = scope(in_arm, "arms", arm)
        yield arm_scope.estimate(
            "accuracy",
            clustered_proportion(in_arm.sample()),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"Share of decisions that are correct; the interval is for {in_arm.others}.",
        )
        yield from _detection(in_arm, arm_scope)


def _detection(decisions: Decisions, arm_scope: Scope) -> Iterator[Estimate]:
    if has_dprime(decisions):
        forced_choice = decisions.design == "2afc"
        formula = "√2·Φ⁻¹(share correct)" if forced_choice else "z(hits) − z(false alarms)"
        measure = dprime_of(decisions)
        yield arm_scope.estimate(
            "d_prime",
            detection_interval(measure, decisions.sample()),
            unit="d'",
            method=DELTA_METHOD,
            meaning=f"How far apart real and fake look, in standard deviations: {formula}; 0 is guessing. "
            + bounds_of(measure, decisions),
        )
    for name, meaning, sample in answer_rates(decisions):
        yield arm_scope.estimate(
            name,
            clustered_proportion(sample),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"{meaning}; the interval is for {decisions.others}.",
        )
    if hits_and_false_alarms(decisions) is not None:
        measure = criterion_of(decisions)
        yield arm_scope.estimate(
            "criterion",
            detection_interval(measure, decisions.sample()),
            unit="criterion",
            method=DELTA_METHOD,
            meaning=f"Leaning away from “{yes_answer(decisions)}”: 0 is none, below 0 a preference for it. "
            + bounds_of(measure, decisions),
        )


def bounds_of(measure: DetectionMeasure | None, decisions: Decisions) -> str:
    """What the interval of a d′ or a criterion is, or why there is none."""
    if measure is None:
        return "It needs at least 2 decisions of each kind."
    if measure.scores is None:
        return "All answers of a kind are the same: it is a bound and has no interval."
    return f"The interval is for {decisions.others}."


def people_in_arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        in_arm = decisions.of_arm(arm)
        people = participant_totals(in_arm.sample(), 0)
        if len(people) < 2:
            continue
        shares = people.correct / people.decisions
        share = people.correct.sum() / people.decisions.sum()
        chance = float(np.sqrt(np.mean(share * (1 - share) / people.decisions)))
        arm_scope = scope(in_arm, "people", arm)
        yield arm_scope.estimate(
            "sd_of_participants",
            Interval(float(shares.std(ddof=1))),
            unit="share",
            method="standard deviation",
            meaning="How much accuracy differs from person to person; if all were equally good, chance alone "
            f"would make it {100 * chance:.1f} %.",
        )
        yield arm_scope.estimate(
            "median_participant",
            Interval(float(np.median(shares))),
            unit="share",
            method="median",
            meaning="Half of the participants are more accurate than this.",
        )
