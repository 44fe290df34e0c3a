"""The statistics against textbooks, against statsmodels, and against studies whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from accuracy.decisions.table import Decisions
from accuracy.findings import detection, regression
from accuracy.statistics import comparison
from accuracy.statistics.clusters import spread
from accuracy.statistics.comparison import Sample
from accuracy.statistics.proportions import holm, kept_inside, wilson
from tests.support.simulated_studies import Recipe


def sample_of(*people: tuple[int, list[int]]) -> Sample:
    """(arm, right or wrong on pair 0, 1, …) of each participant."""
    rows = [(c, p, i, arm) for p, (arm, answers) in enumerate(people) for i, c in enumerate(answers)]
    correct, participant, item, arm = map(np.array, zip(*rows, strict=True))
    return Sample(correct.astype(float), participant, item, arm)


class TestWilson:
    def test_it_is_the_published_interval(self):
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3: 81 of 263.
        assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)

    def test_all_correct_is_not_certain(self):
        low, high = wilson(1.0, 10)
        assert low == pytest.approx(0.7225, abs=5e-5)
        assert high == 1.0

    def test_few_clusters_widen_it(self):
        assert wilson(0.6, 50, df=4)[0] < wilson(0.6, 50)[0]


def single(hits: int, signals: int, false_alarms: int, noises: int) -> Decisions:
    """Decisions of single images by one person for each ten of them: so many said "fake" of so many."""
    said = np.repeat([1, 0, 1, 0], [hits, signals - hits, false_alarms, noises - false_alarms]) == 1
    fake = np.repeat([True, False], [signals, noises])
    order = np.random.default_rng(0).permutation(len(said))
    frame = pd.DataFrame(
        {
            "participant": np.arange(len(said)) // 10,
            "arm": "a",
            "correct": (said == fake)[order].astype(float),
            "choice": np.where(said, "fake", "real")[order],
            "answer": np.where(fake, "fake", "real")[order],
        }
    )
    return Decisions(frame, "single")


def forced(correct: list[int], *, people: int = 1) -> Decisions:
    """Forced choices of one arm, dealt to so many people in turn."""
    participant = np.arange(len(correct)) % people
    return Decisions(
        pd.DataFrame({"participant": participant, "arm": "a", "correct": np.array(correct, float)})
    )


def jackknifed(decisions: Decisions, statistic) -> float:
    """Standard error of a statistic of decisions when one participant after the other is left out."""
    people = decisions.frame["participant"].unique()
    left = [statistic(decisions.of(decisions.frame["participant"] != one)).value for one in people]
    return float(np.sqrt((len(people) - 1) * np.var(left)))


class TestDetection:
    def test_d_prime_of_a_forced_choice(self):
        found = detection.dprime(forced([1] * 76 + [0] * 24))
        assert found.value == pytest.approx(1.0, abs=0.002)  # Macmillan and Creelman, table A5.7

    def test_guessing_has_none(self):
        assert detection.dprime(forced([1, 0, 1, 0])).value == pytest.approx(0)

    def test_nothing_but_correct_is_a_bound_without_an_interval(self):
        decisions = forced([1] * 10, people=5)
        found = detection.interval(detection.dprime(decisions), decisions.sample())
        assert kept_inside(10, 10) == 0.95
        assert found.value == pytest.approx(np.sqrt(2) * stats.norm.ppf(0.95))
        assert (found.low, found.high) == (None, None)

    def test_a_difference_from_nothing_but_correct_has_no_interval(self):
        one, zero = forced([1] * 10, people=5), forced([1, 0, 1, 1, 0, 1], people=3)
        sample = sample_of(*[(1, [1, 1])] * 5, *[(0, [1, 0])] * 3)
        found = detection.difference(detection.dprime(one), detection.dprime(zero), sample)
        assert found.value > 0
        assert found.low is None

    def test_one_person_has_no_interval(self):
        decisions = forced([1, 0, 1, 1])
        found = detection.interval(detection.dprime(decisions), decisions.sample())
        assert (found.low, found.high) == (None, None)

    @pytest.mark.parametrize(
        "decisions", [forced([1]), single(1, 1, 1, 5), single(3, 5, 0, 1), single(3, 5, 0, 0)]
    )
    def test_a_single_decision_of_a_kind_has_no_d_prime(self, decisions):
        assert detection.dprime(decisions) is None
        assert detection.interval(None, decisions.sample()) == comparison.UNKNOWN

    def test_hits_alone_at_one_leave_no_interval(self):
        decisions = single(100, 100, 40, 100)
        assert detection.interval(detection.dprime(decisions), decisions.sample()).low is None

    def test_a_preference_for_yes_is_below_zero(self):
        decisions = single(90, 100, 60, 100)
        hits, false_alarms = stats.norm.ppf([0.9, 0.6])
        assert detection.dprime(decisions).value == pytest.approx(hits - false_alarms)
        assert detection.criterion(decisions).value == pytest.approx(-(hits + false_alarms) / 2)

    @pytest.mark.parametrize("statistic", [detection.dprime, detection.criterion])
    def test_the_delta_method_is_near_the_jackknife(self, statistic):
        decisions = single(280, 400, 170, 400)
        sample = decisions.sample()
        found = detection.interval(statistic(decisions), sample)
        assert found.se == pytest.approx(jackknifed(decisions, statistic), rel=0.02)
        assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, found.df) * found.se)

    def test_so_it_is_for_a_forced_choice(self):
        decisions = forced(list((np.random.default_rng(1).random(800) < 0.7).astype(int)), people=40)
        found = detection.interval(detection.dprime(decisions), decisions.sample())
        assert found.se == pytest.approx(jackknifed(decisions, detection.dprime), rel=0.02)

    def test_pairs_that_differ_make_it_longer(self):
        sample = Recipe(pairs=10, trials=8, pair_sd=2.0).draw(0).of(1)
        share = detection.Share(sample.correct, np.ones(len(sample.correct)))
        found = detection.measure((1.0, share))
        apart = Sample(sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm)
        assert detection.interval(found, sample).se > 1.2 * detection.interval(found, apart).se

    def test_what_is_said_of_rates_has_the_share_of_the_answers(self):
        told = {name: (meaning, sample) for name, meaning, sample in detection.rates(single(30, 40, 10, 60))}
        assert set(told) == {"hits", "false_alarms", "fake_choices"}
        assert told["fake_choices"][0].endswith("for “fake”; the answer was that in 40.0 %")
        assert "when the image was fake" in told["hits"][0]
        shares = {name: (sample.correct.sum(), len(sample.correct)) for name, (_, sample) in told.items()}
        assert shares == {"hits": (30, 40), "false_alarms": (10, 60), "fake_choices": (40, 100)}


class TestHolm:
    def test_it_is_the_step_down_rule(self):
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_what_could_not_be_tested_does_not_count(self):
        assert holm([0.02, None, 0.01]) == [0.02, None, 0.02]

    def test_none_is_none(self):
        assert holm([]) == []


class TestClusters:
    def test_it_is_what_statsmodels_calls_two_way_clustered(self):
        from statsmodels.regression.linear_model import OLS

        sample = Recipe(pair_by_arm_sd=1.0, pairs=20, participants=(15, 15)).draw(3)
        columns = np.column_stack([np.ones(len(sample.arm)), sample.arm])
        groups = np.column_stack([sample.participant, sample.item])
        fitted = OLS(sample.correct, columns).fit(
            cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
        )
        scores = comparison._scores(sample)
        n = len(np.unique(sample.participant))
        people, pairs, each = (
            float((np.bincount(codes, weights=scores) ** 2).sum())
            for codes in (sample.participant, sample.item, np.arange(len(scores)))
        )
        assert people + pairs - each == pytest.approx(fitted.bse[1] ** 2)
        per_arm, items = n / 2, 20
        expected = people * per_arm / (per_arm - 1) + max(0, pairs - each) * items / (items - 1)
        found = spread(scores, participant=sample.participant, item=sample.item, arm=sample.arm)
        assert found.variance == pytest.approx(expected)

    def test_without_pairs_it_is_welch(self):
        sample = sample_of((0, [1, 0]), (0, [1, 1]), (0, [0, 0]), (1, [1, 1]), (1, [1, 0]))
        apart = Sample(sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm)
        welch = stats.ttest_ind([1, 0.5], [0.5, 1, 0], equal_var=False)
        found = comparison.difference(apart)
        assert found.p == pytest.approx(welch.pvalue)
        interval = welch.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))

    def test_one_participant_has_no_interval(self):
        found = comparison.accuracy(sample_of((0, [1, 0, 1])))
        assert found.value == pytest.approx(2 / 3)
        assert found.low is None

    def test_somebody_in_two_arms_counts_once(self):
        correct, participant = np.array([1.0, 0, 1, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
        sample = Sample(correct, participant, np.arange(6), np.array([0, 1, 0, 1, 0, 1]))
        sums = np.bincount(participant, weights=comparison._scores(sample))
        found = spread(comparison._scores(sample), participant=participant, item=np.arange(6), arm=sample.arm)
        assert found.variance == pytest.approx((sums**2).sum() * 3 / 2)
        assert found.df == pytest.approx(2)


class TestDifference:
    def test_it_is_the_difference(self):
        sample = sample_of((1, [1, 1, 0]), (1, [1, 1, 1]), (0, [0, 1, 0]), (0, [1, 0, 1]))
        assert comparison.difference(sample).value == pytest.approx(5 / 6 - 3 / 6)

    def test_an_arm_without_errors_still_has_an_interval(self):
        sample = sample_of((1, [1, 1]), (1, [1, 1]), (0, [0, 1]), (0, [1, 0]))
        found = comparison.difference(sample)
        assert found.p is None
        assert found.low < found.value <= found.high

    def test_without_the_other_arm_there_is_none(self):
        assert comparison.difference(sample_of((1, [1, 0]), (1, [1, 1]))).value is None

    def test_the_bootstrap_is_near_the_formula(self):
        sample = Recipe(participants=(60, 60), effect=0.5).draw(1)
        formula, bootstrap = comparison.difference(sample), comparison.bootstrap_difference(sample)
        assert bootstrap.value == pytest.approx(formula.value)
        assert bootstrap.low == pytest.approx(formula.low, abs=0.02)

    def test_the_same_seed_gives_the_same_interval(self):
        sample = Recipe().draw(1)
        assert comparison.bootstrap_difference(sample) == comparison.bootstrap_difference(sample)

    def test_the_odds_ratio_is_that_of_gee(self):
        from statsmodels.genmod.cov_struct import Independence
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_estimating_equations import GEE

        sample = Recipe(effect=0.5).draw(2)
        columns = np.column_stack([np.ones(len(sample.arm)), sample.arm])
        gee = GEE(sample.correct, columns, sample.participant, family=Binomial(), cov_struct=Independence())
        fitted = gee.fit()
        apart = Sample(sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm)
        found = comparison.log_odds_ratio(apart)
        assert found.value == pytest.approx(fitted.params[1])
        assert found.se == pytest.approx(fitted.bse[1] * np.sqrt(25 / 24))

    def test_a_bigger_study_detects_less(self):
        assert comparison.minimum_detectable(0.01, 100) < comparison.minimum_detectable(0.02, 100)
        assert comparison.minimum_detectable(1, np.inf) == pytest.approx(1.96 + 0.8416, abs=1e-3)


class TestPermutation:
    def test_few_participants_are_dealt_out_in_every_way(self):
        sample = sample_of((1, [1, 1, 1]), (1, [1, 1, 0]), (0, [0, 0, 1]), (0, [0, 0, 0]))
        test = comparison.permutation_test(sample)
        assert test == comparison.Permutation(p=2 / 6, ways=6, exact=True)

    def test_many_are_dealt_out_at_random(self):
        test = comparison.permutation_test(Recipe(effect=0.6).draw(5))
        assert not test.exact
        assert 0 < test.p < 1

    def test_nothing_to_tell_apart_has_no_test(self):
        assert comparison.permutation_test(sample_of((1, [1, 1]), (1, [1, 1]), (0, [1]), (0, [1]))) is None
        assert comparison.permutation_test(sample_of((1, [1, 0]), (0, [1, 0]))) is None


def logistic(correct, columns: np.ndarray, weights: np.ndarray):
    """A fit by statsmodels in which each decision counts as often as its weight says."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(np.asarray(correct), columns, family=Binomial(), freq_weights=weights).fit(tol=1e-12)


