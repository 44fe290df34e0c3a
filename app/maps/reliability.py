"""How far the annotators of a map set agree: measured image by image in the job, summed up once, stored."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from saliency.comparison.reliability import ImageReliability, annotators_needed

MEANS = ("annotators", "leave_one_out", "with_own", "projected", "iou", "dice")


def as_json(one: ImageReliability | None) -> dict[str, Any] | None:
    """What a map's row keeps of it; None for fewer than two annotators."""
    if one is None:
        return None
    kept = asdict(one) | {"projected": one.projected}
    del kept["image_id"]
    return kept


class ReliabilitySummary:
    """Means over the images that at least two people annotated, added up one by one.

    `curve` holds, for groups of 1, 2, … annotators, the mean correlation between two such groups, and
    `curve_images` the images with annotators enough for it.
    """

    def __init__(self) -> None:
        self._images = 0
        self._sums = dict.fromkeys(MEANS, 0.0)
        self._curve: list[tuple[float, int]] = []

    def add(self, one: Mapping[str, Any] | None) -> None:
        """Add what `as_json` returned for an image."""
        if one is None:
            return
        self._images += 1
        for name in MEANS:
            self._sums[name] += one[name]
        self._curve += [(0.0, 0)] * (len(one["curve"]) - len(self._curve))
        for place, value in enumerate(one["curve"]):
            total, images = self._curve[place]
            self._curve[place] = (total + value, images + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; without an image nothing but their number."""
        if not self._images:
            return {"images": 0}
        curve = [total / images for total, images in self._curve]
        return {
            "images": self._images,
            **{name: total / self._images for name, total in self._sums.items()},
            "curve": curve,
            "curve_images": [images for _, images in self._curve],
            "needed_for_90": annotators_needed(curve[0]),
        }
