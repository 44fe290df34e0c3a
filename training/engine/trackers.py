"""Report the events of a run to TensorBoard and MLflow.

A tracker that fails is logged once and gets no further events: a server that is down must not end a run.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from training.config import RunConfig
from training.events import EpochEvent, EvaluatedEvent, Event, FailedEvent, FinishedEvent, StepEvent

logger = logging.getLogger(__name__)

Scalars = Mapping[str, float]
OF_EPOCHS: Final = (
    *("epoch", "lr", "train_accuracy", "val_accuracy", "cam_entropy", "human_entropy", "images_per_s"),
    *("gpu_memory_bytes", "seconds", "eta_s"),
)


class Tracker(Protocol):
    """A program that takes numbers of a run."""

    def report(self, scalars: Scalars, step: int) -> None:
        """Report numbers by name, at a step counted over the whole run."""

    def close(self, *, well: bool) -> None:
        """End the report; `well` says that the run finished."""


class Trackers:
    """All trackers of a run."""

    def __init__(self, run: RunConfig, folder: Path) -> None:
        self._open: dict[str, Tracker] = {}
        self._step = 0
        for name in dict.fromkeys(run.trackers):
            try:
                self._open[name] = KINDS[name](run, folder)
            except Exception as error:  # noqa: BLE001 - a tracker's library may raise anything
                _log_failure(name, error)

    def report(self, event: Event) -> None:
        """Report the numbers of an event to every tracker that has not failed."""
        match event:
            case StepEvent():
                self._step = (event.epoch - 1) * event.steps + event.step
            case FinishedEvent() | FailedEvent():
                self.close(well=isinstance(event, FinishedEvent))
                return
            case _:
                pass
        scalars = dict(scalars_of(event))
        for name, tracker in list(self._open.items()):
            try:
                if scalars:
                    tracker.report(scalars, self._step)
            except Exception as error:  # noqa: BLE001 - as above
                del self._open[name]
                _log_failure(name, error)

    def close(self, *, well: bool = False) -> None:
        """Close every tracker; a second call does nothing."""
        while self._open:
            name, tracker = self._open.popitem()
            try:
                tracker.close(well=well)
            except Exception as error:  # noqa: BLE001 - as above
                _log_failure(name, error)


def scalars_of(event: Event) -> Iterator[tuple[str, float]]:
    """The numbers of an event by name, without those that are None."""
    match event:
        case StepEvent():
            scalars = {f"step/{name}": value for name, value in event.terms.items()}
        case EpochEvent():
            scalars = {f"epoch/{name}": getattr(event, name) for name in OF_EPOCHS}
            scalars |= {f"epoch/{name}": value for name, value in event.terms.items()}
            scalars |= {f"epoch/val_{name}": value for name, value in event.val_terms.items()}
        case EvaluatedEvent():
            scalars = {f"{event.split}/{name}": value for name, value in event.metrics.items()}
        case _:
            scalars = {}
    for name, value in scalars.items():
        if value is not None:
            yield name, float(value)


class TensorBoard:
    """Writes event files into `tensorboard/` of the run folder."""

    def __init__(self, _run: RunConfig, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def report(self, scalars: Scalars, step: int) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, well: bool) -> None:  # noqa: ARG002 - TensorBoard does not ask
        self._writer.close()


class MLflow:
    """Reports to the server of `MLFLOW_TRACKING_URI`, or to a database beside the run folders.

    A run folder has one MLflow run, also when it is resumed; the experiment is `MLFLOW_EXPERIMENT_NAME`, or
    the name of the folder that holds the run folders.
    """

    def __init__(self, run: RunConfig, folder: Path) -> None:
        from mlflow import MlflowClient

        home = folder.resolve().parent
        local = f"sqlite:///{home / 'mlflow.db'}"
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", local))
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", home.name)
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        self._id = self._begin(experiment, run, str(folder.resolve()))

    def _begin(self, experiment: str, run: RunConfig, folder: str) -> str:
        # The folder's path finds the run of an earlier, interrupted process.
        begun = self._client.search_runs([experiment], filter_string=f"tags.run_folder = '{folder}'")
        if begun:
            self._client.update_run(begun[0].info.run_id, status="RUNNING")
            return str(begun[0].info.run_id)
        tags = {"run_folder": folder, "mlflow.runName": run.name}
        new = str(self._client.create_run(experiment, tags=tags).info.run_id)
        for name, value in run.model_dump(mode="json").items():
            self._client.log_param(new, name, value)
        return new

    def report(self, scalars: Scalars, step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in scalars.items()])

    def close(self, *, well: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if well else "FAILED")


KINDS: Final[dict[str, Callable[[RunConfig, Path], Tracker]]] = {"tensorboard": TensorBoard, "mlflow": MLflow}


def _log_failure(name: str, error: Exception) -> None:
    reason = " ".join(str(error).split())
    extra = {"action": "tracker_failed", "tracker": name}
    logger.warning("%s failed and gets no more events: %s", name, reason, extra=extra)
