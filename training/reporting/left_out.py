"""The table of leave-one-source-out: how well a generator is told that was not learned from. No torch."""

from collections.abc import Iterable, Mapping

from accuracy.statistics.intervals import Interval
from accuracy.statistics.means import mean_interval
from accuracy.statistics.multiple_tests import holm
from training.reporting.finished_runs import FinishedRun, Row

Values = Mapping[int, float]
"""An AUC by seed."""


def left_out_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per architecture, scenario, dataset and generator that runs left out of training.

    `left_out` is the mean AUC of that generator against all real images by the runs without it, `trained`
    by the runs with it, and `difference` the first minus the second, over the seeds that both have; each with
    Student's 95 % interval over seeds, None for a single one. Without any run with it, the last two are None
    and the first is over all seeds. p is of a paired t-test, `p_holm` corrected among the rows of the
    architecture.
    """
    runs = [result for result in results if result.split == "test" and not result.config.train_until]
    rows: list[Row] = []
    for architecture in dict.fromkeys(run.config.architecture for run in runs):
        of_architecture = [run for run in runs if run.config.architecture == architecture]
        keys = sorted({_key(run) for run in of_architecture if _key(run)[2]})
        rows += corrected(_row(key, of_architecture) for key in keys)
    return rows


def corrected(rows: Iterable[Row]) -> list[Row]:
    """The rows with `p_holm`, Holm's correction among them."""
    rows = list(rows)
    return [{**row, "p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def _key(run: FinishedRun) -> tuple[str, str, str]:
    """Scenario, dataset, and the generator that was left out."""
    dataset = str(run.folder.record().get("dataset", {}).get("id", ""))
    return run.config.whole_scenario, dataset, run.config.leave_out


def _row(key: tuple[str, str, str], runs: Iterable[FinishedRun]) -> Row:
    scenario, dataset, source = key
    runs = list(runs)
    without, trained = (
        _aucs((run for run in runs if _key(run) == (scenario, dataset, left_out)), source)
        for left_out in (source, "")
    )
    images = next((run.score_summary.images.get(source, (0, 0))[1] for run in runs), 0)
    head = {"scenario": scenario, "dataset": dataset, "source": source, "images": images}
    return {"architecture": runs[0].config.architecture, **head, **compared("left_out", without, trained)}


def compared(name: str, without: Values, trained: Values) -> Row:
    """Mean AUC of runs without some generators and of runs with them, and the difference by seed."""
    seeds = sorted(without.keys() & trained.keys()) or sorted(without)
    paired = [seed for seed in seeds if seed in trained]
    difference = mean_interval([without[seed] - trained[seed] for seed in paired])
    return {
        "seeds": len(seeds),
        **_columns(name, mean_interval([without[seed] for seed in seeds])),
        **_columns("trained", mean_interval([trained[seed] for seed in paired])),
        **_columns("difference", difference),
        "p": difference.p,
    }


def _aucs(runs: Iterable[FinishedRun], source: str) -> Values:
    found = {run.config.seed: run.score_summary.metrics.get((source, run.config.score), {}) for run in runs}
    return {seed: auc for seed, metrics in found.items() if (auc := metrics.get("auc")) is not None}


def _columns(name: str, interval: Interval) -> Row:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
