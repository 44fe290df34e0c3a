"""Finished runs and external detectors, read back from their files. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.config import RunConfig
from training.errors import RunError
from training.evaluation.score_summary import ScoreSummary, summarise_file
from training.events import EpochEvent, Metrics, StartedEvent
from training.files import read_json
from training.run_folder import RunFolder

Row = dict[str, Any]

OTHER: Final = "other"
"""Takes the place of an architecture for external detectors, of which only scores are known."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One finished run."""

    folder: RunFolder
    config: RunConfig
    best_epoch: int
    splits: dict[str, Metrics]
    epochs: tuple[EpochEvent, ...]
    started: StartedEvent | None

    @property
    def group(self) -> tuple[str, str]:
        """Architecture and scenario: runs of one group differ in their seed alone."""
        return self.config.architecture, self.config.scenario_name

    @property
    def split(self) -> str:
        """The split of the headline numbers: test, or validation where there is no test split."""
        return "test" if "test" in self.splits else "val"

    @property
    def metrics(self) -> Metrics:
        """The metrics of that split, from metrics.json."""
        return self.splits[self.split]

    @property
    def scores_file(self) -> Path:
        return self.folder.scores / f"{self.split}.csv"

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of the results must know of its maps and images."""
        return tuple(self.folder.record().get("cautions", ()))

    @property
    def score_summary(self) -> ScoreSummary:
        """Metrics and curves of its scores on that split."""
        return summarise_file(self.scores_file)


def cautions_of(results: Iterable[FinishedRun]) -> dict[str, list[str]]:
    """Each caution, with the architectures and scenarios of its runs."""
    groups_of: dict[str, dict[str, None]] = {}
    for result in results:
        for sentence in result.cautions:
            groups_of.setdefault(sentence, {})[" ".join(result.group)] = None
    return {sentence: list(groups) for sentence, groups in groups_of.items()}


def learned_from_all(results: Iterable[FinishedRun]) -> list[FinishedRun]:
    """The runs that no generator was kept from."""
    return [result for result in results if result.config.learns_from_all]


def about_maps(results: Iterable[FinishedRun]) -> str:
    """What the maps of these runs are, for a title; empty if all are CAMs of the pooled tensor."""
    kinds = sorted({_about_map(result.config) for result in results})
    return "" if kinds == [_POOLED] else " or ".join(kinds)


_POOLED: Final = "maps of the pooled tensor"


def _about_map(config: RunConfig) -> str:
    if config.map == "attention":
        return "attention of the last block"
    return f"maps of the {config.cam_tensor} tensor"


@dataclass(frozen=True, slots=True)
class ExternalDetector:
    """A detector that was trained elsewhere, by its scores on the same images."""

    name: str
    score_summary: ScoreSummary


def gather(runs_dir: Path) -> list[FinishedRun]:
    """All finished runs below a folder, ordered by path; `RunError` if there is none."""
    folders = sorted(path.parent for path in Path(runs_dir).rglob("run.json"))
    finished = [RunFolder(folder) for folder in folders if RunFolder(folder).is_finished]
    if not finished:
        raise RunError(f"{runs_dir} holds no finished run.")
    return [read_run(folder) for folder in finished]


def read_run(folder: RunFolder) -> FinishedRun:
    """Read a finished run; `RunError` if its folder is damaged."""
    stored = read_json(folder.metrics)
    try:
        best_epoch, splits = stored["best_epoch"], stored["splits"]
    except KeyError as error:
        raise RunError(f"{folder.metrics} has no {error}.") from None
    history = list(folder.history())
    started = next((event for event in history if isinstance(event, StartedEvent)), None)
    epochs = tuple(event for event in history if isinstance(event, EpochEvent))
    return FinishedRun(folder, folder.config(), best_epoch, splits, epochs, started)


def by_scenario(results: Iterable[FinishedRun]) -> dict[tuple[str, str], list[FinishedRun]]:
    """Runs by architecture and scenario, seeds in order."""
    groups: dict[tuple[str, str], list[FinishedRun]] = {}
    for result in sorted(results, key=lambda result: (*result.group, result.config.seed)):
        groups.setdefault(result.group, []).append(result)
    return groups


def architectures(runs: Sequence[FinishedRun]) -> list[str]:
    """The architectures of the runs, in their order."""
    return list(dict.fromkeys(run.config.architecture for run in runs))


def is_simulated(runs: Sequence[FinishedRun]) -> bool:
    """Whether a dataset of the runs has simulated annotations; False where its folder is gone."""
    folders = {run.folder.record().get("dataset", {}).get("path") for run in runs}
    return any(_has_simulated(Path(folder)) for folder in folders if folder)


def _has_simulated(folder: Path) -> bool:
    path = folder / "dataset.json"
    return path.is_file() and bool(read_json(path).get("parameters", {}).get("simulated_annotations"))
