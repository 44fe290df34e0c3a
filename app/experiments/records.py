"""The events, the state and the outcome of a run in the database; each write is a short transaction."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Final
from uuid import UUID

from sqlalchemy import Integer, and_, delete, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import SessionFactory, named_locks
from app.models import UNFINISHED, Dataset, Experiment, JobState, Run, RunEvent
from training.config import RunConfig, TrainingJob
from training.events import EpochEvent, Event, HeartbeatEvent, Metrics, StartedEvent, parse_event

logger = logging.getLogger(__name__)

DATABASE_TIMEOUT_S: Final = 60.0
"""How long the end of a run waits for a database that does not answer."""

EPOCH: Final = RunEvent.payload["epoch"].astext.cast(Integer)
EPOCH_KINDS: Final = ("step", "epoch")
"""Kinds of events that belong to one epoch."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended, and why when it did not succeed."""

    state: JobState
    error: str | None = None
    metrics: Metrics | None = None


def training_locks(
    sessions: SessionFactory, run_id: UUID, devices: Iterable[int] = (), card_shares: Iterable[str] = ()
) -> AbstractContextManager[None]:
    """Locks on a run, its devices and its graphics cards, so that nobody else trains it or uses them.

    The queue's own lock is not enough. A worker that seems dead (a laptop that slept) may still train a run
    that the queue gives to another. The queue locks one device, and a run may need several. Two devices may
    be one graphics card: device numbers count over all machines, and a machine with fewer cards uses each
    for several numbers.

    card_shares : of this machine, such as `0` and `0, share 2`
    `WrongState`: another worker holds one of the locks
    """
    host = gethostname()
    refusals = {f"run {run_id}": "This run is being trained by another worker."}
    refusals |= {f"device {number}": f"Device {number} is in use by another run." for number in devices}
    refusals |= {
        f"card {share} of {host}": f"Card {share} of {host} is in use by another run."
        for share in card_shares
    }
    return named_locks(sessions, refusals)


def devices_of(sessions: SessionFactory, run_id: UUID) -> int:
    """How many devices a run spreads over."""
    with sessions() as session:
        config = session.scalar(select(Run.config).where(Run.id == run_id)) or {}
        return int(config.get("devices", 1))


def begin_run(sessions: SessionFactory, run_id: UUID) -> TrainingJob | None:
    """Mark a run as running; None when it has ended already, or does not exist."""
    with sessions.begin() as session:
        run = session.get(Run, run_id, with_for_update=True)
        if run is None or run.state not in UNFINISHED:
            return None
        run.state, run.error = JobState.RUNNING, None
        run.started_at = run.started_at or datetime.now(UTC)
        experiment = session.get_one(Experiment, run.experiment_id)
        dataset = session.get_one(Dataset, experiment.dataset_id)
        return TrainingJob(
            run=RunConfig.model_validate(run.config), dataset=Path(dataset.folder), out=Path(run.folder)
        )


def state_of(sessions: SessionFactory, run_id: UUID) -> JobState | None:
    with sessions() as session:
        return session.scalar(select(Run.state).where(Run.id == run_id))


@dataclass
class Recorder:
    """Writes the events of a run; those that come while the database does not answer are written later."""

    sessions: SessionFactory
    run_id: UUID
    folder: Path
    _waiting: list[Event] = field(default_factory=list)

    def record(self, event: Event) -> None:
        """Write an event; heartbeats are not kept."""
        if not isinstance(event, HeartbeatEvent):
            self._waiting.append(event)
            self.flush()

    def flush(self) -> None:
        """Write the events that wait, if the database answers."""
        if not self._waiting:
            return
        try:
            with self.sessions.begin() as session:
                self._write(session)
        except OperationalError:
            logger.warning(
                "events wait for the database", extra={"action": "events_wait", "run": self.run_id}
            )
        else:
            self._waiting.clear()

    def end_run(self, outcome: RunOutcome) -> None:
        """Write the last events and the outcome in one transaction; `OperationalError` after a minute."""
        deadline = time.monotonic() + DATABASE_TIMEOUT_S
        while True:
            try:
                with self.sessions.begin() as session:
                    self._write(session)
                    _close(session.get_one(Run, self.run_id), outcome)
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                break

    def _write(self, session: Session) -> None:
        for event in self._waiting:
            if isinstance(event, StartedEvent):
                # A resumed run: the database may have events of epochs that are trained again, and may lack
                # those of epochs that were trained while no supervisor read them.
                delete_events_from(session, self.run_id, event.first_epoch)
                for epoch in _unrecorded(session, self.run_id, self.folder, before=event.first_epoch):
                    _add(session, self.run_id, epoch)
            _add(session, self.run_id, event)


def _add(session: Session, run_id: UUID, event: Event) -> None:
    payload = event.model_dump(mode="json", exclude={"kind", "at"})
    session.add(RunEvent(run_id=run_id, kind=event.kind, payload=payload, at=event.at))


def _close(run: Run, outcome: RunOutcome) -> None:
    run.state, run.error = outcome.state, outcome.error
    if outcome.metrics is not None:
        run.metrics = outcome.metrics
    if outcome.state is not JobState.QUEUED:
        run.ended_at = datetime.now(UTC)


def delete_events_from(session: Session, run_id: UUID, epoch: int) -> None:
    """Delete the events of epochs that are trained again, so that a resumed run has one history."""
    is_repeated = epoch <= EPOCH
    outdated = or_(
        and_(RunEvent.kind.in_(EPOCH_KINDS), is_repeated), RunEvent.kind.in_(("evaluated", "failed"))
    )
    session.execute(delete(RunEvent).where(RunEvent.run_id == run_id, outdated))


def _unrecorded(session: Session, run_id: UUID, folder: Path, *, before: int) -> list[EpochEvent]:
    """Epochs of the event log that the database lacks: a child outlives a killed worker by a moment."""
    query = select(EPOCH).where(RunEvent.run_id == run_id, RunEvent.kind == "epoch")
    recorded = set(session.scalars(query))
    logged = _logged_epochs(folder / "events.jsonl")
    return [event for event in logged if event.epoch < before and event.epoch not in recorded]


def _logged_epochs(path: Path) -> Iterator[EpochEvent]:
    """The epochs in a run folder's event log; a line that a kill has cut off is left out."""
    for line in path.read_text("utf-8").split("\n") if path.is_file() else ():
        try:
            event = parse_event(line)
        except ValueError:
            continue
        if isinstance(event, EpochEvent):
            yield event
