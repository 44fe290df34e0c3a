"""Which images of the database a study may pair."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Image, Label, Split
from app.studies.listing import listed_pairs
from app.studies.pairing import Candidate, Matched, random_pairs
from app.studies.schemas import PairsSpec


def choose_pairs(session: Session, wanted: PairsSpec) -> list[Matched]:
    """The pairs that a description asks for, from the images there are."""
    if wanted.listed is not None:
        return listed_pairs(session, wanted.listed)
    if wanted.per_source is None:
        raise BadStudy('pairs: say either per_source = N or file = "pairs.csv".')
    real = _of_sources(_candidates(session, Label.REAL), wanted.real_sources, label=Label.REAL)
    fake = _of_sources(_candidates(session, Label.FAKE), wanted.sources, label=Label.FAKE)
    if wanted.sources is None:
        fake = _photographic(fake)
    return random_pairs(real, fake, per_source=wanted.per_source, seed=wanted.seed)


def _candidates(session: Session, label: Label) -> list[Candidate]:
    """Images that people may see: those of val and test stay unseen until the detectors are tested."""
    columns = (Image.id, Image.content_hash, Image.source, Image.width, Image.height, Image.generated)
    shown = Image.split.is_(None) | (Image.split == Split.TRAIN)
    return [Candidate(*row) for row in session.execute(select(*columns).where(Image.label == label, shown))]


def _of_sources(images: list[Candidate], sources: Sequence[str] | None, *, label: Label) -> list[Candidate]:
    """Those of `sources`; all of them when none are named."""
    if not images:
        raise BadStudy(f"There is no {label} image to pair; `cyborg images import` brings some in.")
    if sources is None:
        return images
    known = {image.source for image in images}
    if missing := [source for source in sources if source not in known]:
        raise BadStudy(f"There is no {label} source {missing[0]!r}; there are {', '.join(sorted(known))}.")
    return [image for image in images if image.source in sources]


def _photographic(images: list[Candidate]) -> list[Candidate]:
    """All but the faces drawn by code; those only when there are no others."""
    return [image for image in images if not image.generated] or images
