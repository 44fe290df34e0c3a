"""What is said of each arm: accuracy, d', criterion, side bias, and how much people differ."""

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
        own = decisions.of_arm(arm)
        here = scope(own, "arms", arm)
        yield here.estimate(
            "accuracy",
            clustered_proportion(own.sample()),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"Share of decisions that are correct; the interval is for {own.others}.",
        )
        yield from _detection(own, here)


def _detection(own: Decisions, here: Scope) -> Iterator[Estimate]:
    if has_dprime(own):
        forced = own.design == "2afc"
        apart = "√2·Φ⁻¹(share correct)" if forced else "z(hits) − z(false alarms)"
        measure = dprime_of(own)
        yield here.estimate(
            "d_prime",
            detection_interval(measure, own.sample()),
            unit="d'",
            method=DELTA_METHOD,
            meaning=f"How far apart real and fake look, in standard deviations: {apart}; 0 is guessing. "
            + bounds_of(measure, own),
        )
    for name, meaning, sample in answer_rates(own):
        yield here.estimate(
            name,
            clustered_proportion(sample),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"{meaning}; the interval is for {own.others}.",
        )
    if hits_and_false_alarms(own) is not None:
        measure = criterion_of(own)
        yield here.estimate(
            "criterion",
            detection_interval(measure, own.sample()),
            unit="criterion",
            method=DELTA_METHOD,
            meaning=f"Leaning away from “{yes_answer(own)}”: 0 is none, below 0 a preference for it. "
            + bounds_of(measure, own),
        )


def bounds_of(measure: DetectionMeasure | None, decisions: Decisions) -> str:
    """What is to be said of the interval of a d' or a criterion."""
    if measure is None:
        return "It is not told of fewer than 2 decisions of a kind."
    if measure.scores is None:
        return "Nobody erred, or everybody did: it is a bound and has no interval."
    return f"The interval is for {decisions.others}."


def people_in_arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        own = decisions.of_arm(arm)
        people = participant_totals(own.sample(), 0)
        if len(people) < 2:
            continue
        shares = people.correct / people.decisions
        share = people.correct.sum() / people.decisions.sum()
        chance = float(np.sqrt(np.mean(share * (1 - share) / people.decisions)))
        here = scope(own, "people", arm)
        yield here.estimate(
            "sd_of_participants",
            Interval(float(shares.std(ddof=1))),
            unit="share",
            method="standard deviation",
            meaning="How much accuracy differs from person to person; if all were equally good, chance alone "
            f"would make it {100 * chance:.1f} %.",
        )
        yield here.estimate(
            "median_participant",
            Interval(float(np.median(shares))),
            unit="share",
            method="median",
            meaning="Half of the participants are more accurate than this.",
        )
