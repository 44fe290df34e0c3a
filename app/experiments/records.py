"""What a run has said and come to, in the database; every write is a short transaction of its own."""

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

from app.db import SessionFactory, held
from app.models import UNFINISHED, Dataset, Experiment, JobState, Run, RunEvent
from training.config import RunConfig, TrainingJob
from training.events import EpochEvent, Event, HeartbeatEvent, Metrics, StartedEvent, parse_event

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 60.0
"""How long the end of a run waits for a database that does not answer."""

EPOCH: Final = RunEvent.payload["epoch"].astext.cast(Integer)
OF_EPOCHS: Final = ("step", "epoch")


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended, and why when it did not succeed."""

    state: JobState
    error: str | None = None
    metrics: Metrics | None = None


def training(
    sessions: SessionFactory, run_id: UUID, devices: Iterable[int] = (), cards: Iterable[str] = ()
) -> AbstractContextManager[None]:
    """Nobody else trains this run or uses its devices meanwhile; PostgreSQL lets go when this process dies.

    A worker that seems dead (a laptop that slept) may still be training what another one is given. A lock of
    the queue is of one device; a run that spreads over several needs each of them. Two devices may be the
    same graphics card: numbers are of all machines, and a machine with fewer cards deals them out again.

    cards : of this machine
    """
    host = gethostname()
    wanted = {f"run {run_id}": "This run is being trained by another worker."}
    wanted |= {f"device {number}": f"Device {number} is in use by another run." for number in devices}
    wanted |= {f"card {card} of {host}": f"Card {card} of {host} is in use by another run." for card in cards}
    return held(sessions, wanted)


def devices_of(sessions: SessionFactory, run_id: UUID) -> int:
    """How many devices a run spreads over."""
    with sessions() as session:
        config = session.scalar(select(Run.config).where(Run.id == run_id)) or {}
        return int(config.get("devices", 1))


def begin(sessions: SessionFactory, run_id: UUID) -> TrainingJob | None:
    """Mark a run as running; None when it has ended already, or was never there."""
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
    """Writes events as they come. A database that is away for a while only delays them."""

    sessions: SessionFactory
    run_id: UUID
    folder: Path
    _waiting: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        if not isinstance(event, HeartbeatEvent):
            self._waiting.append(event)
            self.flush()

    def flush(self) -> None:
        """Write what waits, if the database answers."""
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

    def end(self, outcome: RunOutcome) -> None:
        """Write the last events and the outcome together; tries for a minute."""
        deadline = time.monotonic() + PATIENCE_S
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
                forget_from(session, self.run_id, event.first_epoch)
                for missed in _missed(session, self.run_id, self.folder, before=event.first_epoch):
                    _add(session, self.run_id, missed)
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


def forget_from(session: Session, run_id: UUID, epoch: int) -> None:
    """Drop what was told of epochs that are trained again, so that a resumed run has one history."""
    again = epoch <= EPOCH
    outdated = or_(and_(RunEvent.kind.in_(OF_EPOCHS), again), RunEvent.kind.in_(("evaluated", "failed")))
    session.execute(delete(RunEvent).where(RunEvent.run_id == run_id, outdated))


def _missed(session: Session, run_id: UUID, folder: Path, *, before: int) -> list[EpochEvent]:
    """Epochs that were trained while nobody listened: a child outlives a killed worker by a moment."""
    told = select(EPOCH).where(RunEvent.run_id == run_id, RunEvent.kind == "epoch")
    known = set(session.scalars(told))
    return [one for one in _trained(folder / "events.jsonl") if one.epoch < before and one.epoch not in known]


def _trained(path: Path) -> Iterator[EpochEvent]:
    """The epochs in a run folder's own record; a line that a kill has torn is none."""
    for line in path.read_text("utf-8").split("\n") if path.is_file() else ():
        try:
            event = parse_event(line)
        except ValueError:
            continue
        if isinstance(event, EpochEvent):
            yield event
