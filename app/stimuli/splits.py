"""Which image trains, which chooses the epoch, which is kept for the end."""

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
    """An image that wants a split; `split` is the one it was imported with."""

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
    """Images that stay together, sorted under the label and source of the first."""

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

    A split given at import is kept, and the rest of the image's group follows. Of `val` and `test`, one
    that no image was imported into takes its fraction of the remaining groups, spread evenly over labels
    and sources; which groups depends on `seed` alone. All that is left is `train`.
    """
    units = _units(candidates)
    given = {unit.name: split for unit in units if (split := _given(unit)) is not None}
    free = [unit for unit in units if unit.name not in given]
    fractions: dict[SplitName, float] = {"val": val, "test": test}
    wanted = {name: part for name, part in fractions.items() if part and name not in given.values()}
    chosen = given | _carved(free, wanted, seed=seed)
    return {image.image_id: chosen[unit.name] for unit in units for image in unit.images}


def _units(candidates: Iterable[Unsplit]) -> list[SplitUnit]:
    together: dict[str, list[Unsplit]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda one: one.image_id):
        together[candidate.unit].append(candidate)
    return [SplitUnit(name, tuple(images)) for name, images in together.items()]


def _given(unit: SplitUnit) -> SplitName | None:
    splits = sorted({image.split for image in unit.images if image.split})
    if len(splits) > 1:
        raise BadInput(f"The {unit.name} was imported into several splits: {' and '.join(splits)}.")
    return splits[0] if splits else None


def _carved(
    units: Sequence[SplitUnit], wanted: Mapping[SplitName, float], *, seed: int
) -> dict[str, SplitName]:
    by_label: dict[str, list[SplitUnit]] = defaultdict(list)
    for unit in sorted(units, key=lambda one: (one.stratum, _shuffled(one, seed))):
        by_label[unit.label].append(unit)
    carved: dict[str, SplitName] = {}
    for label, of_label in by_label.items():
        if len(of_label) <= len(wanted):
            raise BadInput(
                f"There are too few {label} images ({len(of_label)} that may be told apart) to set aside "
                f"{' and '.join(wanted)}; import more, or give them splits."
            )
        carved |= _spread(of_label, wanted)
    return carved


def _shuffled(unit: SplitUnit, seed: int) -> str:
    return hashlib.sha256(f"{seed} {unit.name}".encode()).hexdigest()


def _spread(units: Sequence[SplitUnit], wanted: Mapping[SplitName, float]) -> dict[str, SplitName]:
    """Deal the units out so that every stretch of them has its fractions, and no split stays empty."""
    share: dict[SplitName, float] = {"train": 1 - sum(wanted.values()), **wanted}
    dealt = dict.fromkeys(share, 0)
    chosen: dict[str, SplitName] = {}
    seen = 0
    for unit in units:
        seen += len(unit.images)
        split = max(share, key=lambda name: share[name] * seen - dealt[name])
        chosen[unit.name] = split
        dealt[split] += len(unit.images)
    for name in share:
        if not dealt[name]:
            chosen[_spare(chosen)] = name
    return chosen


def _spare(chosen: Mapping[str, SplitName]) -> str:
    """The last unit of the split that has most of them."""
    most, _ = Counter(chosen.values()).most_common(1)[0]
    return [name for name, split in chosen.items() if split == most][-1]
