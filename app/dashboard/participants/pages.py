"""Who took part in a study: random ids, never worker ids. Nobody is left out."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Row, Select, case, func, select, tuple_
from sqlalchemy.orm import Session

from app.dashboard.paging import cut
from app.dashboard.statistics import Proportion
from app.deps import CurrentStaff, Db, Editor
from app.errors import AppError, BadInput
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import Arm, Decision, Participant, ParticipantState, QualityFlag, Source, Trial, TrialKind
from app.quality.service import SENTENCES
from app.recruitment.service import find_by_id
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/participants", include_in_schema=False)

PAGE_SIZE: Final = 50


class Filter(Fields):
    """What the address of the list says."""

    arm: str = ""
    state: ParticipantState | Literal[""] = ""
    source: Source | Literal[""] = ""
    flag: str = ""
    """A kind of quality flag, or "any"."""
    code: str = ""
    """A completion code: what participants have in hand when they write."""
    after: str = ""


@router.get("")
def participants(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[Filter, Query()]
) -> HTMLResponse:
    study = find_study(db, slug)
    shown = cut(request, db.execute(matching(study.id, wanted)).all(), size=PAGE_SIZE, key=place)
    ids = [row.Participant.id for row in shown.rows]
    return page(
        request,
        "staff/participants.html",
        study=study,
        page=shown,
        work=work_of(db, ids),
        flags=count_flags(db, ids),
        flag_kinds=("any", *SENTENCES),
        arms=db.scalars(select(Arm.name).where(Arm.study_id == study.id).order_by(Arm.name)).all(),
        chosen=wanted,
    )


@router.post("")
def find(
    request: Request, db: Db, _editor: Editor, slug: str, who: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """To somebody's page, by the id that their platform gives them or the reference that they quote.

    A form that is posted: a worker id is to be in no address, where logs and histories keep it.
    """
    listed, study = f"/staff/studies/{slug}/participants", find_study(db, slug)
    try:
        found = find_by_id(db, study, who)
    except AppError as error:
        return leave_for(listed, request, Flash("danger", "Not found", (str(error),)))
    return RedirectResponse(f"{listed}/{found.id}", HTTPStatus.SEE_OTHER)


def matching(study_id: int, wanted: Filter) -> Select[Participant, str]:
    query = newest_first(study_id, wanted.after)
    if wanted.arm:
        query = query.where(Arm.name == wanted.arm)
    if wanted.state:
        query = query.where(Participant.state == wanted.state)
    if wanted.source:
        query = query.where(Participant.source == wanted.source)
    if wanted.flag:
        raised = select(QualityFlag.id).where(QualityFlag.participant_id == Participant.id)
        if wanted.flag != "any":
            raised = raised.where(QualityFlag.kind == wanted.flag)
        query = query.where(raised.exists())
    if wanted.code.strip():
        query = query.where(Participant.completion_code == wanted.code.strip().upper())
    return query


def place(row: Row[Participant, str]) -> str:
    """Where a participant stands in the list."""
    return f"{row.Participant.consented_at.isoformat()}_{row.Participant.id}"


def newest_first(study_id: int, after: str) -> Select[Participant, str]:
    query = (
        select(Participant, Arm.name.label("arm"))
        .join(Arm, Arm.id == Participant.arm_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at.desc(), Participant.id.desc())
        .limit(PAGE_SIZE + 1)
    )
    if not after:
        return query
    return query.where(tuple_(Participant.consented_at, Participant.id) < tuple_(*_parsed(after)))


def _parsed(after: str) -> tuple[datetime, UUID]:
    moment, _, identity = after.partition("_")
    try:
        return datetime.fromisoformat(moment), UUID(identity)
    except ValueError:
        raise BadInput("This page of the list does not exist; start again from its first page.") from None


class Work:
    """What one participant has done; main trials count for accuracy and times."""

    def __init__(self, row: Row[Any]) -> None:
        self.decided: int = row.decided
        self.trials: int = row.trials
        self.decision_ms: float | None = row.decision_ms
        self.annotation_ms: float | None = row.annotation_ms
        self.accuracy = Proportion(row.correct, row.main)


def work_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, Work]:
    """By participant; those without a trial (the withdrawn) are missing."""
    main = Trial.kind == TrialKind.MAIN

    def median(column: Any) -> Any:
        return func.percentile_cont(0.5).within_group(column)

    rows = session.execute(
        select(
            Trial.participant_id,
            func.count(Trial.id).label("trials"),
            func.count(Decision.id).label("decided"),
            func.count(Decision.id).filter(main).label("main"),
            func.count(case((Decision.correct, 1))).filter(main).label("correct"),
            median(Decision.decision_ms).filter(main).label("decision_ms"),
            median(Decision.annotation_ms).filter(main).label("annotation_ms"),
        )
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .where(Trial.participant_id.in_(ids))
        .group_by(Trial.participant_id)
    )
    return {row.participant_id: Work(row) for row in rows}


def count_flags(session: Session, ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(QualityFlag.participant_id, func.count())
        .where(QualityFlag.participant_id.in_(ids))
        .group_by(QualityFlag.participant_id)
    )
    return {participant: count for participant, count in rows}  # noqa: C416
