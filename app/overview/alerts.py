"""Alerts: what staff have to look at, each told once when it begins and once when it is over.

A worker compares every minute what holds now with what stood before. The row of an alert and the jobs that
tell of it are written in one transaction, so that neither a restart nor a second worker tells of it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVarTuple
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound, Unavailable
from app.jobs import DELIVER_ALERT, cancel, enqueue, next_tries
from app.models import (
    Alert,
    AlertDelivery,
    AlertKind,
    AlertReceiver,
    AlertTurn,
    Dataset,
    Experiment,
    JobState,
    Participant,
    ParticipantState,
    QualityFlag,
    Run,
    Study,
    StudyState,
)
from app.overview.delivery import Message, deliver, place_of, receivers
from app.settings import Settings
from app.studies import tallies
from app.studies.progress import StudyProgress, progress_of

FEWEST_FINISHED: Final = 20
"""A share of fewer participants says nothing."""

FAILED_FOR: Final = timedelta(days=7)
"""So long a failed run is an alert, unless it goes on."""

SHOWN_FOR: Final = timedelta(days=30)
"""So long staff see what did not arrive, after it was last tried."""

WITH_STUDY: Final = select(Alert, Study.slug, Study.title).join(Study, Study.id == Alert.study_id)

Columns = TypeVarTuple("Columns")
Key = tuple[AlertKind, int, UUID | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds now."""

    kind: AlertKind
    study_id: int
    text: str
    run_id: UUID | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.study_id, self.run_id


def check_alerts(session: Session, config: Settings) -> None:
    """Begin and end alerts by what holds now, and queue what is to be told. One caller at a time works."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("alerts", 0))))
    now = {one.key: one for one in conditions(session, config)}
    standing = {(one.kind, one.study_id, one.run_id): one for one in open_alerts(session)}
    begun = [
        Alert(kind=one.kind, study_id=one.study_id, run_id=one.run_id, text=one.text)
        for key, one in now.items()
        if key not in standing
    ]
    over = [one for key, one in standing.items() if key not in now]
    session.add_all(begun)
    for one in over:
        one.ended_at = datetime.now(UTC)
    session.flush()
    for one in begun:
        _queue(session, config, one, AlertTurn.BEGAN)
    for one in over:
        _queue(session, config, one, AlertTurn.ENDED)


def _queue(session: Session, config: Settings, alert: Alert, turn: AlertTurn) -> None:
    for receiver in receivers(config, turn):
        job = _enqueue(session, alert.id, turn, receiver)
        session.add(AlertDelivery(alert_id=alert.id, turn=turn, receiver=receiver, job_id=job))


def _enqueue(session: Session, alert_id: int, turn: AlertTurn, receiver: AlertReceiver) -> int:
    """One job at a time tells of one thing by one receiver."""
    lock = f"alert:{alert_id}:{turn}:{receiver}"
    return enqueue(session, DELIVER_ALERT, lock=lock, alert_id=alert_id, turn=turn, receiver=receiver)


def open_alerts(session: Session, study: Study | None = None) -> Sequence[Alert]:
    """Those that stand, the newest first; of one study, or of all."""
    query = _standing(select(Alert))
    if study is not None:
        query = query.where(Alert.study_id == study.id)
    return session.scalars(query).all()


def alerts_and_studies(session: Session) -> Sequence[Row[Alert, str, str]]:
    """Each alert that stands, with slug and title of its study, the newest first."""
    return session.execute(_standing(WITH_STUDY)).all()


def _standing(query: Select[*Columns]) -> Select[*Columns]:
    return query.where(Alert.ended_at.is_(None)).order_by(Alert.began_at.desc(), Alert.id.desc())


def conditions(session: Session, config: Settings) -> Iterator[Condition]:
    """Everything that an alert is to stand for now."""
    watched = (StudyState.OPEN, StudyState.PAUSED)
    studies = session.scalars(select(Study).where(Study.state.in_(watched)).order_by(Study.id)).all()
    counts = progress_of(session, [study.id for study in studies]) if studies else {}
    for study in studies:
        if study.state is StudyState.OPEN:
            yield from _of_open(session, study, counts[study.id], config.stalled_after)
    yield from _flagged(session, studies, config.flagged_share)
    yield from _failed_runs(session)


def _of_open(
    session: Session, study: Study, counts: StudyProgress, stalled_after: timedelta
) -> Iterator[Condition]:
    if 0 < counts.wanted <= counts.decided:
        yield Condition(
            AlertKind.FULL, study.id, f"Every judgement of “{study.title}” is decided, and it is still open."
        )
    elif _is_stalled(session, study, stalled_after):
        hours = stalled_after / timedelta(hours=1)
        yield Condition(
            AlertKind.STALLED,
            study.id,
            f"“{study.title}” is open, and for {hours:g} hours nobody came and nothing was decided.",
        )


def _is_stalled(session: Session, study: Study, stalled_after: timedelta) -> bool:
    since = datetime.now(UTC) - stalled_after
    if (study.opened_at or study.created_at) > since:
        return False
    came = select(Participant.id).where(Participant.study_id == study.id, Participant.consented_at > since)
    if session.scalar(select(came.exists())):
        return False
    return all(number <= 0 for _, number in tallies.pace(session, study.id, simulated=None, since=since))


def _flagged(session: Session, studies: Sequence[Study], bound: float) -> Iterator[Condition]:
    titles = {study.id: study.title for study in studies}
    has_flag = select(QualityFlag.id).where(QualityFlag.participant_id == Participant.id).exists()
    rows = session.execute(
        select(Participant.study_id, func.count(), func.count().filter(has_flag))
        .where(Participant.study_id.in_(titles), Participant.state == ParticipantState.FINISHED)
        .group_by(Participant.study_id)
    )
    for study_id, finished, flagged in rows:
        if finished >= FEWEST_FINISHED and flagged > bound * finished:
            yield Condition(
                AlertKind.FLAGGED,
                study_id,
                f"More than {bound:.0%} of those who finished “{titles[study_id]}” have a quality flag.",
            )


def _failed_runs(session: Session) -> Iterator[Condition]:
    since = datetime.now(UTC) - FAILED_FOR
    rows = session.execute(
        select(Run, Experiment.name, Dataset.study_id)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .join(Dataset, Dataset.id == Experiment.dataset_id)
        .where(Run.state == JobState.FAILED, Run.ended_at > since)
        .order_by(Run.ended_at)
    )
    for run, experiment, study_id in rows:
        name = f"{run.architecture}, {run.scenario}, seed {run.seed}"
        text = f"A run of the experiment “{experiment}” failed: {name}."
        yield Condition(AlertKind.RUN_FAILED, study_id, text, run.id)


def deliver_alert(
    session: Session, config: Settings, alert_id: int, turn: AlertTurn, receiver: AlertReceiver
) -> Unavailable | None:
    """Tell of an alert by one receiver, and keep whether it arrived; nothing when it did before, or when its
    study is gone. Returns why it did not arrive: try again."""
    found = session.execute(WITH_STUDY.where(Alert.id == alert_id)).first()
    if found is None:
        return None
    alert, slug, title = found
    mine = (
        AlertDelivery.alert_id == alert_id,
        AlertDelivery.turn == turn,
        AlertDelivery.receiver == receiver,
    )
    kept = session.scalars(select(AlertDelivery).where(*mine)).one_or_none()
    if kept is None:  # queued by a version that kept none
        kept = AlertDelivery(alert_id=alert_id, turn=turn, receiver=receiver, job_id=0, tries=0)
        session.add(kept)
    if kept.arrived_at is not None:
        return None
    at = alert.began_at if turn is AlertTurn.BEGAN else alert.ended_at or datetime.now(UTC)
    message = Message(
        id=f"alert-{alert.id}-{turn}",
        turn=turn,
        kind=alert.kind,
        study=slug,
        title=title,
        text=alert.text,
        at=at.isoformat(),
        url=f"{config.public_url}/staff/studies/{slug}",
    )
    kept.tries += 1
    kept.tried_at, kept.place = datetime.now(UTC), place_of(config, receiver)
    try:
        deliver(config, message, receiver)
    except Unavailable as failure:
        kept.error = str(failure)
        return failure
    kept.arrived_at, kept.error = datetime.now(UTC), None
    return None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What was told of an alert and has not arrived."""

    delivery: AlertDelivery
    text: str
    study: str
    """Its slug."""
    waits: bool
    """Whether it is tried again by itself, at `next_try_at`, or now where that is None."""
    next_try_at: datetime | None


