"""What a run says while it works: one JSON object per line. Importing this does not import torch.

A run says `started`, then `step` at least every two seconds, `epoch` after each epoch, `evaluated` once per
split when training is over, and last either `finished` or `failed`.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

HEARTBEAT_S = 2.0
"""Longest silence of a healthy run in seconds."""

Metrics = dict[str, float | None]
"""None where a metric is undefined: the AUC of one class, for example."""


def _now() -> datetime:
    return datetime.now(UTC)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    at: datetime = Field(default_factory=_now)

    def line(self) -> str:
        """The event as one line of JSON, without the newline."""
        return self.model_dump_json()


class Started(_Event):
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
    """What is to be known of its maps by whoever reads its results."""


class Step(_Event):
    """One optimiser step among many; not every step is told."""

    kind: Literal["step"] = "step"
    epoch: int
    step: int
    steps: int
    terms: dict[str, float | None]
    images_per_s: float


class Heartbeat(_Event):
    """The run is alive and busy with something that has no step to show."""

    kind: Literal["heartbeat"] = "heartbeat"
    doing: str
    done: int | None = None
    total: int | None = None


class Epoch(_Event):
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
    """Entropy of an even map of that size."""
    images_per_s: float
    gpu_memory_bytes: int | None
    seconds: float
    eta_s: float


class Evaluated(_Event):
    """The chosen epoch met one split."""

    kind: Literal["evaluated"] = "evaluated"
    split: str
    metrics: Metrics


class Finished(_Event):
    """All is written; the numbers are those of metrics.json."""

    kind: Literal["finished"] = "finished"
    metrics: Metrics


class Failed(_Event):
    """The run ended early, and why in one sentence."""

    kind: Literal["failed"] = "failed"
    error: str


Event = Started | Step | Heartbeat | Epoch | Evaluated | Finished | Failed

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse_event(line: str | bytes) -> Event:
    """One line of a run's output; anything but an event is a `ValueError`."""
    return _ADAPTER.validate_json(line)
