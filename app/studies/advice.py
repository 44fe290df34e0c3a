"""What a model says of faces, and what a participant is shown of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Advice, Arm, Image, ImageAdvice, Study
from app.stimuli.heat import heat_map
from app.stimuli.known import Known
from app.storage import BlobStore
from app.studies.listing import NamedImages
from app.studies.parts import AdviceLine, AdviceSpec
from app.studies.schemas import StudySpec


@dataclass(frozen=True, slots=True)
class ModelAdvice:
    """What the model says of one image."""

    score: float
    map_hash: str | None


AdviceRows = dict[int, dict[str, Any]]
"""What the table keeps, by id of the image, in the order of the description's lines."""


def read_advice(
    session: Session, spec: StudySpec, *, listing: NamedImages, shown: set[int], blobs: BlobStore | None
) -> AdviceRows:
    """What the description's model says; BadStudy unless it says something of every image `shown`."""
    if spec.advice is None:
        return {}
    needs_maps = any(arm.advice in (Advice.SALIENCY, Advice.BOTH) for arm in spec.arms)
    rows: AdviceRows = {}
    for number, line in enumerate(spec.advice.listed):
        where = line.where or f"advice.listed.{number}"
        image = listing.image(line.image, where=where)
        if image.id in rows:
            raise BadStudy(f"{where}: {line.image} was listed before.")
        rows[image.id] = {"score": line.score, **_map_of(session, line, image, where=where, blobs=blobs)}
    for shown_image in sorted(shown):
        _check_covered(session, shown_image, rows.get(shown_image), needs_maps=needs_maps)
    return rows


def _map_of(
    session: Session, line: AdviceLine, image: Known, *, where: str, blobs: BlobStore | None
) -> dict[str, Any]:
    """The map of a line: made of its file, or one that is kept of the same image already."""
    if line.map is None:
        return {"map_hash": None, "map_bytes": None}
    if name := line.kept_map:
        kept = (ImageAdvice.image_id == image.id) & (ImageAdvice.map_hash == name)
        length = session.scalar(select(ImageAdvice.map_bytes).where(kept).limit(1))
        if length is None:
            raise BadStudy(f"{where}: the map {name[:12]}… of {line.image} is not kept here.")
        return {"map_hash": name, "map_bytes": length}
    if blobs is None:
        raise BadStudy(f"{where}: maps are read by `cyborg study create`, from beside the file.")
    data = heat_map(line.map, size=(image.width, image.height), where=where)
    return {"map_hash": blobs.put(data), "map_bytes": len(data)}


def add_advice(session: Session, study: Study, rows: AdviceRows) -> None:
    if rows:
        session.execute(
            insert(ImageAdvice), [{"study_id": study.id, "image_id": id_, **row} for id_, row in rows.items()]
        )


def with_kept_maps(spec: StudySpec, rows: AdviceRows) -> StudySpec:
    """The description as it is stored: each map by the name that it is kept under, not as a file."""
    if spec.advice is None:
        return spec
    kept = zip(spec.advice.listed, rows.values(), strict=True)
    lines = tuple(
        line.model_copy(update={"map": Path(row["map_hash"]) if row["map_hash"] else None})
        for line, row in kept
    )
    return spec.model_copy(update={"advice": AdviceSpec(listed=lines)})


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
