"""The outcome of an experiment: finished runs and external detectors, with their tables and figures."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.experiments.detectors import external_detectors_on
from app.experiments.service import runs_of
from app.models import Dataset, Experiment, JobState, Run
from app.storage import BlobStore
from training.errors import TrainingError
from training.reporting.degraded import degraded_summary
from training.reporting.figures import FigureSpec
from training.reporting.finished_runs import ExternalDetector, FinishedRun, Row, architectures, read_run
from training.reporting.plotly_figures import drawn
from training.reporting.report_contents import figures_of, tables_of
from training.reporting.tables import degraded_table
from training.run_folder import RunFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExperimentOutcome:
    """Everything of an experiment that has finished and can be read."""

    results: tuple[FinishedRun, ...]
    detectors: tuple[ExternalDetector, ...]
    unreadable: tuple[str, ...]
    """One sentence for each run whose folder is gone or damaged."""

    @property
    def architectures(self) -> list[str]:
        return architectures(self.results)

    def tables(self) -> dict[str, list[Row]]:
        return tables_of(self.results, self.detectors)

    def degraded(self) -> list[Row]:
        """What the runs reach on degraded images; none where no run was evaluated on any."""
        return degraded_summary(degraded_table(self.results))

    def figures(self, architecture: str, source: str) -> list[dict[str, Any]]:
        """As plotly draws them: those over all images, and one ROC of the source asked for."""
        every = figures_of(architecture, self.results, self.tables(), self.detectors)
        return [drawn(figure) for figure in every if _is_wanted(figure, source)]

    def sources(self) -> list[str]:
        """Every generator that some detector was tested on, and every camera set where there are several."""
        summaries = [run.score_summary for run in self.results]
        summaries += [detector.score_summary for detector in self.detectors]
        return sorted({name for summary in summaries for name in (*summary.generators, *summary.cameras)})


def _is_wanted(figure: FigureSpec, source: str) -> bool:
    return figure.source in ("", source)


def outcome_of(session: Session, blobs: BlobStore, experiment: Experiment) -> ExperimentOutcome:
    """Read all finished runs; one whose folder cannot be read is named in `unreadable`."""
    results: list[FinishedRun] = []
    unreadable: list[str] = []
    for run in runs_of(session, experiment):
        if run.state is JobState.SUCCEEDED:
            result = read(run)
            if isinstance(result, FinishedRun):
                results.append(result)
            else:
                unreadable.append(result)
    dataset = session.get_one(Dataset, experiment.dataset_id)
    return ExperimentOutcome(
        tuple(results), tuple(external_detectors_on(session, blobs, dataset)), tuple(unreadable)
    )


def read(run: Run) -> FinishedRun | str:
    """A finished run, or one sentence about what is wrong with its folder."""
    try:
        result = read_run(RunFolder(Path(run.folder)))
        result.score_summary  # noqa: B018 - raises when the scores cannot be read
    except TrainingError as error:
        logger.warning("run not readable", extra={"action": "run_not_readable", "run": run.id})
        return str(error)
    return result
