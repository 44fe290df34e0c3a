"""What is said of each arm: accuracy, d', criterion, side bias, and how much people differ."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from accuracy.decisions.table import Decisions
from accuracy.findings import detection
from accuracy.findings.estimates import Estimate, Scope
from accuracy.findings.scopes import scope
from accuracy.statistics import comparison
from accuracy.statistics.comparison import Interval

CLUSTERED_WILSON: Final = "Wilson at the effective number of decisions (participants and pairs)"


def of_arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        own = decisions.of_arm(arm)
        here = scope(own, "arms", arm)
        yield here.estimate(
            "accuracy",
            comparison.accuracy(own.sample()),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"Share of decisions that are correct; the interval is for {own.others}.",
        )
        yield from _detection(own, here)


def _detection(own: Decisions, here: Scope) -> Iterator[Estimate]:
    if detection.known(own):
        forced = own.design == "2afc"
        apart = "√2·Φ⁻¹(share correct)" if forced else "z(hits) − z(false alarms)"
        found = detection.dprime(own)
        yield here.estimate(
            "d_prime",
            detection.interval(found, own.sample()),
            unit="d'",
            method=detection.DELTA,
            meaning=f"How far apart real and fake look, in standard deviations: {apart}; 0 is guessing. "
            + bounds_of(found, own),
        )
    for measure, meaning, sample in detection.rates(own):
        yield here.estimate(
            measure,
            comparison.accuracy(sample),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning=f"{meaning}; the interval is for {own.others}.",
        )
    if detection.answers(own) is not None:
        found = detection.criterion(own)
        yield here.estimate(
            "criterion",
            detection.interval(found, own.sample()),
            unit="criterion",
            method=detection.DELTA,
            meaning=f"Leaning away from “{detection.says_yes(own)}”: 0 is none, below 0 a preference for it. "
            + bounds_of(found, own),
        )


def bounds_of(found: detection.Measure | None, decisions: Decisions) -> str:
    """What is to be said of the interval of a d' or a criterion."""
    if found is None:
        return "It is not told of fewer than 2 decisions of a kind."
    if found.scores is None:
        return "Nobody erred, or everybody did: it is a bound and has no interval."
    return f"The interval is for {decisions.others}."


def people_in_arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        own = decisions.of_arm(arm)
        people = comparison.people(own.sample(), 0)
        if len(people.total) < 2:
            continue
        shares = people.correct / people.total
        share = people.correct.sum() / people.total.sum()
        chance = float(np.sqrt(np.mean(share * (1 - share) / people.total)))
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
