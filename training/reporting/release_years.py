"""The table of temporal splits: how well generators are told that came after training, by year. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.data.release_dates import LATER, LEARNED_FROM, is_released
from training.reporting.finished_runs import FinishedRun, Row
from training.reporting.left_out import Values, compared, corrected


@dataclass(frozen=True, slots=True, order=True)
class _Split:
    """Runs that differ in their seed alone."""

    scenario: str
    dataset: str
    until: str

    @classmethod
    def of(cls, run: FinishedRun) -> "_Split":
        dataset = str(run.folder.record().get("dataset", {}).get("id", ""))
        return cls(run.config.whole_scenario, dataset, run.config.train_until or "")


def year_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per architecture, scenario, dataset, `train_until`, year of release, and side of the date.

    `side` is `until` for generators that were learned from, and `later` for the others. `before` is the mean
    AUC of their test images against all real ones by the runs with that date, `trained` by runs that learned
    from all, `difference` the first minus the second; seeds, intervals and p as of `left_out_table`.
    """
    runs = [result for result in results if result.split == "test" and not result.config.leave_out]
    rows: list[Row] = []
    for architecture in dict.fromkeys(run.config.architecture for run in runs):
        of_architecture = [run for run in runs if run.config.architecture == architecture]
        splits = sorted({_Split.of(run) for run in of_architecture if run.config.train_until})
        rows += corrected(row for split in splits for row in _rows(split, of_architecture))
    return rows


def _rows(split: _Split, runs: Sequence[FinishedRun]) -> Iterable[Row]:
    until = [run for run in runs if _Split.of(run) == split]
    every = [run for run in runs if _Split.of(run) == _Split(split.scenario, split.dataset, "")]
    released = until[0].config.released
    groups: dict[tuple[str, str], list[str]] = {}
    for source in sorted(until[0].score_summary.generators, key=lambda source: (released[source], source)):
        side = LEARNED_FROM if is_released(until[0].config, source) else LATER
        groups.setdefault((released[source][:4], side), []).append(source)
    for (year, side), sources in groups.items():
        yield {
            "architecture": until[0].config.architecture,
            "scenario": split.scenario,
            "dataset": split.dataset,
            "train_until": split.until,
            "year": year,
            "side": side,
            "sources": ", ".join(sources),
            "images": sum(until[0].score_summary.images[source][1] for source in sources),
            **compared("before", _aucs(until, sources), _aucs(every, sources)),
        }


def _aucs(runs: Iterable[FinishedRun], sources: Sequence[str]) -> Values:
    """The AUC of several generators together against all real images, by seed."""
    found = {run.config.seed: _auc(run, sources) for run in runs}
    return {seed: auc for seed, auc in found.items() if auc is not None}


def _auc(run: FinishedRun, sources: Sequence[str]) -> float | None:
    """The mean of their AUCs by number of images, which is exactly that of all their images at once."""
    summary, total, weighted = run.score_summary, 0, 0.0
    for source in sources:
        auc = summary.metrics.get((source, run.config.score), {}).get("auc")
        if auc is None:
            return None
        _, fakes = summary.images[source]
        total, weighted = total + fakes, weighted + fakes * auc
    return weighted / total
