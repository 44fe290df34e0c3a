"""What a model says of faces, and what a participant is shown of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Advice, Arm, Image, ImageAdvice, Study
from app.stimuli.heat import heat_map
from app.storage import BlobStore
from app.studies.listing import NamedImages
from app.studies.parts import AdviceLine
from app.studies.schemas import StudySpec


@dataclass(frozen=True, slots=True)
class ModelAdvice:
    """What the model says of one image."""

    score: float
    map_hash: str | None


def add_advice(
    session: Session,
    study: Study,
    spec: StudySpec,
    *,
    listing: NamedImages,
    shown: set[int],
    blobs: BlobStore | None,
) -> None:
    """Keep what the description's model says; BadStudy unless it says something of every image `shown`."""
    if spec.advice is None:
        return
    needs_maps = any(arm.advice in (Advice.SALIENCY, Advice.BOTH) for arm in spec.arms)
    rows = _rows(spec.advice.listed, listing, blobs=blobs)
    for image in sorted(shown):
        _check_covered(session, image, rows.get(image), needs_maps=needs_maps)
    session.execute(
        insert(ImageAdvice), [{"study_id": study.id, "image_id": image, **row} for image, row in rows.items()]
    )


def _rows(
    lines: Sequence[AdviceLine], listing: NamedImages, *, blobs: BlobStore | None
) -> dict[int, dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for line in lines:
        image = listing.image(line.image, where=line.where)
        if image.id in rows:
            raise BadStudy(f"{line.where}: {line.image} was listed before.")
        rows[image.id] = {"score": line.score, "map_hash": None, "map_bytes": None}
        if line.map is not None:
            if blobs is None:
                raise BadStudy(f"{line.where}: maps are read by `cyborg study create`, from beside the file.")
            data = heat_map(line.map, size=(image.width, image.height), where=line.where)
            rows[image.id] |= {"map_hash": blobs.put(data), "map_bytes": len(data)}
    return rows


def _check_covered(
    session: Session, image_id: int, row: Mapping[str, Any] | None, *, needs_maps: bool
) -> None:
    """Advice on some pairs only would tell them from the others."""
    lacks = "score" if row is None else "map" if needs_maps and row["map_hash"] is None else None
    if lacks:
        name = session.get_one(Image, image_id).original_name
        raise BadStudy(f"advice: there is no {lacks} for {name}, which the study shows.")


def said_of_images(session: Session, arm: Arm) -> dict[int, ModelAdvice]:
    """What the model says of each image, for an arm that shows it; empty for the others."""
    if arm.advice is Advice.NONE:
        return {}
    columns = select(ImageAdvice.image_id, ImageAdvice.score, ImageAdvice.map_hash)
    rows = session.execute(columns.where(ImageAdvice.study_id == arm.study_id))
    return {image: ModelAdvice(score, map_hash) for image, score, map_hash in rows}


def advise(advice: Advice, left: ModelAdvice, right: ModelAdvice) -> dict[str, Any]:
    """What a participant is shown of it, as the trial records it.

    Knowing that exactly one face is fake, the left one is it with probability l(1-r) / (l(1-r) + r(1-l)),
    l and r being the scores. `decision` is the side with more than half, `confidence` its probability;
    a model that cannot tell the two apart has no decision and is half confident.
    """
    shown: dict[str, Any] = {"decision": None, "confidence": None, "left_map": None, "right_map": None}
    if advice in (Advice.DECISION, Advice.BOTH):
        on_left, on_right = left.score * (1 - right.score), right.score * (1 - left.score)
        either = on_left + on_right
        is_left = on_left / either if either else 0.5
        shown["confidence"] = round(max(is_left, 1 - is_left), 4)
        if on_left != on_right:
            shown["decision"] = "left" if on_left > on_right else "right"
    if advice in (Advice.SALIENCY, Advice.BOTH):
        shown |= {"left_map": left.map_hash, "right_map": right.map_hash}
    return shown
