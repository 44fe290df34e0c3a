"""What is computed from the raw data. May be deleted and computed again; never updated in place."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.background import BackgroundWork, WorkWithProgress
from app.models.base import Base, Id, Json, Now, closed_set
from app.models.studies import Label


class MapSet(WorkWithProgress, Base):
    """All saliency maps of a study under one set of parameters; its progress counts images."""

    __tablename__ = "map_set"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    version: Mapped[int]
    parameters: Mapped[Json]
    inputs_hash: Mapped[str | None]
    """SHA-256 over the annotations it was built from, and over what decided a map besides them."""
    annotations: Mapped[int | None]
    simulated: Mapped[int | None]
    """Annotations among those that a program painted."""
    reused: Mapped[int | None]
    """Maps taken over from earlier map sets, because nothing that decides them had changed."""
    reliability: Mapped[Json | None]
    """How far its annotators agree; see `app.maps.reliability`."""
    stale: Mapped[bool] = mapped_column(default=False)
    """A participant whose annotations are in it has withdrawn."""
    created_at: Mapped[Now]
    built_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("study_id", "version"),)


class SaliencyMap(Base):
    __tablename__ = "saliency_map"

    map_set_id: Mapped[int] = mapped_column(ForeignKey("map_set.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    blob_hash: Mapped[str]
    thumb_hash: Mapped[str | None]
    """The map as a small 8-bit PNG for lists; None for maps that were built before there were any."""
    sketch: Mapped[bytes | None] = mapped_column(deferred=True)
    """The map averaged onto a grid of 32 x 32 cells, a byte each, row by row: enough to tell how far two maps
    are apart without reading both."""
    inputs_hash: Mapped[str | None]
    """SHA-256 over all that decides this map: equal inputs, equal map."""
    annotators: Mapped[int]
    coverage: Mapped[float]
    entropy: Mapped[float]
    agreement: Mapped[float | None]
    reliability: Mapped[Json | None] = mapped_column(deferred=True)
    """How far the annotators of this image agree; None for fewer than two."""
    accuracy: Mapped[float | None]
    """Share of the main decisions on pairs with this image that were correct when the set was built."""

    __table_args__ = (Index("ix__saliency_map__image_id_inputs_hash", "image_id", "inputs_hash"),)


class MapAverage(Base):
    """The mean of the maps of one source in a map set, after every face was brought into one frame."""

    __tablename__ = "map_average"

    map_set_id: Mapped[int] = mapped_column(ForeignKey("map_set.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[Label] = mapped_column(closed_set(Label, "label"), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    images: Mapped[int]
    blob_hash: Mapped[str]
    """16-bit PNG, 65535 = 1.0, not scaled: averages of several sources are means of these."""


class Dataset(Base):
    """Frozen images, labels, maps and splits, in a folder named after their content."""

    __tablename__ = "dataset"

    id: Mapped[Id]
    content_hash: Mapped[str] = mapped_column(unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    map_set_id: Mapped[int] = mapped_column(ForeignKey("map_set.id"))
    folder: Mapped[str]
    parameters: Mapped[Json]
    counts: Mapped[Json]
    stale: Mapped[bool] = mapped_column(default=False)
    audit: Mapped[Json | None]
    """Whether labels can be told by what is not the face: `accuracy.shortcuts.audit`. None: not known."""
    created_at: Mapped[Now]


class DatasetImage(Base):
    """Which images a dataset holds: their splits are settled from then on."""

    __tablename__ = "dataset_image"

    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True, index=True)


class Experiment(Base):
    """A grid of runs from one recipe."""

    __tablename__ = "experiment"

    id: Mapped[Id]
    name: Mapped[str]
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"), index=True)
    recipe: Mapped[Json]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]


class Run(BackgroundWork, Base):
    """One architecture × scenario × seed."""

    __tablename__ = "run"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiment.id", ondelete="CASCADE"), index=True)
    architecture: Mapped[str]
    scenario: Mapped[str]
    seed: Mapped[int]
    config: Mapped[Json]
    folder: Mapped[str]
    metrics: Mapped[Json | None]
    started_at: Mapped[datetime | None]


class RunEvent(Base):
    """One line of what a run reported while it went."""

    __tablename__ = "run_event"

    id: Mapped[Id]
    run_id: Mapped[UUID] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    kind: Mapped[str]
    payload: Mapped[Json]
    at: Mapped[Now]

    __table_args__ = (Index("ix__run_event__run_id_id", "run_id", "id"),)


class Detector(Base):
    """Somebody else's detector, by its scores on the test images of a dataset."""

    __tablename__ = "detector"

    id: Mapped[Id]
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    name: Mapped[str]
    scores_hash: Mapped[str]
    """The blob with one score per test image."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]

    __table_args__ = (UniqueConstraint("dataset_id", "name"),)
