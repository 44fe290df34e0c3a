"""Which images of the database a study shows, and as what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Image, Label, Split, TrialKind
from app.stimuli.known import Known
from app.studies.listing import NamedImages
from app.studies.pairing import Matched, PairingFace, random_pairs
from app.studies.parts import ChecksSpec, ListedPair, PairsSpec, RegionSpec
from app.studies.schemas import StudySpec
from saliency.masks.work import MAX_WORK, work

MAX_REGION_WORK: Final = MAX_WORK // 4
"""Of the outline of a region: it is worked out again with each decision on its check."""


@dataclass(frozen=True, slots=True)
class CheckedRegion:
    """A region check and the image that it is about."""

    image: Known
    spec: RegionSpec


@dataclass(frozen=True, slots=True)
class StudyImages:
    """What a study shows. An image of practice or of a check is in no main pair: who saw it knows it."""

    pairs: dict[TrialKind, list[Matched]]
    regions: list[CheckedRegion]

    def images(self) -> set[int]:
        """Of every pair, whatever its kind."""
        return {image for pairs in self.pairs.values() for image in images_of(pairs)}


def images_of(pairs: Sequence[Matched]) -> set[int]:
    return {image for pair in pairs for image in pair}


def choose_material(session: Session, spec: StudySpec, listing: NamedImages) -> StudyImages:
    """The pairs and regions that a description asks for, from the images there are."""
    checks = listing.pairs(_listed_checks(spec.checks), part="checks.pairs")
    regions = list(_regions(spec.checks, listing))
    practised = spec.practice.listed if spec.practice else None
    practice = listing.pairs(practised or (), part="practice.listed")
    main = listing.pairs(spec.pairs.listed or (), part="pairs.listed")
    taken = images_of([*checks, *practice, *main]) | {region.image.id for region in regions}
    if spec.practice and spec.practice.count:
        practice = _random_practice(session, spec, apart_from=taken)
        taken |= images_of(practice)
    if spec.pairs.per_source:
        try:
            main = _random_pairs(session, spec.pairs, per_source=spec.pairs.per_source, apart_from=taken)
        except BadStudy as error:
            raise BadStudy(f"pairs: {error}") from None
    material = StudyImages(
        {TrialKind.MAIN: main, TrialKind.PRACTICE: practice, TrialKind.CHECK: checks}, regions
    )
    _refuse_shared_images(session, material)
    return material


def _listed_checks(checks: ChecksSpec | None) -> list[ListedPair]:
    return [ListedPair(real=pair.real, fake=pair.fake) for pair in (checks.pairs if checks else ())]


def _regions(checks: ChecksSpec | None, listing: NamedImages) -> Iterator[CheckedRegion]:
    for number, spec in enumerate(checks.regions if checks else ()):
        where = f"checks.regions.{number}"
        image = listing.image(spec.image, where=where)
        if not all(0 <= x <= image.width and 0 <= y <= image.height for x, y in spec.region):
            raise BadStudy(
                f"{where}.region: a corner lies outside of {spec.image}, "
                f"which has {image.width}×{image.height} pixels."
            )
        if _work(spec, image) > MAX_REGION_WORK:
            raise BadStudy(
                f"{where}.region: the outline crosses itself too often; draw it once around the place."
            )
        yield CheckedRegion(image, spec)


def _work(spec: RegionSpec, image: Known) -> float:
    return work([], [np.array(spec.region, dtype=np.float64)], width=image.width)


def _refuse_shared_images(session: Session, material: StudyImages) -> None:
    shown = {f"{kind} pairs": images_of(pairs) for kind, pairs in material.pairs.items()}
    shown["region checks"] = {region.image.id for region in material.regions}
    for (one, images), (other, others) in combinations(shown.items(), 2):
        if shared := images & others:
            name = session.get_one(Image, min(shared)).original_name
            raise BadStudy(f"{name} is in the {one} and in the {other}; whoever saw it once knows it.")


def _random_practice(session: Session, spec: StudySpec, *, apart_from: set[int]) -> list[Matched]:
    """As many pairs as practice wants, of every source in turn."""
    count = spec.practice.count if spec.practice and spec.practice.count else 0
    fake = _candidates(session, Label.FAKE, spec.pairs.sources, apart_from=apart_from)
    sources = len({image.source for image in fake})
    each = -(-count // sources)
    try:
        pairs = _random_pairs(session, spec.pairs, per_source=each, apart_from=apart_from)
    except BadStudy as error:
        raise BadStudy(f"practice: {error}") from None
    # Source after source as they come; in turn, so that a few pairs are not all of one source.
    in_turn = [pairs[source * each + lap] for lap in range(each) for source in range(sources)]
    return in_turn[:count]


def _random_pairs(
    session: Session, wanted: PairsSpec, *, per_source: int, apart_from: set[int]
) -> list[Matched]:
    real = _candidates(session, Label.REAL, wanted.real_sources, apart_from=apart_from)
    fake = _candidates(session, Label.FAKE, wanted.sources, apart_from=apart_from)
    return random_pairs(real, fake, per_source=per_source, seed=wanted.seed)


def _candidates(
    session: Session, label: Label, sources: Sequence[str] | None, *, apart_from: set[int]
) -> list[PairingFace]:
    """Images that people may see: those of val and test stay unseen until the detectors are tested."""
    columns = (Image.id, Image.content_hash, Image.source, Image.width, Image.height, Image.generated)
    shown = Image.split.is_(None) | (Image.split == Split.TRAIN)
    rows = session.execute(select(*columns).where(Image.label == label, shown))
    images = _of_sources([PairingFace(*row) for row in rows], sources, label=label)
    if sources is None and label is Label.FAKE:
        images = _photographic(images)
    left = [image for image in images if image.id not in apart_from]
    if not left:
        raise BadStudy(f"Every {label} image is in practice or in a check; none is left for the main pairs.")
    return left


def _of_sources(
    images: list[PairingFace], sources: Sequence[str] | None, *, label: Label
) -> list[PairingFace]:
    """Those of `sources`; all of them when none are named."""
    if not images:
        raise BadStudy(f"There is no {label} image to pair; `cyborg images import` brings some in.")
    if sources is None:
        return images
    known = {image.source for image in images}
    if missing := [source for source in sources if source not in known]:
        raise BadStudy(f"There is no {label} source {missing[0]!r}; there are {', '.join(sorted(known))}.")
    return [image for image in images if image.source in sources]


def _photographic(images: list[PairingFace]) -> list[PairingFace]:
    """All but the faces drawn by code; those only when there are no others."""
    return [image for image in images if not image.generated] or images
