"""What is said of two arms beside each other, over all decisions and by source."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from app.analysis import comparison, regression
from app.analysis.arms import PERCENTILE, dprime_sums
from app.analysis.comparison import Interval, Sample
from app.analysis.estimates import Estimate, Scope, Section, corrected
from app.analysis.scopes import both, compared, scope
from app.analysis.table import Decisions

PLANNED: Final = 0.05  # a difference worth planning for: five points


def differences(decisions: Decisions) -> list[Estimate]:
    main: list[Estimate] = []
    others: list[Estimate] = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        main.append(the_difference(pair, arm, against, section="difference"))
        others += _other_views(pair, arm, against, sample=pair.sample(arm, against))
    return corrected(main) + others


def the_difference(
    pair: Decisions, arm: str, against: str, *, section: Section, within: str = ""
) -> Estimate:
    """Accuracy of `arm` minus that of `against`, among the decisions of these two."""
    return scope(pair, section, f"{arm} − {against}", within).estimate(
        "difference",
        comparison.difference(pair.sample(arm, against)),
        unit="points",
        method="clustered by participants and pairs, t",
        meaning=f"Percentage points that {arm} is more often correct than {against}; the interval is for "
        "other people and other pictures.",
    )


def _other_views(pair: Decisions, arm: str, against: str, *, sample: Sample) -> Iterator[Estimate]:
    here = scope(pair, "difference", f"{arm} − {against}")
    yield here.estimate(
        "difference",
        comparison.bootstrap_difference(sample),
        unit="points",
        method="bootstrap-t over participants",
        meaning="The same difference for these very pairs: only the participants are drawn again.",
    )
    test = comparison.permutation_test(sample)
    yield here.estimate(
        "permutation_test",
        Interval(None, p=test.p if test else None),
        unit="points",
        method=_permutation_method(test),
        meaning="How often dealing the same people to the two arms anew gives a difference as large as "
        "this one.",
    )
    yield here.estimate(
        "odds_ratio",
        regression.exponential(comparison.log_odds_ratio(sample)),
        unit="ratio",
        method="logistic, estimating equations clustered by participants and pairs, t",
        meaning=f"How many times the odds of a correct decision in {arm} are those in {against}; 1 is no "
        "difference.",
    )
    yield from _dprime_difference(pair, arm, against, here)
    yield from _detectable(sample, here)


def _permutation_method(test: comparison.Permutation | None) -> str:
    if test is None:
        return "permutation of participants"
    ways = f"all {test.ways}" if test.exact else f"{test.ways} random"
    return f"permutation of participants, t, {ways} ways"


def _dprime_difference(pair: Decisions, arm: str, against: str, here: Scope) -> Iterator[Estimate]:
    parts = [dprime_sums(pair.of_arm(one)) for one in (arm, against)]
    values, drawn = [], []
    for seed, part in enumerate(parts):
        if part is None:
            return
        sums, dprime = part
        values.append(float(dprime(sums.sum(axis=0))))
        drawn.append(comparison.resampled(sums, dprime, seed=seed))
    yield here.estimate(
        "d_prime_difference",
        comparison.percentile(values[0] - values[1], drawn[0] - drawn[1]),
        unit="d'",
        method=PERCENTILE,
        meaning="The difference in d', which does not depend on where the accuracy lies between chance and "
        "perfect.",
    )


def _detectable(sample: Sample, here: Scope) -> Iterator[Estimate]:
    found = comparison.difference(sample)
    if found.se is None:
        return
    yield here.estimate(
        "minimum_detectable",
        Interval(comparison.minimum_detectable(found.se, found.df)),
        unit="points",
        method="power 80 %, two-sided 5 %",
        meaning="The smallest true difference that a study like this one finds in 80 of 100 repetitions.",
    )
    needed = here.participants * (comparison.minimum_detectable(found.se, found.df) / PLANNED) ** 2
    yield here.estimate(
        "participants_needed",
        Interval(float(np.ceil(needed))),
        unit="people",
        method="power 80 %, two-sided 5 %",
        meaning="Participants of both arms together for finding a true difference of five points that often, "
        "with as many trials each and more pairs in proportion.",
    )


def by_source(decisions: Decisions) -> list[Estimate]:
    sources = decisions.levels("source")
    if len(sources) < 2:
        return []
    found = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        found += [
            the_difference(
                pair.of(pair.frame["source"] == source),
                arm,
                against,
                section="sources",
                within=f"source={source}",
            )
            for source in sources
        ]
    return corrected(found)
