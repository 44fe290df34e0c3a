"""Pilots: a study tried out before it opens (docs/decisions/0023).

A pilot is a study of its own, with the pairs, the texts and the rules that its draft has at that moment. What
it collects is therefore in no count, place, map, dataset, analysis or export of the study: all of those read
one study.
"""

from collections.abc import Collection, Sequence
from itertools import count
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadInput
from app.models import Study
from app.studies import service
from app.studies.copying import LONGEST, copy_of

MOST_JUDGEMENTS: Final = 10_000


def start_pilot(session: Session, study: Study, *, judgements: int = 1, staff_id: int | None = None) -> Study:
    """An open pilot of a draft, which stays a draft and can still be edited.

    judgements : wanted in the pilot for each pair and question in each arm
    `WrongState`: the study was opened; `BadStudy`: the draft cannot be carried out
    """
    from app.studies.building import build_like

    if not 1 <= judgements <= MOST_JUDGEMENTS:
        raise BadInput(f"judgements: must be from 1 to {MOST_JUDGEMENTS}.")
    service.lock_draft(session, study, "piloted")
    spec = copy_of(session, study, slug=_free_slug(session, study.slug))
    pilot = service.add_row(
        session,
        spec.model_copy(update={"judgements": judgements}),
        pilot_of=study.slug,
        created_by=staff_id,
    )
    build_like(session, pilot, study)
    return service.open_study(session, pilot, staff_id=staff_id)


def _free_slug(session: Session, slug: str) -> str:
    """faces-pilot, faces-pilot-2, …: whoever reads the name knows what it is."""
    taken = set(session.scalars(select(Study.slug)))
    ends = ("-pilot" if number == 1 else f"-pilot-{number}" for number in count(1))
    names = (f"{slug[: LONGEST - len(end)].rstrip('-')}{end}" for end in ends)
    return next(name for name in names if name not in taken)


def pilots_of(session: Session, slugs: Collection[str]) -> dict[str, Sequence[Study]]:
    """The pilots of each study that has any, the first one first."""
    found: dict[str, list[Study]] = {}
    for pilot in session.scalars(select(Study).where(Study.pilot_of.in_(slugs)).order_by(Study.id)):
        found.setdefault(pilot.pilot_of or "", []).append(pilot)
    return dict(found)
