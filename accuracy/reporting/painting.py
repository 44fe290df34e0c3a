"""What people painted when they were right and when they were wrong: areas and average maps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from saliency import apply_crop, face_crop, parse_strokes, rasterize
from saliency.masks.strokes import StrokeError

SIDE_PX: Final = 112
"""Of an average map: strokes are tens of pixels wide, so nothing is lost that a figure could show."""

Map = NDArray[np.float64]
Group = tuple[str, bool]  # label of the painted image, whether the decision is correct


@dataclass(slots=True)
class PaintedAverages:
    """Mean masks by label and correctness, after the face crop of datasets: (SIDE_PX, SIDE_PX) in [0, 1]."""

    maps: dict[Group, Map] = field(default_factory=dict)
    counts: dict[Group, int] = field(default_factory=dict)

    def add(self, group: Group, mask: Map) -> None:
        count = self.counts.get(group, 0) + 1
        mean = self.maps.get(group, np.zeros_like(mask))
        self.maps[group] = mean + (mask - mean) / count
        self.counts[group] = count

    def of(self, label: str, *, correct: bool) -> Map:
        """Zero where nobody painted, or nobody was right (or wrong)."""
        return self.maps.get((label, correct), np.zeros((SIDE_PX, SIDE_PX)))

    def contrast(self, label: str) -> Map:
        """Mean of correct annotations minus mean of wrong ones; zero when there is only one kind."""
        if not {(label, True), (label, False)} <= self.maps.keys():
            return np.zeros((SIDE_PX, SIDE_PX))
        return self.of(label, correct=True) - self.of(label, correct=False)


def painted(
    annotations: Iterable[Any], *, on_each: Callable[[int], None] = lambda _done: None
) -> tuple[dict[int, float], PaintedAverages]:
    """Share of the image that each annotation covers, by decision id, and the average maps.

    annotations : rows with decision_id, strokes, correct, label, width, height, face_x, face_y, face_width,
        face_height; invalid strokes are left out, as they are when maps are built
    """
    areas, averages = {}, PaintedAverages()
    for done, row in enumerate(annotations, start=1):
        on_each(done)
        try:
            strokes = parse_strokes(row.strokes or [], width=row.width, height=row.height)
        except StrokeError:
            continue
        mask = rasterize(strokes, width=row.width, height=row.height)
        areas[row.decision_id] = float(mask.mean())
        if mask.any():
            box = (row.face_x, row.face_y, row.face_width, row.face_height)
            crop = face_crop(None if row.face_x is None else box, width=row.width, height=row.height)
            averages.add(
                (str(row.label), row.correct), apply_crop(mask.astype(np.float32), crop, size=SIDE_PX)
            )
    return areas, averages
