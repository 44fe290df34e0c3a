"""The numbers of a demonstration, and what its headline may say."""

import numpy as np
import pytest
from scipy import stats

from accuracy.statistics.delong import auc_interval, placements
from accuracy.statistics.intervals import Interval
from accuracy.statistics.ranking import Ranking
from app.demo.detectors import BASELINE, CENTRED, HUMAN, SHUFFLED
from app.demo.outcome import MeanOverSeeds, OutcomeRow, TrainedRun, headline, rows
from training.evaluation.score_table import ScoreTable

FAKE = np.arange(120) % 2 == 1
SOURCES = np.where(FAKE, "gan", np.where(np.arange(120) < 60, "studio", "street"))
NAMES = tuple(map(str, range(120)))


def scored(seed: int, *, skill: float) -> ScoreTable:
    """Scores of a detector that finds fakes the better, the greater `skill` is; real ones of the studio
    give themselves away."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, 120) + skill * FAKE - 3 * (SOURCES == "studio")
    return ScoreTable(NAMES, FAKE, SOURCES, {"sigmoid": values}, {})


def trained(*scenarios: tuple[str, float], seeds: int = 4) -> list[TrainedRun]:
    return [
        TrainedRun(name, seed, scored(seed + 10 * number, skill=skill))
        for seed in range(seeds)
        for number, (name, skill) in enumerate(scenarios)
    ]


def of(found: list[OutcomeRow], scenario: str, source: str = "street") -> OutcomeRow:
    return next(row for row in found if (row.scenario, row.real_source) == (scenario, source))


def delong(one: ScoreTable, two: ScoreTable) -> float:
    """Standard error of a difference between two AUCs on the same images, written out from its paper."""

    def parts(each: ScoreTable) -> tuple[np.ndarray, np.ndarray]:
        values = each.ranking["sigmoid"]
        higher = (values[each.fake][:, None] > values[~each.fake]) + 0.5 * (
            values[each.fake][:, None] == values[~each.fake]
        )
        return higher.mean(axis=1), higher.mean(axis=0)

    (found, spared), (other, others) = parts(one), parts(two)
    return float(
        np.sqrt((found - other).var(ddof=1) / len(found) + (spared - others).var(ddof=1) / len(spared))
    )


class TestRows:
    def test_sources_of_real_images_are_never_pooled(self):
        found = rows(trained((BASELINE, 1.0), (HUMAN, 2.0)), {})
        assert [(row.scenario, row.real_source) for row in found] == [
            (name, source) for name in (BASELINE, HUMAN) for source in ("street", "studio")
        ]
        assert of(found, BASELINE, "studio").auc.value > of(found, BASELINE).auc.value + 0.1

    def test_the_mean_and_its_spread_are_over_seeds(self):
        runs = trained((BASELINE, 1.0), (HUMAN, 2.0))
        own = [placed(run.scored) for run in runs if run.scenario == BASELINE]
        row = of(rows(runs, {}), BASELINE)
        assert (row.auc.value, row.sd) == (pytest.approx(np.mean(own)), pytest.approx(np.std(own, ddof=1)))
        assert row.seeds == 4

    def test_one_seed_has_delong_s_interval_over_images(self):
        run = scored(3, skill=1.0).against("street")
        low, high = auc_interval(Ranking.of(run.ranking["sigmoid"], run.fake))
        row = of(rows([TrainedRun(BASELINE, 0, scored(3, skill=1.0))], {}), BASELINE)
        assert row.auc.over_images.low == pytest.approx(low, abs=0.004)  # Student's t against the normal
        assert row.auc.over_images.high == pytest.approx(high, abs=0.004)
        assert row.auc.over_seeds.low is None

    def test_a_difference_has_delong_s_error_over_images(self):
        runs = [TrainedRun(BASELINE, 0, scored(1, skill=1.0)), TrainedRun(HUMAN, 0, scored(2, skill=1.5))]
        one, two = (run.scored.against("street") for run in runs)
        assert of(rows(runs, {}), HUMAN).gain.over_images.se == pytest.approx(delong(two, one), rel=1e-9)

    def test_a_difference_has_a_paired_t_interval_over_seeds(self):
        runs = trained((BASELINE, 1.0), (HUMAN, 2.0))
        base, human = (
            [placed(run.scored) for run in runs if run.scenario == name] for name in (BASELINE, HUMAN)
        )
        expected = stats.ttest_rel(human, base).confidence_interval()
        gain = of(rows(runs, {}), HUMAN).gain
        assert (gain.over_seeds.low, gain.over_seeds.high) == (
            pytest.approx(expected.low),
            pytest.approx(expected.high),
        )

    def test_pictures_of_one_group_count_as_one(self):
        runs = trained((BASELINE, 1.0))
        doubled = [TrainedRun(run.scenario, run.seed, twice(run.scored)) for run in runs]
        groups = {name + letter: name for name in NAMES for letter in "ab"}
        alone, together = of(rows(runs, {}), BASELINE), of(rows(doubled, groups), BASELINE)
        assert together.auc.over_images.se == pytest.approx(alone.auc.over_images.se)

    def test_no_interval_of_an_auc_leaves_0_to_1(self):
        fake, sources = np.arange(6) > 3, np.array(["street"] * 4 + ["gan"] * 2)
        few = ScoreTable(NAMES[:6], fake, sources, {"sigmoid": np.array([0.0, 2, 4, 6, 5, 7])}, {})
        found = of(rows([TrainedRun(BASELINE, 0, few)], {}), BASELINE).auc.over_images
        assert (found.low > 0, found.high) == (True, 1)

    def test_the_baseline_gains_nothing_on_itself(self):
        assert of(rows(trained((BASELINE, 1.0)), {}), BASELINE).gain is None


def placed(one: ScoreTable) -> float:
    own = one.against("street")
    return float(placements(own.ranking["sigmoid"], own.fake)[own.fake].mean())


def twice(one: ScoreTable) -> ScoreTable:
    names = tuple(name + letter for letter in "ab" for name in one.image_ids)
    ranking = {kind: np.tile(values, 2) for kind, values in one.ranking.items()}
    return ScoreTable(names, np.tile(one.fake, 2), np.tile(one.sources, 2), ranking, {})


def value(mean: float, *, images: float = 0.02, seeds: float = 0.02) -> MeanOverSeeds:
    return MeanOverSeeds(
        mean, Interval(mean, mean - images, mean + images), Interval(mean, mean - seeds, mean + seeds)
    )


def table(human: MeanOverSeeds, shuffled: MeanOverSeeds) -> list[OutcomeRow]:
    auc = value(0.7)
    gains = {BASELINE: None, HUMAN: human, SHUFFLED: shuffled, CENTRED: value(0.0)}
    return [OutcomeRow(name, "drawn", 4, auc, 0.01, gain) for name, gain in gains.items()]


class TestHeadline:
    def test_a_clear_order_is_told_with_what_it_does_not_say(self):
        told = headline(table(value(0.2), value(0.01)), drawn=True)
        assert told.startswith("As expected in this drawn world: ")
        assert "+0.200" in told
        assert "shuffled +0.010" in told
        assert "It says nothing about people, real faces or real generators." in told

    @pytest.mark.parametrize(
        ("human", "shuffled", "why"),
        [
            (value(0.2, seeds=0.3), value(0.01), "an interval holds zero"),
            (value(0.2, images=0.3), value(0.01), "an interval holds zero"),
            (value(-0.2), value(0.01), "the order is the opposite"),
            (value(0.2), value(0.19), "shuffled maps do as well"),
        ],
    )
    def test_anything_else_is_no_conclusion_and_why(self, human, shuffled, why):
        told = headline(table(human, shuffled), drawn=True)
        assert told.startswith(f"No conclusion: {why}")
        assert "It says nothing about people" in told

    @pytest.mark.parametrize("gain", [0.2, 0.0, -0.2])
    def test_on_images_there_never_is_one(self, gain):
        told = headline(table(value(gain), value(0.0)), drawn=False)
        assert told.startswith("No conclusion about human maps. The annotations are simulated")

    def test_one_seed_shows_no_spread_and_so_nothing(self):
        one = MeanOverSeeds(0.2, Interval(0.2, 0.1, 0.3), Interval(None))
        assert headline(table(one, value(0.0)), drawn=True).startswith("No conclusion")
