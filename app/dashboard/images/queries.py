"""Images as the pages list them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.forms import Fields
from app.models import Image, Label, Pair, Split, Study
from app.stimuli.names import plain
from app.stimuli.tags import clean_tags

PAGE_SIZE: Final = 60


class ImageFilter(Fields):
    """The query of the list's address."""

    label: Label | Literal[""] = ""
    source: str = ""
    split: Split | Literal["", "none"] = ""
    """"none": those without one."""
    tag: str = Field("", max_length=100)
    name: str = Field("", max_length=200)
    """Part of the name at import, in any capitals, or the beginning of the content hash."""
    after: int = 0
    """Id of the last image seen."""


def list_images(session: Session, wanted: ImageFilter) -> Sequence[Image]:
    """By id; one more than a page, so that one knows whether there is a next one."""
    later = Image.id > wanted.after
    query = select(Image).where(later, *matching(wanted)).order_by(Image.id).limit(PAGE_SIZE + 1)
    return session.scalars(query).all()


def count_images(session: Session, wanted: ImageFilter) -> int:
    """How many a filter finds, on whatever page."""
    return session.scalar(select(func.count()).select_from(Image).where(*matching(wanted))) or 0


def matching(wanted: ImageFilter) -> Iterator[ColumnElement[bool]]:
    """What an image has that a filter finds."""
    if wanted.label:
        yield Image.label == wanted.label
    if wanted.source:
        yield Image.source == wanted.source
    if wanted.split:
        yield Image.split == (None if wanted.split == "none" else wanted.split)
    if wanted.tag:
        yield Image.tags.contains(clean_tags([wanted.tag]))
    if name := plain(wanted.name.strip()):
        part = Image.original_name.icontains(name, autoescape=True)
        yield part | Image.content_hash.startswith(name.lower(), autoescape=True)


def known_tags(session: Session) -> Sequence[str]:
    """Every tag that an image has."""
    one = func.jsonb_array_elements_text(Image.tags)
    return session.scalars(select(one).where(Image.tags != []).distinct().order_by(one)).all()


def any_images(session: Session) -> bool:
    return bool(session.scalar(select(select(Image.id).exists())))


def studies_showing(session: Session, image_id: int) -> Sequence[Any]:
    """Slug, title and number of pairs of each study that shows the image."""
    return session.execute(
        select(Study.slug, Study.title, func.count())
        .join(Pair, Pair.study_id == Study.id)
        .where(or_(Pair.real_image_id == image_id, Pair.fake_image_id == image_id))
        .group_by(Study.id)
        .order_by(Study.id)
    ).all()


def count_by_source(session: Session) -> list[tuple[Label, str, int]]:
    """Label, source and number of images, real ones first."""
    rows = session.execute(
        select(Image.label, Image.source, func.count())
        .group_by(Image.label, Image.source)
        .order_by(Image.label.desc(), Image.source)
    )
    return [(label, source, count) for label, source, count in rows]