def undelivered(session: Session, study: Study | None = None) -> list[Undelivered]:
    """Of the last month, what was tried and has not arrived, the newest first; of one study, or of all."""
    since = datetime.now(UTC) - SHOWN_FOR
    query = (
        select(AlertDelivery, Alert.text, Study.slug)
        .join(Alert, Alert.id == AlertDelivery.alert_id)
        .join(Study, Study.id == Alert.study_id)
        .where(AlertDelivery.arrived_at.is_(None), AlertDelivery.tries > 0, AlertDelivery.tried_at > since)
        .order_by(AlertDelivery.id.desc())
    )
    if study is not None:
        query = query.where(Alert.study_id == study.id)
    rows = session.execute(query).all()
    due = next_tries(session, [one.job_id for one, _, _ in rows]) if rows else {}
    return [Undelivered(one, text, slug, one.job_id in due, due.get(one.job_id)) for one, text, slug in rows]


def send_again(session: Session, config: Settings, delivery_id: int, study: Study | None = None) -> None:
    """Try now, and from then on as at first. `NotFound` of what is not there or belongs to another study,
    `BadInput` where it arrived or has no receiver any more."""
    found = session.get(AlertDelivery, delivery_id)
    alert = session.get(Alert, found.alert_id) if found else None
    if found is None or alert is None or (study is not None and alert.study_id != study.id):
        raise NotFound("There is no such message of an alert.")
    if found.arrived_at is not None:
        raise BadInput("It arrived already.")
    if found.receiver not in receivers(config, found.turn):
        raise BadInput(f"Alerts go to no {found.receiver} any more; the settings name none.")
    cancel(session, found.job_id)
    found.job_id = _enqueue(session, found.alert_id, found.turn, found.receiver)
