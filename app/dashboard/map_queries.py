"""Map sets and their maps, as the gallery lists them."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Float, Select, cast, func, literal, select, tuple_
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound
from app.models import Image, JobState, Label, MapSet, SaliencyMap

Sort = Literal["image", "annotators", "coverage", "focus", "agreement"]

PAGE_SIZE: Final = 24

# Each is read in ascending order. An image with one annotator has no agreement and comes last.
_KEYS: Final[dict[Sort, Any]] = {
    "image": cast(literal(0), Float),
    "annotators": cast(-SaliencyMap.annotators, Float),
    "coverage": -SaliencyMap.coverage,
    "focus": SaliencyMap.entropy,
    "agreement": -func.coalesce(SaliencyMap.agreement, -2.0),
}


class Filter(BaseModel):
    """What the address of a gallery says: which maps, in which order."""

    model_config = ConfigDict(frozen=True)

    version: int | None = Field(None, alias="set", ge=1, lt=2**31)
    """None: the newest map set that is built."""
    label: Label | Literal[""] = ""
    source: str = ""
    annotators: int = Field(1, ge=1, lt=2**31)
    sort: Sort = "image"
    after: str = ""
    """The place of the last map seen."""


def map_sets(session: Session, study_id: int) -> Sequence[MapSet]:
    """The newest first."""
    query = select(MapSet).where(MapSet.study_id == study_id).order_by(MapSet.version.desc())
    return session.scalars(query).all()


def chosen(sets: Sequence[MapSet], version: int | None) -> MapSet | None:
    """The version asked for, else the newest that is built; None when there is none."""
    if version is None:
        return next((one for one in sets if one.state is JobState.SUCCEEDED), None)
    for one in sets:
        if one.version == version:
            return one
    raise NotFound(f"This study has no map set {version}.")


def maps_of(session: Session, map_set: MapSet, wanted: Filter) -> Sequence[Any]:
    """One row (map, image, place) more than a page, so that one knows whether there is a next one."""
    key = _KEYS[wanted.sort]
    query = (
        select(SaliencyMap, Image, key.label("place"))
        .join(Image, Image.id == SaliencyMap.image_id)
        .where(SaliencyMap.map_set_id == map_set.id)
        .order_by(key, SaliencyMap.image_id)
        .limit(PAGE_SIZE + 1)
    )
    return session.execute(_narrowed(query, wanted, key)).all()


def _narrowed(
    query: Select[Any, Any, Any], wanted: Filter, key: ColumnElement[float]
) -> Select[Any, Any, Any]:
    if wanted.label:
        query = query.where(Image.label == wanted.label)
    if wanted.source:
        query = query.where(Image.source == wanted.source)
    if wanted.annotators > 1:
        query = query.where(SaliencyMap.annotators >= wanted.annotators)
    if wanted.after:
        query = query.where(tuple_(key, SaliencyMap.image_id) > tuple_(*_parsed(wanted.after)))
    return query


def _parsed(after: str) -> tuple[float, int]:
    value, _, image_id = after.partition("_")
    try:
        return float(value), int(image_id)
    except ValueError:
        raise BadInput("This page of the list does not exist; start again from its first page.") from None


def place(row: Any) -> str:
    """Where a map stands in the list; a float's shortest text reads back as the same float."""
    return f"{row.place!r}_{row.SaliencyMap.image_id}"


def sources_of(session: Session, map_set: MapSet) -> Sequence[Any]:
    """Label, source and number of maps."""
    return session.execute(
        select(Image.label, Image.source, func.count())
        .join(SaliencyMap, SaliencyMap.image_id == Image.id)
        .where(SaliencyMap.map_set_id == map_set.id)
        .group_by(Image.label, Image.source)
        .order_by(Image.label.desc(), Image.source)
    ).all()


def neighbours(session: Session, map_set: MapSet, image_id: int) -> tuple[int | None, int | None]:
    """The images before and after this one, by id."""
    mine = SaliencyMap.map_set_id == map_set.id
    before = select(func.max(SaliencyMap.image_id)).where(mine, SaliencyMap.image_id < image_id)
    after = select(func.min(SaliencyMap.image_id)).where(mine, SaliencyMap.image_id > image_id)
    return session.scalar(before), session.scalar(after)
