"""Which real face is shown beside which fake one. Pure: the same images and seed, the same pairs."""

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.errors import BadStudy

IMPORT_AGAIN: Final = "import them again with `cyborg images import … --size {size}`"


@dataclass(frozen=True, slots=True)
class PairingFace:
    """An image that may be shown. Its content hash gives it a place in the order on every machine."""

    id: int
    content_hash: str
    source: str
    width: int
    height: int
    generated: bool = False

    @property
    def kind(self) -> tuple[int, int, bool]:
        """Only images of one kind are paired: equal in size, and both of people or both drawn by code."""
        return self.width, self.height, self.generated


Matched = tuple[int, int]
"""(id of the real image, id of the fake image)."""

Queues = Mapping[tuple[int, int, bool], deque[PairingFace]]


def random_pairs(
    real: Sequence[PairingFace], fake: Sequence[PairingFace], *, per_source: int, seed: int
) -> list[Matched]:
    """`per_source` different pairs for each source of `fake`, every image used as evenly as possible.

    Within a source no fake is used twice before all were used once, and over the whole study no
    real one either, as far as sizes allow. BadStudy when a source cannot give that many pairs.
    """
    rng = np.random.default_rng(seed)
    queues = {kind: deque(_shuffled(group, rng)) for kind, group in _by_kind(real).items()}
    pairs: list[Matched] = []
    for source in sorted({image.source for image in fake}):
        of_source = [image for image in fake if image.source == source]
        _check_possible(of_source, queues, per_source=per_source)
        laps = _laps(of_source, queues, rng)
        pairs += [next(laps) for _ in range(per_source)]
    return pairs


def _shuffled(images: Sequence[PairingFace], rng: np.random.Generator) -> list[PairingFace]:
    ordered = sorted(images, key=lambda image: image.content_hash)
    return [ordered[index] for index in rng.permutation(len(ordered))]


def _by_kind(images: Sequence[PairingFace]) -> dict[tuple[int, int, bool], list[PairingFace]]:
    groups = defaultdict(list)
    for image in images:
        groups[image.kind].append(image)
    return groups


def _check_possible(fake: Sequence[PairingFace], queues: Queues, *, per_source: int) -> None:
    possible = sum(len(queues.get(image.kind, ())) for image in fake)
    source = fake[0].source
    if not possible:
        raise BadStudy(_nothing_fits(fake, [image for queue in queues.values() for image in queue]))
    if possible < per_source:
        raise BadStudy(
            f"{source} has {len(fake)} fake images, which make {possible} pairs with real ones "
            f"of their size; {per_source} are wanted."
        )


def _nothing_fits(fake: Sequence[PairingFace], real: Sequence[PairingFace]) -> str:
    alike = [image for image in real if image.generated in {other.generated for other in fake}]
    if not alike:
        return f"{fake[0].source}: faces drawn by code are paired among themselves only."
    side = min(min(image.width, image.height) for image in (*fake, *alike))
    return (
        f"No fake image of {fake[0].source} has the size of a real one: fake are {_sizes(fake)}, "
        f"real are {_sizes(alike)} pixels; {IMPORT_AGAIN.format(size=side)}."
    )


def _sizes(images: Sequence[PairingFace]) -> str:
    sizes = sorted({(image.width, image.height) for image in images})
    shown = ", ".join(f"{width}×{height}" for width, height in sizes[:3])
    return f"{shown}, …" if len(sizes) > 3 else shown


def _laps(fake: Sequence[PairingFace], queues: Queues, rng: np.random.Generator) -> Iterator[Matched]:
    """Every possible pair once, lap after lap over the fakes."""
    order = _shuffled(fake, rng)
    designs = {
        kind: _design([image for image in order if image.kind == kind], queues.get(kind, deque()))
        for kind in {image.kind for image in order}
    }
    while True:
        for image in order:
            if pair := next(designs[image.kind], None):
                yield pair


def _design(fake: Sequence[PairingFace], queue: deque[PairingFace]) -> Iterator[Matched]:
    """Every pair of two lists once, each list gone round in turn, so that both are used evenly.

    Going round two lists in step meets each pair once until both are at their start again, after their
    least common multiple; one step aside, the next such stretch meets pairs that are all new. The queue
    is left turned to the image that is next.
    """
    stretch = math.lcm(len(fake), len(queue)) if queue else 1
    for step in range(len(fake) * len(queue)):
        if step and step % stretch == 0:
            queue.rotate(-1)
        partner = queue[0]
        queue.rotate(-1)
        yield partner.id, fake[step % len(fake)].id
