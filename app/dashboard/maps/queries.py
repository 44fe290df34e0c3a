"""Map sets and their maps, as the gallery lists them."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Float, Select, cast, func, literal, select, tuple_
from sqlalchemy.orm import Session

from app.db import AnySelect
from app.errors import BadInput, NotFound
from app.forms import Fields
from app.maps.pictures import Colours
from app.maps.queries import painted
from app.models import (
    UNFINISHED,
    Annotation,
    Arm,
    Image,
    JobState,
    Label,
    MapSet,
    Participant,
    QualityFlag,
    Question,
    SaliencyMap,
    Study,
)
from saliency.parameters import ANY_FLAG

Sort = Literal[
    "image", "annotators", "coverage", "focus", "agreement", "disagreement", "accuracy", "inaccuracy"
]

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
PositiveInteger = Annotated[int, Field(ge=1, lt=2**31)]


class MapView(Fields):
    """The query that every page about maps has in its address: which map set, in which colours."""

    version: PositiveInteger | None = Field(None, alias="set")
    """None: the newest map set that is built."""
    colours: Colours = "viridis"


class MapFilter(MapView):
    """The query of a gallery's address: which maps besides, in which order."""

    label: Label | Literal[""] = ""
    source: str = ""
    annotators: PositiveInteger | None = None
    annotators_to: PositiveInteger | None = None
    accuracy: Percent | None = None
    accuracy_to: Percent | None = None
    agreement: Correlation | None = None
    agreement_to: Correlation | None = None
    sort: Sort = "image"
    after: str = ""
    """The `position` of the last map seen."""

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


def map_sets(session: Session, study: Study) -> Sequence[MapSet]:
    """The newest first."""
    query = select(MapSet).where(MapSet.study_id == study.id).order_by(MapSet.version.desc())
    return session.scalars(query).all()


def built_map_sets(session: Session, study: Study) -> list[MapSet]:
    """Those that have maps, the newest first."""
    return [map_set for map_set in map_sets(session, study) if map_set.state is JobState.SUCCEEDED]


def any_map_sets(session: Session) -> bool:
    return bool(session.scalar(select(select(MapSet.id).exists())))


def unfinished_builds(session: Session) -> Sequence[Any]:
    """Map set, slug and title of its study; the newest first, at most ten."""
    return session.execute(
        select(MapSet, Study.slug, Study.title)
        .join(Study, Study.id == MapSet.study_id)
        .where(MapSet.state.in_(UNFINISHED))
        .order_by(MapSet.id.desc())
        .limit(10)
    ).all()


def chosen(sets: Sequence[MapSet], version: int | None) -> MapSet | None:
    """The version asked for, else the newest that is built; None when there is none."""
    if version is None:
        return next((map_set for map_set in sets if map_set.state is JobState.SUCCEEDED), None)
    for map_set in sets:
        if map_set.version == version:
            return map_set
    raise NotFound(f"This study has no map set {version}.")


def maps_of(session: Session, map_set: MapSet, wanted: MapFilter) -> Sequence[Any]:
    """Rows of map, image and sort key; one more than a page, to know whether there is a next one."""
    return session.execute(_listed(map_set, wanted).limit(PAGE_SIZE + 1)).all()


def _listed(map_set: MapSet, wanted: MapFilter) -> Select[Any, Any, Any]:
    """Map, image and sort key of every map that passes the filter, in its order."""
    key = _KEYS[wanted.sort]
    query = (
        select(SaliencyMap, Image, key.label("key"))
        .join(Image, Image.id == SaliencyMap.image_id)
        .where(SaliencyMap.map_set_id == map_set.id, *_conditions(wanted))
        .order_by(key, SaliencyMap.image_id)
    )
    if wanted.after:
        query = query.where(tuple_(key, SaliencyMap.image_id) > tuple_(*_parsed(wanted.after)))
    return query


