"""Differences between two arms, over all decisions and by source."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from accuracy.decisions.table import Decisions
from accuracy.findings.answers import DELTA_METHOD, dprime_of, has_dprime
from accuracy.findings.arms import bounds_of
from accuracy.findings.estimates import Estimate, Scope, Section, corrected
from accuracy.findings.scopes import both, compared, scope
from accuracy.statistics.clustered_proportions import clustered_difference, clustered_log_odds_ratio
from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.detection import detection_difference
from accuracy.statistics.intervals import Interval
from accuracy.statistics.logistic import exponentiated
from accuracy.statistics.permutation import PermutationTest, permutation_test
from accuracy.statistics.power import minimum_detectable_effect
from accuracy.statistics.resampling import bootstrap_difference

PLANNED_DIFFERENCE: Final = 0.05  # five points


def differences(decisions: Decisions) -> list[Estimate]:
    main: list[Estimate] = []
    others: list[Estimate] = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        main.append(the_difference(pair, arm, against, section="difference"))
        others += _other_views(pair, arm, against, sample=pair.sample(arm, against))
    tests = iter(corrected([estimate for estimate in others if estimate.measure == "permutation_test"]))
    return corrected(main) + [
        next(tests) if estimate.measure == "permutation_test" else estimate for estimate in others
    ]


def the_difference(
    pair: Decisions, arm: str, against: str, *, section: Section, within: str = ""
) -> Estimate:
    """Accuracy of `arm` minus that of `against`, among the decisions of these two."""
    return scope(pair, section, f"{arm} − {against}", within).estimate(
        "difference",
        clustered_difference(pair.sample(arm, against)),
        unit="points",
        method="clustered by participants and pairs, t",
        meaning=f"Percentage points that {arm} is more often correct than {against}; the interval is for "
        f"{pair.others}.",
    )


def _other_views(pair: Decisions, arm: str, against: str, *, sample: ClusteredSample) -> Iterator[Estimate]:
    pair_scope = scope(pair, "difference", f"{arm} − {against}")
    if not pair.in_several_arms:
        yield from _of_these_pairs(pair_scope, sample)
    yield pair_scope.estimate(
        "odds_ratio",
        exponentiated(clustered_log_odds_ratio(sample)),
        unit="ratio",
        method="logistic, estimating equations clustered by participants and pairs, t",
        meaning=f"How many times the odds of a correct decision in {arm} are those in {against}; 1 is no "
        f"difference; the interval is for {pair.others}.",
    )
    yield from _dprime_difference(pair, arm, against, pair_scope)
    yield from _detectable(sample, pair_scope)


def _of_these_pairs(pair_scope: Scope, sample: ClusteredSample) -> Iterator[Estimate]:
    """What assumes that everybody is in one arm: it would be wrong for arms that share people."""
    yield pair_scope.estimate(
        "difference",
        bootstrap_difference(sample),
        unit="points",
        method="bootstrap-t over participants",
        meaning="The same difference for these very pairs: only the participants are drawn again.",
    )
    test = permutation_test(sample)
    yield pair_scope.estimate(
        "permutation_test",
        Interval(None, p=test.p if test else None),
        unit="points",
        method=_permutation_method(test),
        meaning="How often a random assignment of the same people to the two arms gives a difference at "
        "least as large: a test for these very pairs, not for others.",
    )


def _permutation_method(test: PermutationTest | None) -> str:
    if test is None:
        return "permutation of participants"
    number = f"all {test.permutations}" if test.exact else f"{test.permutations} random"
    return f"permutation of participants, t, {number} permutations"


def _dprime_difference(pair: Decisions, arm: str, against: str, pair_scope: Scope) -> Iterator[Estimate]:
    if not all(has_dprime(pair.of_arm(name)) for name in (arm, against)):
        return
    first, second = (dprime_of(pair.of_arm(name)) for name in (arm, against))
    without_interval = next(
        (dprime for dprime in (first, second) if dprime is None or dprime.scores is None), first
    )
    yield pair_scope.estimate(
        "d_prime_difference",
        detection_difference(first, second, pair.sample(arm, against)),
        unit="d'",
        method=DELTA_METHOD,
        meaning="The difference in d', which does not depend on where the accuracy lies between chance and "
        f"perfect. {bounds_of(without_interval, pair)}",
    )


def _detectable(sample: ClusteredSample, pair_scope: Scope) -> Iterator[Estimate]:
    difference = clustered_difference(sample)
    if difference.se is None:
        return
    effect = minimum_detectable_effect(difference.se, difference.df)
    yield pair_scope.estimate(
        "minimum_detectable",
        Interval(effect),
        unit="points",
        method="power 80 %, two-sided 5 %",
        meaning="The smallest true difference that a study like this one detects in 80 of 100 repetitions.",
    )
    needed = pair_scope.participants * (effect / PLANNED_DIFFERENCE) ** 2
    yield pair_scope.estimate(
        "participants_needed",
        Interval(float(np.ceil(needed))),
        unit="people",
        method="power 80 %, two-sided 5 %",
        meaning="Participants in both arms together with whom 80 of 100 studies detect a true difference of "
        "five points; as many trials each, and more pairs in proportion.",
    )


def by_source(decisions: Decisions) -> list[Estimate]:
    """The difference among the decisions of each source that both arms decided on."""
    sources = decisions.levels("source")
    if len(sources) < 2:
        return []
    estimates = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        for source in sources:
            of_source = pair.of(pair.frame["source"] == source)
            if len(of_source.arms) == 2:  # an empty one is named in a caution
                estimates.append(
                    the_difference(of_source, arm, against, section="sources", within=f"source={source}")
                )
    return corrected(estimates)
