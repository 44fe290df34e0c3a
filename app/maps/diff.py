"""What changed between two map sets of a study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.db import AnySelect, streamed
from app.models import Image, Label, MapSet, SaliencyMap
from saliency.maps.metrics import correlation
from saliency.parameters import MapParameters

ChangeKind = Literal["changed", "added", "removed"]
CHANGE_KINDS: Final[tuple[ChangeKind, ...]] = ("changed", "added", "removed")


@dataclass(frozen=True, slots=True)
class Change:
    """An image whose map is not the same in both sets.

    correlation : Pearson's, of both maps averaged onto 32 x 32 cells; None where one of them is missing,
        or is older than such sketches
    annotators : before and after; 0 without a map
    """

    image_id: int
    label: Label
    source: str
    kind: ChangeKind
    correlation: float | None
    annotators: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one map set to another.

    parameters : each that differs, before and after
    changes : the most changed first, then added and removed images, by id
    same : number of images with the same map in both
    """

    parameters: Mapping[str, tuple[Any, Any]]
    changes: tuple[Change, ...]
    same: int

    def of_kind(self, kind: ChangeKind) -> list[Change]:
        return [change for change in self.changes if change.kind == kind]


def compare_sets(session: Session, old: MapSet, new: MapSet) -> Difference:
    """Find what changed, by the sketches in the rows; no blob is read."""
    changes = sorted(_changes(session, old, new), key=_sort_key)
    return Difference(changed_parameters(old, new), tuple(changes), _same(session, old, new))


def changed_parameters(old: MapSet, new: MapSet) -> dict[str, tuple[Any, Any]]:
    """Parameters that differ; one that is newer than a set has the default that the set was built with."""
    before, after = (MapParameters.from_dict(map_set.parameters).to_dict() for map_set in (old, new))
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def _sort_key(change: Change) -> tuple[int, float, int]:
    lowest = -2.0 if change.correlation is None else change.correlation
    return CHANGE_KINDS.index(change.kind), lowest, change.image_id


def _changes(session: Session, old: MapSet, new: MapSet) -> Iterator[Change]:
    for row in streamed(session, _both(old, new)):
        kind: ChangeKind = (
            "added" if row.old_hash is None else "removed" if row.new_hash is None else "changed"
        )
        yield Change(
            image_id=row.id,
            label=row.label,
            source=row.source,
            kind=kind,
            correlation=_correlation(row.old_sketch, row.new_sketch),
            annotators=(row.old_annotators or 0, row.new_annotators or 0),
        )


def _correlation(before: bytes | None, after: bytes | None) -> float | None:
    if before is None or after is None:
        return None
    first, second = (np.frombuffer(sketch, np.uint8).astype(np.float32) for sketch in (before, after))
    return correlation(first, second)


def _both(old: MapSet, new: MapSet) -> AnySelect:
    """Images whose maps differ, with columns of both; those of a missing map are NULL."""
    sides = [
        select(SaliencyMap.image_id, SaliencyMap.blob_hash, SaliencyMap.sketch, SaliencyMap.annotators)
        .where(SaliencyMap.map_set_id == map_set.id)
        .subquery()
        for map_set in (old, new)
    ]
    before, after = (side.c for side in sides)
    return (
        select(
            Image.id,
            Image.label,
            Image.source,
            before.blob_hash.label("old_hash"),
            after.blob_hash.label("new_hash"),
            before.sketch.label("old_sketch"),
            after.sketch.label("new_sketch"),
            before.annotators.label("old_annotators"),
            after.annotators.label("new_annotators"),
        )
        .select_from(sides[0])
        .join(sides[1], before.image_id == after.image_id, full=True)
        .join(Image, Image.id == func.coalesce(before.image_id, after.image_id))
        .where(before.blob_hash.is_distinct_from(after.blob_hash))
    )


def _same(session: Session, old: MapSet, new: MapSet) -> int:
    first, second = aliased(SaliencyMap), aliased(SaliencyMap)
    pairs = select(func.count()).select_from(first).join(second, second.image_id == first.image_id)
    pairs = pairs.where(
        first.map_set_id == old.id, second.map_set_id == new.id, first.blob_hash == second.blob_hash
    )
    return session.scalar(pairs) or 0
