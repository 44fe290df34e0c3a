"""The printed table: AUC over seeds, and the gain over cross-entropy with its standard error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from accuracy.statistics import means
from benchmarks.human_maps.scenarios import CONTROLS, HUMAN, BenchmarkRun

HEADLINE: Final = "unseen/random"
"""The headline: unseen generators, with a mark that is independent of the label."""
BASELINE: Final = "cross_entropy"
SHOWN: Final = {
    "unseen/random": "unseen,\nmark random",
    "unseen/absent": "no mark",
    "unseen/follows": "mark follows",
    "unseen/reversed": "reversed",
    "seen/random": "seen,\nmark random",
    "shortcut": "mark\nalone",
    "agreement": "agreement with\nhuman maps",
}
Verdict = Literal["wins", "loses", "no difference", ""]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference from the baseline, paired over seeds."""

    mean: float
    standard_error: float

    @property
    def verdict(self) -> Verdict:
        """Whether it is larger than two standard errors."""
        if not np.isfinite(self.standard_error):
            return ""
        if abs(self.mean) <= 2 * self.standard_error:
            return "no difference"
        return "wins" if self.mean > 0 else "loses"


def values(results: Sequence[BenchmarkRun], scenario: str, key: str) -> NDArray[np.float64]:
    """(seeds,) in the order of the seeds."""
    chosen = sorted((one for one in results if one.scenario == scenario), key=lambda one: one.seed)
    return np.array([one.values[key] for one in chosen])


def gap(
    results: Sequence[BenchmarkRun], scenario: str, *, baseline: str = BASELINE, key: str = HEADLINE
) -> PairedDifference:
    """Scenario minus baseline, paired over seeds; the standard error is NaN for a single seed."""
    difference = values(results, scenario, key) - values(results, baseline, key)
    mean, sd = mean_sd(difference)
    return PairedDifference(mean, sd / len(difference) ** 0.5)


def claim(results: Sequence[BenchmarkRun]) -> str:
    """The differences that the benchmark is about: of human maps and controls, from none and one another."""
    pairs = {"human - none": gap(results, HUMAN)}
    for control in CONTROLS:
        name = f"{HUMAN}, {control} maps"
        pairs[f"{control} - none"] = gap(results, name)
        pairs[f"human - {control}"] = gap(results, HUMAN, baseline=name)
    return "; ".join(f"{name} {one.mean:+.3f} ± {one.standard_error:.3f}" for name, one in pairs.items())


def mean_sd(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Mean, and standard deviation over seeds (NaN for one seed)."""
    sd = means.mean_sd(numbers.tolist())[1]
    return float(numbers.mean()), float("nan") if sd is None else sd


def scenario_names(results: Sequence[BenchmarkRun]) -> list[str]:
    """The scenarios of the runs, in the order of their first run."""
    return list(dict.fromkeys(one.scenario for one in results))


def show(results: Sequence[BenchmarkRun], *, title: str, baseline: str = BASELINE) -> Table:
    """Mean ± sd over seeds of what `SHOWN` names; AUC on unseen generators comes first."""
    table = Table(title=title, title_justify="left")
    table.add_column("scenario")
    for heading in SHOWN.values():
        table.add_column(heading, justify="right")
    table.add_column(f"gain over\n{baseline} ± se", justify="right")
    for name in scenario_names(results):
        cells = [_pair(*mean_sd(values(results, name, key))) for key in SHOWN]
        one = gap(results, name, baseline=baseline)
        told = "" if name == baseline else f"{one.mean:+.3f} ± {one.standard_error:.3f} {one.verdict}"
        table.add_row(name, *cells, told)
    return table


def _pair(mean: float, sd: float) -> str:
    return f"{mean:.3f}" if np.isnan(sd) else f"{mean:.3f} ± {sd:.3f}"


def document(results: Sequence[BenchmarkRun], *, baseline: str = BASELINE) -> list[dict[str, Any]]:
    """The table as JSON: every seed of every scenario."""
    return [
        {
            "scenario": name,
            "seeds": sorted(one.seed for one in results if one.scenario == name),
            "values": {key: values(results, name, key).tolist() for key in results[0].values},
            "gain": None if name == baseline else gap(results, name, baseline=baseline).mean,
            "standard_error": None
            if name == baseline
            else gap(results, name, baseline=baseline).standard_error,
            "verdict": gap(results, name, baseline=baseline).verdict if name != baseline else "",
        }
        for name in scenario_names(results)
    ]
