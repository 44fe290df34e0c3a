"""Average maps. A build stores one per label and source; those of a label or a study are made of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.maps.rendering import ALIGNED_PX, Aligned
from app.models import Label, MapAverage, MapSet
from app.storage import BlobStore
from saliency.maps.png import decode_map_png, encode_map_png
from saliency.maps.scaling import SaliencyMap, scale_map

FRAME: Final = (ALIGNED_PX, ALIGNED_PX)

LabelAndSource = tuple[Label, str]


class SourceAverages:
    """Adds up aligned maps by label and source, so that memory grows only with the number of sources."""

    def __init__(self) -> None:
        self._sums: dict[LabelAndSource, NDArray[np.float64]] = {}
        self._images: dict[LabelAndSource, int] = {}

    def add(self, group: LabelAndSource, aligned: Aligned) -> None:
        total = self._sums.setdefault(group, np.zeros(FRAME))
        total += aligned
        self._images[group] = self._images.get(group, 0) + 1

    def rows(self, blobs: BlobStore, map_set_id: int) -> list[dict[str, Any]]:
        """Store the means; returns the rows of `MapAverage`."""
        return [
            {
                "map_set_id": map_set_id,
                "label": label,
                "source": source,
                "images": self._images[label, source],
                "blob_hash": blobs.put(encode_map_png(self._mean((label, source)))),
            }
            for label, source in self._sums
        ]

    def _mean(self, group: LabelAndSource) -> SaliencyMap:
        mean = self._sums[group] / self._images[group]
        return np.clip(mean, 0.0, 1.0).astype(np.float32)


def groups_of(session: Session, map_set: MapSet) -> Sequence[MapAverage]:
    """The averages of a map set, those of real images first."""
    return session.scalars(_groups(map_set).order_by(MapAverage.label.desc(), MapAverage.source)).all()


def average(
    session: Session, blobs: BlobStore, map_set: MapSet, *, label: Label | None = None, source: str = ""
) -> SaliencyMap:
    """The mean map of a study, of a label or of a source, every image with equal weight.

    Returns
    -------
    average : (224, 224) float32, scaled to [0, 1]
    """
    query = _groups(map_set)
    query = query.where(MapAverage.label == label) if label else query
    query = query.where(MapAverage.source == source) if source else query
    groups = session.scalars(query).all()
    if not groups:
        raise NotFound("There is no average map of these images.")
    return scale_map(
        _weighted((decode_map_png(blobs.get(group.blob_hash)), group.images) for group in groups)
    )


def _groups(map_set: MapSet) -> Select[MapAverage]:
    return select(MapAverage).where(MapAverage.map_set_id == map_set.id)


def _weighted(parts: Iterable[tuple[SaliencyMap, int]]) -> SaliencyMap:
    total, images = np.zeros(FRAME), 0
    for values, number in parts:
        total += number * values
        images += number
    return np.asarray(total / images, dtype=np.float32)
