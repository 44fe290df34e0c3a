"""How far the annotators of a map set agree: measured for each image of a build, and stored as means."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from saliency.comparison.reliability import ImageReliability, annotators_needed

MEANS = ("annotators", "leave_one_out", "with_own", "projected", "iou", "dice")


def as_json(reliability: ImageReliability | None) -> dict[str, Any] | None:
    """The JSON in a map's row; None for fewer than two annotators."""
    if reliability is None:
        return None
    fields = asdict(reliability) | {"projected": reliability.projected}
    del fields["image_id"]
    return fields


class ReliabilitySummary:
    """Means over the images that at least two people annotated.

    `curve` holds, for groups of 1, 2, … annotators, the mean correlation between two such groups, and
    `curve_images` the numbers of images with enough annotators.
    """

    def __init__(self) -> None:
        self._images = 0
        self._sums = dict.fromkeys(MEANS, 0.0)
        self._curve: list[tuple[float, int]] = []

    def add(self, fields: Mapping[str, Any] | None) -> None:
        """Add what `as_json` returned for an image."""
        if fields is None:
            return
        self._images += 1
        for name in MEANS:
            self._sums[name] += fields[name]
        self._curve += [(0.0, 0)] * (len(fields["curve"]) - len(self._curve))
        for index, value in enumerate(fields["curve"]):
            total, images = self._curve[index]
            self._curve[index] = (total + value, images + 1)

    def to_dict(self) -> dict[str, Any]:
        """The means as JSON; `{"images": 0}` without an image."""
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
