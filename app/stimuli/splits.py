"""Divide images into train, val and test."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.errors import BadInput

SplitName = Literal["train", "val", "test"]

HELD_OUT: Final[tuple[SplitName, ...]] = ("val", "test")


@dataclass(frozen=True, slots=True)
class Unsplit:
    """An image to be given a split; `split` is the one that it was imported with."""

    image_id: int
    label: str
    source: str
    group: str | None
    split: SplitName | None

    @property
    def unit(self) -> str:
        """What must stay together: the group, or the image alone."""
        return f"group {self.group}" if self.group else f"image {self.image_id}"


@dataclass(frozen=True, slots=True)
class SplitUnit:
    """Images that stay together; the first one decides the label and source of the unit."""

    name: str
    images: tuple[Unsplit, ...]

    @property
    def label(self) -> str:
        return self.images[0].label

    @property
    def stratum(self) -> tuple[str, str]:
        return self.images[0].label, self.images[0].source


def assign_splits(
    candidates: Iterable[Unsplit], *, val: float, test: float, seed: int
) -> dict[int, SplitName]:
    """The split of every image, by id.

    An image keeps the split that it was imported with, and its whole group gets the same. If no image was
    imported into `val` or into `test`, that split gets its fraction of the other groups, evenly over labels
    and sources; which groups depends on `seed` alone. The rest is `train`.

    `BadInput`: a group was imported into several splits, or a label has too few images
    """
    units = _units(candidates)
    imported = {unit.name: split for unit in units if (split := _imported_split(unit)) is not None}
    free = [unit for unit in units if unit.name not in imported]
    fractions: dict[SplitName, float] = {"val": val, "test": test}
    wanted = {name: part for name, part in fractions.items() if part and name not in imported.values()}
    splits = imported | _set_aside(free, wanted, seed=seed)
    return {image.image_id: splits[unit.name] for unit in units for image in unit.images}


def _units(candidates: Iterable[Unsplit]) -> list[SplitUnit]:
    together: dict[str, list[Unsplit]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda image: image.image_id):
        together[candidate.unit].append(candidate)
    return [SplitUnit(name, tuple(images)) for name, images in together.items()]


def _imported_split(unit: SplitUnit) -> SplitName | None:
    splits = sorted({image.split for image in unit.images if image.split})
    if len(splits) > 1:
        raise BadInput(f"The {unit.name} was imported into several splits: {' and '.join(splits)}.")
    return splits[0] if splits else None


def _set_aside(
    units: Sequence[SplitUnit], wanted: Mapping[SplitName, float], *, seed: int
) -> dict[str, SplitName]:
    by_label: dict[str, list[SplitUnit]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: (unit.stratum, _shuffled(unit, seed))):
        by_label[unit.label].append(unit)
    splits: dict[str, SplitName] = {}
    for label, of_label in by_label.items():
        if len(of_label) <= len(wanted):
            raise BadInput(
                f"There are too few {label} images ({len(of_label)} that may be told apart) to set aside "
                f"{' and '.join(wanted)}; import more, or give them splits."
            )
        splits |= _spread(of_label, wanted)
    return splits


def _shuffled(unit: SplitUnit, seed: int) -> str:
    return hashlib.sha256(f"{seed} {unit.name}".encode()).hexdigest()


def _spread(units: Sequence[SplitUnit], wanted: Mapping[SplitName, float]) -> dict[str, SplitName]:
    """Assign splits so that every run of successive units has the fractions, and no split is empty.

    Units are ordered by source, so this spreads each split evenly over sources.
    """
    share: dict[SplitName, float] = {"train": 1 - sum(wanted.values()), **wanted}
    dealt = dict.fromkeys(share, 0)
    splits: dict[str, SplitName] = {}
    dealt_images = 0
    for unit in units:
        dealt_images += len(unit.images)
        # The split that is furthest behind its share of the images so far.
        split = max(share, key=lambda name: share[name] * dealt_images - dealt[name])
        splits[unit.name] = split
        dealt[split] += len(unit.images)
    for name in share:
        if not dealt[name]:
            splits[_spare(splits)] = name
    return splits


def _spare(splits: Mapping[str, SplitName]) -> str:
    """The last unit of the largest split, which can best do without one."""
    most, _ = Counter(splits.values()).most_common(1)[0]
    return [name for name, split in splits.items() if split == most][-1]
