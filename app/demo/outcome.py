"""The results of a demonstration's detectors, and what may be concluded from them.

Two things make a number uncertain, and each has an interval of its own: the seeds that a network was trained
from (Student's t over them), and the images of the test (DeLong's variance of the mean over seeds, with the
pictures of a group as one cluster). A difference counts where both intervals leave out zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.clusters import Codes, cluster_variance, codes
from accuracy.statistics.delong import placements
from accuracy.statistics.intervals import Interval, t_interval
from accuracy.statistics.means import mean_interval, mean_sd
from app.demo.detectors import BASELINE, HUMAN, SHUFFLED
from training.evaluation.score_table import ScoreTable

Floats = NDArray[np.float64]
KIND: Final = "sigmoid"
"""Score by which images are ranked: the fake logit, as in the papers."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """One run: its scenario, its seed, and its scores on the test images."""

    scenario: str
    seed: int
    scored: ScoreTable


@dataclass(frozen=True, slots=True)
class MeanOverSeeds:
    """A mean over seeds with its two intervals."""

    value: float
    over_images: Interval
    over_seeds: Interval

    @property
    def sign(self) -> int:
        """1 or -1 where both intervals are on that side of zero, otherwise 0."""
        signs = {_side(self.over_images), _side(self.over_seeds)}
        return signs.pop() if len(signs) == 1 else 0


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One kind of detector on all fakes of the test and the real images of one source."""

    scenario: str
    real_source: str
    seeds: int
    auc: MeanOverSeeds
    sd: float | None
    """Of the AUC over seeds; None for one seed."""
    gain: MeanOverSeeds | None
    """Over the baseline with the same seeds; None for the baseline itself."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The test images of one source of real ones, with every fake."""

    fake: NDArray[np.bool_]  # (N,)
    cluster: Codes  # (N,)
    placed: Mapping[str, Floats]
    """By scenario: placements of each seed, (seeds, N)."""

    def value(self, placed: Floats) -> MeanOverSeeds:
        """An AUC by placements, shape (seeds, N), or a difference of two by theirs."""
        per_seed = placed[:, self.fake].mean(axis=1)
        return MeanOverSeeds(
            float(per_seed.mean()), self._over_images(placed.mean(axis=0)), mean_interval(per_seed.tolist())
        )

    def _over_images(self, placed: Floats) -> Interval:
        value = float(placed[self.fake].mean())
        of_class = np.where(self.fake, self.fake.sum(), (~self.fake).sum())
        alone = np.arange(len(placed))
        spread = cluster_variance(
            (placed - value) / of_class,
            participant=self.cluster,
            item=alone,
            arm=self.fake.astype(np.intp),
        )
        return t_interval(value, spread.se, spread.df)


def rows(trained: Sequence[TrainedRun], groups: Mapping[str, str]) -> list[OutcomeRow]:
    """A row for each scenario and each source of real images, which are never pooled; in the runs' order.

    trained : runs on the same test images; every scenario has the same seeds, in one order
    groups : image id to the group that it belongs to; an image without one stands for itself
    """
    scored = trained[0].scored
    sources = sorted(set(scored.sources[~scored.fake].tolist()))
    tests = {source: _test(source, trained, groups) for source in sources}
    scenarios = list(dict.fromkeys(run.scenario for run in trained))
    return [_row(scenario, source, tests[source]) for scenario in scenarios for source in sources]


def _test(source: str, trained: Sequence[TrainedRun], groups: Mapping[str, str]) -> HeldOut:
    placed: dict[str, list[Floats]] = {}
    for run in trained:
        table = run.scored.against(source)
        placed.setdefault(run.scenario, []).append(placements(table.ranking[KIND], table.fake))
    first = trained[0].scored.against(source)
    cluster = codes([groups.get(name, name) for name in first.image_ids])
    return HeldOut(first.fake, cluster, {scenario: np.stack(seeds) for scenario, seeds in placed.items()})


def _row(scenario: str, source: str, test: HeldOut) -> OutcomeRow:
    placed, base = test.placed[scenario], test.placed[BASELINE]
    per_seed = placed[:, test.fake].mean(axis=1)
    _, sd, seeds = mean_sd(per_seed.tolist())
    gain = None if scenario == BASELINE else test.value(placed - base)
    return OutcomeRow(scenario, source, seeds, _clipped(test.value(placed)), sd, gain)


def _clipped(auc: MeanOverSeeds) -> MeanOverSeeds:
    """Clip the interval over images to [0, 1], which that of a few images may leave."""
    interval = auc.over_images
    if interval.low is None or interval.high is None:
        return auc
    return replace(
        auc, over_images=replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))
    )


def _side(interval: Interval) -> int:
    """The sign of an interval: 1 or -1; 0 where it holds zero or is undefined."""
    if interval.low is None or interval.high is None:
        return 0
    return int(interval.low > 0) - int(interval.high < 0)


def headline(outcome_rows: Sequence[OutcomeRow], *, drawn: bool) -> str:
    """What may be concluded from the numbers, in a few sentences that are printed above them.

    drawn : faces in whose world paint carries information, so that an order can be expected
    """
    if not drawn:
        return OF_IMAGES
    by_scenario = {row.scenario: row.gain for row in outcome_rows}
    human, shuffled = by_scenario.get(HUMAN), by_scenario.get(SHUFFLED)
    if human is None or shuffled is None:
        return f"No conclusion: {HUMAN} and {SHUFFLED} are needed beside {BASELINE}."
    return f"{_of_world(human, shuffled)} {OF_A_WORLD}"


OF_IMAGES: Final = (
    "No conclusion about human maps. The annotations are simulated: programs painted parts of faces without "
    "looking at a picture, so the maps say nothing of what is wrong with it. The numbers show that every "
    "step runs on these images; differences between them are not about people."
)
OF_A_WORLD: Final = (
    "This tests the method in a world made for maps to help: faces are drawn, and programs that are told "
    "where the artefact is paint it. It says nothing about people, real faces or real generators."
)


def _of_world(human: MeanOverSeeds, shuffled: MeanOverSeeds) -> str:
    helped = f"{human.value:+.3f} AUC against {BASELINE}"
    control = f"the same maps shuffled {shuffled.value:+.3f}"
    if human.sign == 1 and shuffled.value < human.value / 2:
        return f"As expected in this drawn world: maps of what was painted gain {helped}, {control}."
    why = (
        "shuffled maps do as well or nearly"
        if human.sign == 1
        else "an interval holds zero"
        if human.sign == 0
        else "the order is the opposite of what is expected"
    )
    return f"No conclusion: {why} (maps of what was painted {helped}, {control})."