def moved(statistic, decisions: int) -> np.ndarray:
    """How much a statistic moves for each decision when that counts a little more."""
    step, ones = 1e-4, np.ones(decisions)
    return np.array([(statistic(ones + step * one) - statistic(ones - step * one)) / (2 * step)
                     for one in np.eye(decisions)])  # fmt: skip


def clustered(adds: np.ndarray, frame: pd.DataFrame) -> float:
    """Standard error over participants, each arm with its own n/(n − 1)."""
    variance = 0.0
    for _, arm in frame.assign(adds=adds).groupby("arm"):
        sums = arm.groupby("participant")["adds"].sum()
        variance += float((sums**2).sum()) * len(sums) / (len(sums) - 1)
    return float(np.sqrt(variance))


class TestRegression:
    def frame(self, seed: int = 0) -> pd.DataFrame:
        sample = Recipe(effect=0.6).draw(seed)
        rng = np.random.default_rng(seed)
        arm = np.where(sample.arm == 1, "annotate", "control")
        times = rng.lognormal(8 + 0.5 * sample.arm, 0.5)
        columns = {"participant": sample.participant, "arm": arm, "correct": sample.correct}
        position = np.tile(np.arange(1, 21), len(arm) // 20)
        return pd.DataFrame({**columns, "item": sample.item, "decision_ms": times, "position": position})

    def test_time_that_does_not_matter_leaves_the_difference(self):
        frame = self.frame()
        plain = comparison.difference(regression.sample_of(frame, ones=["annotate"]))
        adjusted = regression.difference_at_equal_time(frame, "annotate")
        assert adjusted.value == pytest.approx(plain.value, abs=0.03)

    def test_a_difference_that_is_all_time_goes(self):
        frame = self.frame()
        rng = np.random.default_rng(1)
        odds = 1.5 * (np.log(frame["decision_ms"]) - 8.25)
        frame["correct"] = (rng.random(len(frame)) < 1 / (1 + np.exp(-odds))).astype(float)
        plain = comparison.difference(regression.sample_of(frame, ones=["annotate"]))
        adjusted = regression.difference_at_equal_time(frame, "annotate")
        assert plain.low > 0.05
        assert adjusted.low < 0 < adjusted.high

    def test_odds_within_people_ignore_who_does_more(self):
        rng = np.random.default_rng(2)
        participant = np.repeat(np.arange(40), 25)
        habit = np.repeat(rng.normal(0, 2, 40), 25)
        correct = (rng.random(1000) < 1 / (1 + np.exp(-habit))).astype(float)
        frame = pd.DataFrame({"participant": participant, "correct": correct, "arm": "a"})
        found = regression.odds_per(frame, habit + rng.normal(0, 1, 1000))
        assert found.low < 1 < found.high

    @pytest.fixture
    def small(self) -> pd.DataFrame:
        """Two arms of unequal times, small enough to fit once for each decision."""
        rng = np.random.default_rng(4)
        arm = np.repeat(["annotate", "control"], 30)
        correct = (rng.random(60) < np.where(arm == "annotate", 0.75, 0.55)).astype(float)
        times = rng.lognormal(8 + 0.4 * (arm == "annotate"), 0.5)
        people = np.repeat(np.arange(12), 5)
        columns = {"participant": people, "arm": arm, "correct": correct, "decision_ms": times}
        return pd.DataFrame({**columns, "position": np.tile(np.arange(1, 6), 12)})

    def test_the_error_at_equal_time_is_that_of_weights_on_the_decisions(self, small):
        """The infinitesimal jackknife with models of statsmodels: how far each weight moves the estimate."""
        arm = (small["arm"] == "annotate").to_numpy(float)
        time = np.log(small["decision_ms"].to_numpy())
        columns = np.column_stack([np.ones(60), arm, time, time**2])
        one, zero = columns.copy(), columns.copy()
        one[:, 1], zero[:, 1] = 1, 0

        def effect(weights: np.ndarray) -> float:
            fitted = logistic(small["correct"], columns, weights)
            return float(np.average(fitted.predict(one) - fitted.predict(zero), weights=weights))

        found = regression.difference_at_equal_time(small, "annotate")
        assert found.value == pytest.approx(effect(np.ones(60)), abs=1e-6)
        assert found.se == pytest.approx(clustered(moved(effect, 60), small), rel=1e-3)

    def test_the_error_of_learning_is_that_of_weights_on_the_decisions(self, small):
        arm, tens = (small["arm"] == "annotate").to_numpy(float), small["position"].to_numpy() / 10
        columns = np.column_stack([np.ones(60), arm, tens, arm * tens])

        def slope(weights: np.ndarray) -> float:
            return float(logistic(small["correct"], columns, weights).params[3])

        found = regression.difference_in_learning(small, "annotate")
        assert found.value == pytest.approx(np.exp(slope(np.ones(60))), rel=1e-6)
        reach = np.log(found.high) - np.log(found.value)
        adds, people = moved(slope, 60), small["participant"].to_numpy()
        df = spread(adds, participant=people, item=np.arange(60), arm=arm.astype(int)).df
        assert reach == pytest.approx(stats.t.ppf(0.975, df) * clustered(adds, small), rel=1e-3)

    def test_odds_within_people_are_those_of_statsmodels(self, small):
        """With the mean of each person as a column of its own."""
        column = np.log2(small["decision_ms"].to_numpy())
        mean = pd.Series(column).groupby(small["participant"]).transform("mean").to_numpy()
        columns = np.column_stack([np.ones(60), column - mean, mean - mean.mean()])

        def slope(weights: np.ndarray) -> float:
            return float(logistic(small["correct"], columns, weights).params[1])

        found = regression.odds_per(small, column)
        assert found.value == pytest.approx(np.exp(slope(np.ones(60))), rel=1e-6)
        alone = small.assign(arm="a")
        reach = stats.t.ppf(0.975, 11) * clustered(moved(slope, 60), alone)
        assert np.log(found.high / found.value) == pytest.approx(reach, rel=1e-3)

    def test_separation_has_no_answer(self):
        frame = pd.DataFrame({"participant": np.arange(40), "arm": "a", "correct": [0.0] * 20 + [1.0] * 20})
        assert regression.odds_per(frame, np.zeros(40)).value is None
        frame["participant"] = 0
        assert regression.odds_per(frame, np.arange(40.0)).value is None

    def test_odds_larger_than_a_number_can_be_are_unknown(self):
        assert regression.exponential(comparison.Interval(1.0, 0.5, 800.0, 0.04)) == comparison.UNKNOWN
        assert regression.exponential(comparison.Interval(0.0, -800.0, 0.0)).low == 0


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
class TestCalibration:
    """The bootstrap speaks of the pairs of the study, all else of all pairs there could be.

    Printed as the table of docs/statistics.md: pytest -s -m slow -k Calibration.
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
            covered["difference"] += inside(comparison.difference(sample), one - zero)
            of_zero, of_one = recipe.truth_of_these_pairs(seed)
            bootstrap = comparison.bootstrap_difference(sample, resamples=1000)
            covered["bootstrap"] += inside(bootstrap, of_one - of_zero)
            covered["odds ratio"] += inside(comparison.log_odds_ratio(sample), odds)
            covered["accuracy"] += inside(comparison.accuracy(sample.of(1)), one)
            covered["d′ difference"] += inside(dprime_difference(sample), apart)
        told(f"coverage, {name}, effect {effect}", covered)
        assert all(0.92 <= count / STUDIES <= 0.98 for count in covered.values()), covered

    @pytest.mark.parametrize("name", DESIGNS)
    def test_no_effect_is_found_in_one_study_of_twenty(self, name, monkeypatch):
        monkeypatch.setattr(comparison, "RESHUFFLES", 499)
        recipe = DESIGNS[name]
        found = dict.fromkeys(("difference", "reshuffling", "odds ratio"), 0)
        for seed in range(NULL_STUDIES):
            sample = recipe.draw(10_000 + seed)
            found["difference"] += comparison.difference(sample).p < 0.05
            found["reshuffling"] += comparison.permutation_test(sample).p <= 0.05
            found["odds ratio"] += comparison.log_odds_ratio(sample).p < 0.05
        told(f"false positives, {name}", found, NULL_STUDIES)
        asked = set(found) - ({"reshuffling"} if recipe.pair_by_arm_sd else set())
        assert all(0.03 <= found[method] / NULL_STUDIES <= 0.07 for method in asked), found

    def test_holm_errs_once_in_twenty_over_all_sources(self):
        recipe, any_source = Recipe(pairs=80, trials=40), 0
        for seed in range(STUDIES):
            sample = recipe.draw(20_000 + seed)
            ps = []
            for source in range(4):
                own = sample.item % 4 == source
                part = Sample(sample.correct[own], sample.participant[own], sample.item[own], sample.arm[own])
                ps.append(comparison.difference(part).p)
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
            covered += inside(regression.difference_at_equal_time(frame, "annotate"), one - zero)
        told("coverage, difference at equal time", {"logistic": covered})
        assert 0.92 <= covered / STUDIES <= 0.98


def dprime_difference(sample: Sample) -> comparison.Interval:
    arms = [Decisions(pd.DataFrame({"correct": sample.of(arm).correct})) for arm in (1, 0)]
    return detection.difference(*map(detection.dprime, arms), sample)


def inside(found: comparison.Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


def told(what: str, counts: dict[str, int], studies: int = STUDIES) -> None:
    shares = ", ".join(f"{method} {100 * count / studies:.1f} %" for method, count in counts.items())
    print(f"\n{what}: {shares}")  # noqa: T201 - what the documentation quotes
