"""Intervals and tests on simulated studies whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from accuracy.findings.regression import difference_at_equal_time
from accuracy.statistics import permutation
from accuracy.statistics.clustered_proportions import (
    clustered_difference,
    clustered_log_odds_ratio,
    clustered_proportion,
)
from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.detection import detection_difference, dprime_forced_choice
from accuracy.statistics.intervals import Interval
from accuracy.statistics.multiple_tests import holm
from accuracy.statistics.permutation import permutation_test
from accuracy.statistics.resampling import bootstrap_difference
from tests.support.simulated_studies import Recipe

STUDIES = 500
NULL_STUDIES = 2_000
DESIGNS = {
    "25 against 25": Recipe(),
    "8 against 8": Recipe(participants=(8, 8)),
    "12 against 40": Recipe(participants=(12, 40)),
    "few hard and easy pairs": Recipe(pairs=30, pair_sd=1.5),
    "nearly everything right": Recipe(base=2.2),
    "painting helps on some pairs": Recipe(participants=(40, 40), pair_by_arm_sd=0.5),
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
class TestCoverage:
    """The bootstrap speaks of the pairs of the study, all else of all pairs there could be.

    Printed as the table of docs/statistics.md: pytest -s -m slow -k Coverage.
    """

    @pytest.mark.parametrize("effect", [0.0, 0.5])
    @pytest.mark.parametrize("name", DESIGNS)
    def test_intervals_cover_the_truth(self, name, effect):
        recipe = Recipe(**{**vars(DESIGNS[name]), "effect": effect})
        zero, one = recipe.truth()
        odds = np.log(one / (1 - one)) - np.log(zero / (1 - zero))
        apart = np.sqrt(2) * (stats.norm.ppf(one) - stats.norm.ppf(zero))
        covered = dict.fromkeys(("difference", "bootstrap", "odds ratio", "accuracy", "d′ difference"), 0)
        for seed in range(STUDIES):
            sample = recipe.draw(seed)
            covered["difference"] += inside(clustered_difference(sample), one - zero)
            of_zero, of_one = recipe.truth_of_these_pairs(seed)
            bootstrap = bootstrap_difference(sample, resamples=1000)
            covered["bootstrap"] += inside(bootstrap, of_one - of_zero)
            covered["odds ratio"] += inside(clustered_log_odds_ratio(sample), odds)
            covered["accuracy"] += inside(clustered_proportion(sample.of_arm(1)), one)
            covered["d′ difference"] += inside(dprime_difference(sample), apart)
        told(f"coverage, {name}, effect {effect}", covered)
        assert all(0.92 <= count / STUDIES <= 0.98 for count in covered.values()), covered

    @pytest.mark.parametrize("name", DESIGNS)
    def test_no_effect_is_found_in_one_study_of_twenty(self, name, monkeypatch):
        monkeypatch.setattr(permutation, "PERMUTATIONS", 499)
        recipe = DESIGNS[name]
        found = dict.fromkeys(("difference", "permutation", "odds ratio"), 0)
        for seed in range(NULL_STUDIES):
            sample = recipe.draw(10_000 + seed)
            found["difference"] += clustered_difference(sample).p < 0.05
            found["permutation"] += permutation_test(sample).p <= 0.05
            found["odds ratio"] += clustered_log_odds_ratio(sample).p < 0.05
        told(f"false positives, {name}", found, NULL_STUDIES)
        asked = set(found) - ({"permutation"} if recipe.pair_by_arm_sd else set())
        assert all(0.03 <= found[method] / NULL_STUDIES <= 0.07 for method in asked), found

    def test_holm_errs_once_in_twenty_over_all_sources(self):
        recipe, any_source = Recipe(pairs=80, trials=40), 0
        for seed in range(STUDIES):
            sample = recipe.draw(20_000 + seed)
            ps = []
            for source in range(4):
                own = sample.item % 4 == source
                part = ClusteredSample(
                    sample.correct[own], sample.participant[own], sample.item[own], sample.arm[own]
                )
                ps.append(clustered_difference(part).p)
            any_source += min(holm(ps)) < 0.05
        told("false positives, any of four sources", {"Holm": any_source})
        assert 0.03 <= any_source / STUDIES <= 0.07

    def test_the_difference_at_equal_time_covers_the_truth(self):
        recipe, covered = Recipe(effect=0.5), 0
        zero, one = recipe.truth()
        for seed in range(STUDIES):
            sample = recipe.draw(30_000 + seed)
            times = np.random.default_rng(seed).lognormal(8 + 0.3 * sample.arm, 0.5)
            arm = np.where(sample.arm == 1, "annotate", "control")
            frame = pd.DataFrame({"participant": sample.participant, "arm": arm, "correct": sample.correct})
            frame = frame.assign(item=sample.item, decision_ms=times)
            covered += inside(difference_at_equal_time(frame, "annotate"), one - zero)
        told("coverage, difference at equal time", {"logistic": covered})
        assert 0.92 <= covered / STUDIES <= 0.98


def dprime_difference(sample: ClusteredSample) -> Interval:
    one, zero = (dprime_forced_choice(sample.of_arm(arm).correct) for arm in (1, 0))
    return detection_difference(one, zero, sample)


def inside(found: Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


def told(what: str, counts: dict[str, int], studies: int = STUDIES) -> None:
    shares = ", ".join(f"{method} {100 * count / studies:.1f} %" for method, count in counts.items())
    print(f"\n{what}: {shares}")  # noqa: T201 - what the documentation quotes
