"""The events of a run: one JSON object per line. Importing this does not import torch.

A run writes `started`, then `step` or `heartbeat` at least every two seconds, `epoch` after each epoch,
`evaluated` once per split when training is over, and last either `finished` or `failed`.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

HEARTBEAT_S = 2.0
"""Longest time between two events of a healthy run, in seconds."""

Metrics = dict[str, float | None]
"""Metrics by name; None where a metric is undefined, such as the AUC of one class."""


def _now() -> datetime:
    return datetime.now(UTC)


class _BaseEvent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    at: datetime = Field(default_factory=_now)

    def line(self) -> str:
        """The event as one line of JSON, without the newline."""
        return self.model_dump_json()


class StartedEvent(_BaseEvent):
    """The model and the data are in place; the first step follows."""

    kind: Literal["started"] = "started"
    run: str
    device: str
    parameters: int
    images: dict[str, int]
    """Images per split."""
    with_map: int
    """Training images that have a human map."""
    epochs: int
    first_epoch: int
    """1, or the epoch from which an interrupted run goes on."""
    steps_per_epoch: int
    plan: str
    """The run in words."""
    cautions: tuple[str, ...] = ()
    """What a reader of the results must know about the maps."""


class StepEvent(_BaseEvent):
    """One optimiser step; not every step has an event."""

    kind: Literal["step"] = "step"
    epoch: int
    step: int
    steps: int
    terms: dict[str, float | None]
    images_per_s: float


class HeartbeatEvent(_BaseEvent):
    """The run is alive, and busy with work that has no steps."""

    kind: Literal["heartbeat"] = "heartbeat"
    doing: str
    done: int | None = None
    total: int | None = None


class EpochEvent(_BaseEvent):
    """One pass over the training images, and one over the validation images."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    epochs: int
    lr: float
    train_accuracy: float | None
    val_accuracy: float | None
    best: bool
    """This epoch is the best one so far by validation accuracy; a tie goes to the later."""
    terms: dict[str, float | None]
    """Means over the epoch."""
    val_terms: dict[str, float | None]
    cam_entropy: float | None
    """Mean entropy of the model's maps on the training images, in nats."""
    human_entropy: float | None
    """The same for the human maps at the same size; None without any map."""
    max_entropy: float
    """Entropy of a flat map of that size."""
    images_per_s: float
    gpu_memory_bytes: int | None
    seconds: float
    eta_s: float


class EvaluatedEvent(_BaseEvent):
    """The chosen epoch was evaluated on one split."""

    kind: Literal["evaluated"] = "evaluated"
    split: str
    metrics: Metrics


class FinishedEvent(_BaseEvent):
    """The run is complete; the metrics are those of metrics.json."""

    kind: Literal["finished"] = "finished"
    metrics: Metrics


class FailedEvent(_BaseEvent):
    """The run ended early; `error` says why in one sentence."""

    kind: Literal["failed"] = "failed"
    error: str


Event = StartedEvent | StepEvent | HeartbeatEvent | EpochEvent | EvaluatedEvent | FinishedEvent | FailedEvent

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse_event(line: str | bytes) -> Event:
    """Read one line of a run's output; `ValueError` if it is no event."""
    return _ADAPTER.validate_json(line)
