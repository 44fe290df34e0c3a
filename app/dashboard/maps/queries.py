"""Map sets and their maps, as the gallery lists them."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Float, Select, cast, func, literal, select, tuple_
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound
from app.forms import Fields
from app.maps.pictures import Colours
from app.maps.queries import painted
from app.models import Annotation, Arm, Image, JobState, Label, MapSet, Participant, QualityFlag, SaliencyMap

Sort = Literal[
    "image", "annotators", "coverage", "focus", "agreement", "disagreement", "accuracy", "inaccuracy"
]
Columns = Select[Any, Any, Any]

PAGE_SIZE: Final = 48

# Each is read in ascending order. What has no such number comes last.
_KEYS: Final[dict[Sort, Any]] = {
    "image": cast(literal(0), Float),
    "annotators": cast(-SaliencyMap.annotators, Float),
    "coverage": -SaliencyMap.coverage,
    "focus": SaliencyMap.entropy,
    "agreement": -func.coalesce(SaliencyMap.agreement, -2.0),
    "disagreement": func.coalesce(SaliencyMap.agreement, 2.0),
    "accuracy": -func.coalesce(SaliencyMap.accuracy, -1.0),
    "inaccuracy": func.coalesce(SaliencyMap.accuracy, 2.0),
}


Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Correlation = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**31)]


class Look(Fields):
    """What the address of every page about maps says: which map set, in which colours."""

    version: Count | None = Field(None, alias="set")
    """None: the newest map set that is built."""
    colours: Colours = "viridis"


class Filter(Look):
    """What the address of a gallery says besides: which maps, in which order."""

    label: Label | Literal[""] = ""
    source: str = ""
    annotators: Count | None = None
    annotators_to: Count | None = None
    accuracy: Percent | None = None
    accuracy_to: Percent | None = None
    agreement: Correlation | None = None
    agreement_to: Correlation | None = None
    sort: Sort = "image"
    after: str = ""
    """The place of the last map seen."""

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any(value not in (None, "") for value in self.model_dump(include=_NARROWING).values())

    @property
    def ranged(self) -> bool:
        """Whether it asks for more than label and source."""
        return any(getattr(self, name) is not None for name in _NARROWING - {"label", "source"})


_NARROWING: Final = {
    *("label", "source", "annotators", "annotators_to"),
    *("accuracy", "accuracy_to", "agreement", "agreement_to"),
}


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
    return session.execute(listed(map_set, wanted).limit(PAGE_SIZE + 1)).all()


def listed(map_set: MapSet, wanted: Filter) -> Columns:
    """Map, image and place of every map that the filter lets through, in its order."""
    key = _KEYS[wanted.sort]
    query = (
        select(SaliencyMap, Image, key.label("place"))
        .join(Image, Image.id == SaliencyMap.image_id)
        .where(SaliencyMap.map_set_id == map_set.id, *_conditions(wanted))
        .order_by(key, SaliencyMap.image_id)
    )
    if wanted.after:
        query = query.where(tuple_(key, SaliencyMap.image_id) > tuple_(*_parsed(wanted.after)))
    return query


def count_of(session: Session, map_set: MapSet, wanted: Filter) -> int:
    """How many maps the filter lets through."""
    query = select(func.count()).select_from(SaliencyMap).join(Image, Image.id == SaliencyMap.image_id)
    return session.scalar(query.where(SaliencyMap.map_set_id == map_set.id, *_conditions(wanted))) or 0


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    def share(percent: float | None) -> float | None:
        return None if percent is None else percent / 100

    conditions = [
        *_between(SaliencyMap.annotators, wanted.annotators, wanted.annotators_to),
        *_between(SaliencyMap.accuracy, share(wanted.accuracy), share(wanted.accuracy_to)),
        *_between(SaliencyMap.agreement, wanted.agreement, wanted.agreement_to),
    ]
    if wanted.label:
        conditions.append(Image.label == wanted.label)
    if wanted.source:
        conditions.append(Image.source == wanted.source)
    return conditions


def _between(column: Any, low: float | None, high: float | None) -> list[ColumnElement[bool]]:
    bounds = [column >= low if low is not None else None, column <= high if high is not None else None]
    return [bound for bound in bounds if bound is not None]


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


def arms_of(session: Session, study_id: int) -> Sequence[str]:
    """Names of the arms that paint."""
    query = select(Arm.name).where(Arm.study_id == study_id, Arm.annotate).order_by(Arm.id)
    return session.scalars(query).all()


def is_painted(session: Session, study_id: int) -> bool:
    """Whether there is an annotation that counts, so that maps can be built."""
    counting = painted(select(Annotation.id), study_id)
    return bool(session.scalar(select(counting.exists())))


def flags_of(session: Session, study_id: int) -> Sequence[str]:
    """Kinds of the quality flags that were raised in a study."""
    query = select(QualityFlag.kind).join(Participant, Participant.id == QualityFlag.participant_id)
    return session.scalars(
        query.where(Participant.study_id == study_id).distinct().order_by(QualityFlag.kind)
    ).all()
