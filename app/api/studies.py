"""How far studies are, and opening, pausing and closing them. Descriptions: `app.studies.routes`."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session

from app.dashboard.studies.live import SharedNumbers
from app.deps import Config, CurrentStaff, Db, Editor, sees_totals
from app.messages import Answer
from app.models import AlertKind, AlertReceiver, ApiToken, Role, Study, StudyState
from app.overview.alerts import alerts_and_studies, send_again, undelivered
from app.overview.schemas import Overview
from app.studies import service
from app.studies.progress import progress

router: Final = APIRouter(prefix="/api", tags=["studies"])


class Caller(Answer):
    """Who is asking, and what they may do."""

    email: str
    role: Role
    token: str | None
    """The name of the API token."""
    scopes: list[str]
    """Of the token, beside reading."""


class Progress(Answer):
    """How far a study is. Judgements are decisions of main trials."""

    slug: str
    state: StudyState
    participants: int
    wanted: int
    """Judgements."""
    decided: int
    held: int
    """Kept for somebody who has not decided yet."""


class AlertLine(Answer):
    """An alert that stands."""

    kind: AlertKind
    study: str
    """Its slug."""
    text: str
    began_at: datetime


class LostMessage(Answer):
    """What was told of an alert and has not arrived."""

    number: int
    study: str
    receiver: AlertReceiver
    place: str | None
    """Where it was sent."""
    tries: int
    text: str
    error: str | None


class Alerts(Answer):
    """What staff have to look at."""

    alerts: list[AlertLine]
    undelivered: list[LostMessage]


@router.get("/me")
def me(request: Request, staff: CurrentStaff) -> Caller:
    """Whose token this is."""
    token: ApiToken | None = request.state.api_token
    return Caller(
        email=staff.email,
        role=staff.role,
        token=token.name if token else None,
        scopes=token.scopes if token else [],
    )


@router.get("/studies/{slug}/progress")
def read_progress(db: Db, _staff: CurrentStaff, slug: str) -> Progress:
    """How far a study is."""
    return view(db, service.find_study(db, slug))


@router.get("/studies/{slug}/overview")
def read_overview(request: Request, db: Db, staff: CurrentStaff, slug: str) -> Overview:
    """How a study is going, counted at most two seconds ago; `spend` is null for whoever may not see it."""
    numbers: SharedNumbers = request.app.state.numbers
    return numbers.overview(db, service.find_study(db, slug), with_spend=sees_totals(request, staff))


@router.get("/alerts")
def list_alerts(db: Db, _staff: CurrentStaff) -> Alerts:
    """The alerts of all studies that stand, and what was told of alerts and has not arrived; newest first."""
    return alerts_view(db)


def alerts_view(db: Session) -> Alerts:
    return Alerts(
        alerts=[
            AlertLine(kind=one.kind, study=slug, text=one.text, began_at=one.began_at)
            for one, slug, _ in alerts_and_studies(db)
        ],
        undelivered=[
            LostMessage(
                number=lost.delivery.id,
                study=lost.study,
                receiver=lost.delivery.receiver,
                place=lost.delivery.place,
                tries=lost.delivery.tries,
                text=lost.text,
                error=lost.delivery.error,
            )
            for lost in undelivered(db)
        ],
    )


@router.post("/studies/{slug}/alerts/{delivery}/send-again", status_code=HTTPStatus.ACCEPTED)
def send_alert_again(db: Db, config: Config, _editor: Editor, slug: str, delivery: int) -> None:
    """Send what did not arrive of an alert (`undelivered` of the overview) again, now."""
    send_again(db, config, delivery, service.find_study(db, slug))


@router.post("/studies/{slug}/open")
def open_study(db: Db, editor: Editor, slug: str) -> Progress:
    """Let participants in."""
    return view(db, service.open_study(db, service.find_study(db, slug), staff_id=editor.id))


@router.post("/studies/{slug}/pause")
def pause_study(db: Db, _editor: Editor, slug: str) -> Progress:
    """Let nobody new in; whoever is in may finish."""
    return view(db, service.pause_study(db, service.find_study(db, slug)))


@router.post("/studies/{slug}/close")
def close_study(db: Db, _editor: Editor, slug: str) -> Progress:
    """End a study for good."""
    return view(db, service.close_study(db, service.find_study(db, slug)))


def view(db: Session, study: Study) -> Progress:
    found = progress(db, study)
    return Progress(
        slug=study.slug,
        state=study.state,
        participants=found.everybody,
        wanted=found.wanted,
        decided=found.decided,
        held=found.held,
    )
