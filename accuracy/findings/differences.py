"""What is said of two arms beside each other, over all decisions and by source."""

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

PLANNED: Final = 0.05  # a difference worth planning for: five points


def differences(decisions: Decisions) -> list[Estimate]:
    main: list[Estimate] = []
    others: list[Estimate] = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        main.append(the_difference(pair, arm, against, section="difference"))
        others += _other_views(pair, arm, against, sample=pair.sample(arm, against))
    tests = iter(corrected([one for one in others if one.measure == "permutation_test"]))
    return corrected(main) + [next(tests) if one.measure == "permutation_test" else one for one in others]


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
    here = scope(pair, "difference", f"{arm} − {against}")
    if not pair.in_several_arms:
        yield from _of_these_pairs(here, sample)
    yield here.estimate(
        "odds_ratio",
        exponentiated(clustered_log_odds_ratio(sample)),
        unit="ratio",
        method="logistic, estimating equations clustered by participants and pairs, t",
        meaning=f"How many times the odds of a correct decision in {arm} are those in {against}; 1 is no "
        f"difference; the interval is for {pair.others}.",
    )
    yield from _dprime_difference(pair, arm, against, here)
    yield from _detectable(sample, here)


def _of_these_pairs(here: Scope, sample: ClusteredSample) -> Iterator[Estimate]:
    """What takes everybody to be in one arm: it would be wrong of arms that share people."""
    yield here.estimate(
        "difference",
        bootstrap_difference(sample),
        unit="points",
        method="bootstrap-t over participants",
        meaning="The same difference for these very pairs: only the participants are drawn again.",
    )
    test = permutation_test(sample)
    yield here.estimate(
        "permutation_test",
        Interval(None, p=test.p if test else None),
        unit="points",
        method=_permutation_method(test),
        meaning="How often dealing the same people to the two arms anew gives a difference as large as "
        "this one: a test for these very pairs, not for others.",
    )


def _permutation_method(test: PermutationTest | None) -> str:
    if test is None:
        return "permutation of participants"
    ways = f"all {test.permutations}" if test.exact else f"{test.permutations} random"
    return f"permutation of participants, t, {ways} ways"


def _dprime_difference(pair: Decisions, arm: str, against: str, here: Scope) -> Iterator[Estimate]:
    if not all(has_dprime(pair.of_arm(one)) for one in (arm, against)):
        return
    one, zero = (dprime_of(pair.of_arm(each)) for each in (arm, against))
    unsure = next((each for each in (one, zero) if each is None or each.scores is None), one)
    yield here.estimate(
        "d_prime_difference",
        detection_difference(one, zero, pair.sample(arm, against)),
        unit="d'",
        method=DELTA_METHOD,
        meaning="The difference in d', which does not depend on where the accuracy lies between chance and "
        f"perfect. {bounds_of(unsure, pair)}",
    )


def _detectable(sample: ClusteredSample, here: Scope) -> Iterator[Estimate]:
    found = clustered_difference(sample)
    if found.se is None:
        return
    yield here.estimate(
        "minimum_detectable",
        Interval(minimum_detectable_effect(found.se, found.df)),
        unit="points",
        method="power 80 %, two-sided 5 %",
        meaning="The smallest true difference that a study like this one finds in 80 of 100 repetitions.",
    )
    needed = here.participants * (minimum_detectable_effect(found.se, found.df) / PLANNED) ** 2
    yield here.estimate(
        "participants_needed",
        Interval(float(np.ceil(needed))),
        unit="people",
        method="power 80 %, two-sided 5 %",
        meaning="Participants of both arms together for finding a true difference of five points that often, "
        "with as many trials each and more pairs in proportion.",
    )


def by_source(decisions: Decisions) -> list[Estimate]:
    """The difference among the decisions of each source that both arms decided on."""
    sources = decisions.levels("source")
    if len(sources) < 2:
        return []
    found = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        for source in sources:
            own = pair.of(pair.frame["source"] == source)
            if len(own.arms) == 2:  # an empty one is named in a caution
                found.append(the_difference(own, arm, against, section="sources", within=f"source={source}"))
    return corrected(found)
