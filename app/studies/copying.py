"""Drafts like a study that there is."""

from itertools import count
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Study
from app.studies.schemas import StudySpec, stored_spec
from app.studies.service import create_study
from app.studies.toml import description_of

LONGEST: Final = 60  # characters of a slug


def copy_of(session: Session, study: Study, *, slug: str, title: str | None = None) -> StudySpec:
    """The description of a study under another name. BadStudy when today's rules refuse it."""
    renamed = {"slug": slug} | ({"title": title} if title else {})
    return stored_spec(description_of(session, study) | renamed)


def copy_study(
    session: Session, study: Study, *, slug: str, title: str | None = None, staff_id: int | None = None
) -> Study:
    """A draft like `study`, which may be in any state."""
    return create_study(session, copy_of(session, study, slug=slug, title=title), staff_id=staff_id)


def free_slug(session: Session, slug: str) -> str:
    """`slug` with the first number behind it that makes a name no study has: faces-2, faces-3, …"""
    taken = set(session.scalars(select(Study.slug)))
    names = (f"{slug[: LONGEST - len(end)].rstrip('-')}{end}" for end in (f"-{n}" for n in count(2)))
    return next(name for name in names if name not in taken)
