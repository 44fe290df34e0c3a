"""What the finished runs say: AUC of each arm, differences paired over seeds, and whether a gain counts.

A gain of a guided objective counts only if it beats the same objective with shuffled maps and with a centre
prior: preregistration.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.delong import placements
from accuracy.statistics.multiple_tests import holm
from app.demo.outcome import HeldOut, MeanOverSeeds
from training.errors import RunError
from training.evaluation.score_table import ScoreTable, read_score_table
from training.reporting.finished_runs import FinishedRun, gather, is_simulated

GUIDED: Final = ("cyborg", "difference")
CONTROLS: Final = ("shuffled", "centre")
BASELINE: Final = "half_cross_entropy"
SCENARIOS: Final = (
    "cross_entropy",
    BASELINE,
    *(f"{guided}{suffix}" for guided in GUIDED for suffix in ("", *(f"_{name}" for name in CONTROLS))),
)
"""Of the recipe `photographs`."""
PRIMARY: Final = tuple((guided, f"{guided}_{control}") for guided in GUIDED for control in CONTROLS)
"""Pairs whose differences decide; their four p values are corrected together."""
SECONDARY: Final = (
    *((name, BASELINE) for name in SCENARIOS if name != BASELINE),
    *((guided, "cross_entropy") for guided in GUIDED),
)
"""Pairs that are reported beside them, corrected together."""
KIND: Final = "softmax"
"""The score: cross-entropy and the map of the difference define only the difference of the logits."""
ALPHA: Final = 0.05


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """The AUC of an arm: the fakes of some sources against all real images."""

    scenario: str
    seeds: int
    auc: MeanOverSeeds
    of_sources: dict[str, float]
    """Mean over seeds for each source of fakes alone."""


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """The AUC of one arm minus that of another, paired over seeds."""

    one: str
    other: str
    gain: MeanOverSeeds
    p_holm: float | None
    """Student's t over seeds, after Holm's correction; None where nothing varies."""

    @property
    def is_gain(self) -> bool:
        """Whether the first arm is better: over seeds after the correction, and over test images."""
        low = self.gain.over_images.low
        is_sure = self.p_holm is not None and self.p_holm < ALPHA
        return is_sure and self.gain.value > 0 and low is not None and low > 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is reported of a set of runs."""

    unseen: tuple[str, ...]
    simulated: bool
    """Whether annotators of these runs were programs."""
    scenarios: list[ScenarioRow]
    primary: list[DifferenceRow]
    secondary: list[DifferenceRow]

    def counts(self, guided: str) -> bool:
        """Whether a guided objective beats both of its controls."""
        return all(row.is_gain for row in self.primary if row.one == guided)


def compare(runs_dir: Path, unseen: Collection[str] = ()) -> Comparison:
    """Compare the finished runs of the recipe `photographs` in a folder.

    unseen : sources of fakes that the headline is of; empty = all of the test split
    `RunError`: a scenario is missing, seeds differ between scenarios, or a source is not there
    """
    runs = gather(runs_dir)
    tables = _tables(runs)
    first = tables[SCENARIOS[0]][0]
    of_fakes = sorted(set(first.sources[first.fake].tolist()))
    headline = tuple(unseen) or tuple(of_fakes)
    if missing := set(headline) - set(of_fakes):
        raise RunError(f"The test split has no fakes of {', '.join(sorted(missing))}.")
    test = _held_out(tables, headline)
    alone = {source: _held_out(tables, (source,)) for source in of_fakes}
    return Comparison(
        headline,
        is_simulated(runs),
        [_scenario_row(name, test, alone) for name in SCENARIOS],
        _differences(PRIMARY, test),
        _differences(SECONDARY, test),
    )


def _tables(runs: Sequence[FinishedRun]) -> dict[str, list[ScoreTable]]:
    """The scores of each scenario, seeds in order."""
    by_seed: dict[str, dict[int, ScoreTable]] = {name: {} for name in SCENARIOS}
    for run in runs:
        if run.config.scenario_name in by_seed:
            table = read_score_table(run.folder.scores / "test.csv")
            by_seed[run.config.scenario_name][run.config.seed] = table
    seeds = {name: sorted(tables) for name, tables in by_seed.items()}
    for name, have in seeds.items():
        if not have or have != seeds[SCENARIOS[0]]:
            raise RunError(f"{name} has the seeds {have}, {SCENARIOS[0]} has {seeds[SCENARIOS[0]]}.")
    return {name: [tables[seed] for seed in seeds[name]] for name, tables in by_seed.items()}


def _held_out(tables: dict[str, list[ScoreTable]], sources: Collection[str]) -> HeldOut:
    first = tables[SCENARIOS[0]][0]
    chosen = ~first.fake | np.isin(first.sources, list(sources))
    placed = {
        name: np.stack([_placements(table, first, chosen) for table in of_seeds])
        for name, of_seeds in tables.items()
    }
    return HeldOut(first.fake[chosen], np.arange(int(chosen.sum())), placed)


def _placements(table: ScoreTable, first: ScoreTable, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    if table.image_ids != first.image_ids:
        raise RunError("The runs were tested on different images.")
    return placements(table.ranking[KIND][chosen], table.fake[chosen])


def _scenario_row(name: str, test: HeldOut, alone: dict[str, HeldOut]) -> ScenarioRow:
    of_sources = {source: one.value(one.placed[name]).value for source, one in alone.items()}
    return ScenarioRow(name, len(test.placed[name]), test.value(test.placed[name]), of_sources)


def _differences(pairs: Sequence[tuple[str, str]], test: HeldOut) -> list[DifferenceRow]:
    gains = [test.value(test.placed[one] - test.placed[other]) for one, other in pairs]
    corrected = holm([gain.over_seeds.p for gain in gains])
    return [
        DifferenceRow(one, other, gain, p)
        for (one, other), gain, p in zip(pairs, gains, corrected, strict=True)
    ]