def count_of(session: Session, map_set: MapSet, wanted: MapFilter) -> int:
    """How many maps pass the filter."""
    query = select(func.count()).select_from(SaliencyMap).join(Image, Image.id == SaliencyMap.image_id)
    return session.scalar(query.where(SaliencyMap.map_set_id == map_set.id, *_conditions(wanted))) or 0


def _conditions(wanted: MapFilter) -> list[ColumnElement[bool]]:
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


def position(row: Any) -> str:
    """Where a map stands in the list; a float's shortest text reads back as the same float."""
    return f"{row.key!r}_{row.SaliencyMap.image_id}"


def sources_of(session: Session, map_set: MapSet) -> Sequence[Any]:
    """Label, source and number of maps."""
    return session.execute(
        select(Image.label, Image.source, func.count())
        .join(SaliencyMap, SaliencyMap.image_id == Image.id)
        .where(SaliencyMap.map_set_id == map_set.id)
        .group_by(Image.label, Image.source)
        .order_by(Image.label.desc(), Image.source)
    ).all()


def measures_of(map_set: MapSet, wanted: MapFilter) -> AnySelect:
    """Image, label, source, width, height, annotators, coverage, entropy, agreement and accuracy of every
    map that passes the filter."""
    columns = (
        *(SaliencyMap.image_id, Image.label, Image.source, Image.width, Image.height),
        *(SaliencyMap.annotators, SaliencyMap.coverage, SaliencyMap.entropy, SaliencyMap.agreement),
        SaliencyMap.accuracy,
    )
    return _whole_list(map_set, wanted).with_only_columns(*columns)


def blobs_of(session: Session, map_set: MapSet, wanted: MapFilter) -> Iterator[tuple[int, str]]:
    """Image and blob of every map that passes the filter."""
    query = _whole_list(map_set, wanted).with_only_columns(SaliencyMap.image_id, SaliencyMap.blob_hash)
    return ((row.image_id, row.blob_hash) for row in session.execute(query))


def _whole_list(map_set: MapSet, wanted: MapFilter) -> Select[Any, Any, Any]:
    return _listed(map_set, wanted.model_copy(update={"after": ""}))


def map_of(session: Session, map_set: MapSet, image: Image) -> SaliencyMap | None:
    """None when too few participants painted on the image."""
    return session.get(SaliencyMap, (map_set.id, image.id))


def neighbours(session: Session, map_set: MapSet, image_id: int) -> tuple[int | None, int | None]:
    """The images before and after this one, by id."""
    of_this_set = SaliencyMap.map_set_id == map_set.id
    before = select(func.max(SaliencyMap.image_id)).where(of_this_set, SaliencyMap.image_id < image_id)
    after = select(func.min(SaliencyMap.image_id)).where(of_this_set, SaliencyMap.image_id > image_id)
    return session.scalar(before), session.scalar(after)


def names_to_choose(session: Session, study: Study) -> dict[str, Sequence[str]]:
    """What the form of a build offers, by parameter; arms only where there are several."""
    arms = _painting_arms(session, study)
    return {
        "arms": arms if len(arms) > 1 else [],
        "questions": list(Question),
        "without_flags": [ANY_FLAG, *_flag_kinds(session, study)],
    }


def _painting_arms(session: Session, study: Study) -> Sequence[str]:
    """Names of the arms that ask for annotation."""
    query = select(Arm.name).where(Arm.study_id == study.id, Arm.annotate).order_by(Arm.id)
    return session.scalars(query).all()


def is_painted(session: Session, study: Study) -> bool:
    """Whether there is an annotation that counts, so that maps can be built."""
    counting = painted(select(Annotation.id), study.id)
    return bool(session.scalar(select(counting.exists())))


def _flag_kinds(session: Session, study: Study) -> Sequence[str]:
    """Kinds of the quality flags that were raised in a study."""
    query = select(QualityFlag.kind).join(Participant, Participant.id == QualityFlag.participant_id)
    return session.scalars(
        query.where(Participant.study_id == study.id).distinct().order_by(QualityFlag.kind)
    ).all()
