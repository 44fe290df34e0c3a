"""Many simulated participants at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import Any, Final
from uuid import uuid4

import httpx2
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.demo.answers import Key
from app.demo.people import Person, invent_person
from app.demo.visit import AGENT, CROWD, FULL, Refused, VisitOutcome, take_part
from app.errors import NotFound, Unavailable, WrongState
from app.models import Participant, ParticipantState, Source, Study, StudyState
from app.recruitment.assignment import lock_study
from app.studies.places import release_lapsed

THREADS: Final = 4
TIMEOUT_S: Final = 30.0
BROKEN_OFF: Final = ("refused", "failed")
NOT_BEGUN: Final = "not_begun"
FOR_EVERYBODY: Final = (Unavailable, NotFound)
"""Errors that all participants would get: no server, or one on another database."""


@dataclass(frozen=True, slots=True)
class CrowdReport:
    outcomes: tuple[VisitOutcome, ...]

    def count(self, *endings: str) -> int:
        return sum(outcome.ending in endings for outcome in self.outcomes)

    @property
    def decided(self) -> int:
        return sum(outcome.decided for outcome in self.outcomes)

    @property
    def turned_away(self) -> int:
        return self.count(*FULL)

    @property
    def reasons(self) -> dict[str, int]:
        """Why visits were refused or failed, the most frequent reason first."""
        reasons = Counter(outcome.reason for outcome in self.outcomes if outcome.ending in BROKEN_OFF)
        return dict(reasons.most_common())

    def as_json(self) -> dict[str, Any]:
        return {
            "participants": len(self.outcomes) - self.turned_away - self.count(NOT_BEGUN),
            "finished": self.count("finished"),
            "dropped_out": self.count("dropped_out"),
            "screened_out": self.count("screened_out"),
            "turned_away": self.turned_away,
            "refused": self.count("refused"),
            "failed": self.count("failed"),
            "not_begun": self.count(NOT_BEGUN),
            "decisions": self.decided,
            "reasons": self.reasons,
        }

    def sentence(self) -> str:
        text = "{participants} simulated participants made {decisions} decisions; "
        text += "{finished} finished, {dropped_out} dropped out"
        text += ", {screened_out} were screened out" if self.count("screened_out") else ""
        text += ", {turned_away} were turned away because the study is full" if self.turned_away else ""
        text += ", {not_begun} did not begin" if self.count(NOT_BEGUN) else ""
        return f"{text.format(**self.as_json())}.{self._broken_off()}"

    def _broken_off(self) -> str:
        """How many visits were refused or failed, and why; empty for none."""
        if not self.reasons:
            return ""
        why = "; ".join(f"{number} because “{reason}”" for reason, number in self.reasons.items())
        return f" {self.count(*BROKEN_OFF)} could not go on: {why}."


def admit_simulated(session: Session, study: Study, *, mix: bool) -> None:
    """Let simulated participants take part in a study.

    mix : although people have taken part
    `WrongState`: the study is not open, or people have taken part and `mix` is False
    """
    if study.state is not StudyState.OPEN:
        raise WrongState(
            f"Study {study.slug} is {study.state}; `cyborg study open {study.slug}` comes first."
        )
    people = real_participants(session, study)
    if people and not mix:
        raise WrongState(
            f"Study {study.slug} has {people} real participants; simulated ones would be mixed with them. "
            "Use --mix if that is meant: they stay labelled simulated."
        )
    study.accepts_simulated = True


def real_participants(session: Session, study: Study) -> int:
    count = select(func.count()).where(
        Participant.study_id == study.id, Participant.source != Source.SIMULATED
    )
    return session.scalar(count) or 0


def simulate(
    base_url: str,
    study: str,
    *,
    participants: int,
    seed: int,
    key: Key,
    sessions: SessionFactory,
    threads: int = THREADS,
    on_decision: Callable[[], None] = lambda: None,
) -> CrowdReport:
    """Let `participants` simulated people take a study, `threads` at a time.

    A visit that the server refuses, or that fails, ends for that person alone. When the server or its
    database is gone, participants who have not begun do not begin. The places of all who did not finish are
    freed in the end, even after an error.

    The same seed makes the same people. The server decides which trials they get, so two simulations with
    one seed still differ in their decisions.

    `WrongState`: nobody made a decision
    """
    crowd = _Crowd(base_url, study, key, on_decision)
    people = [invent_person(seed, number) for number in range(participants)]
    pool = ThreadPoolExecutor(threads)
    try:
        report = CrowdReport(tuple(pool.map(crowd.visit, people)))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        with sessions.begin() as session:
            leave(session, study, crowd.name)
    if not report.decided:
        reason = next(iter(report.reasons), "it is full or not open.")
        raise WrongState(f"Study {study} took none of the simulated participants: {reason}")
    return report


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The simulated participants of one call of `simulate`."""

    base_url: str
    study: str
    key: Key
    on_decision: Callable[[], None]
    name: str = field(default_factory=lambda: uuid4().hex[:12])
    """Part of each participant's id, so that a second simulation with one seed has new participants."""
    is_hopeless: Event = field(default_factory=Event)

    def visit(self, person: Person) -> VisitOutcome:
        """The visit of one person; an error ends this visit only, unless all would get it."""
        if self.is_hopeless.is_set():
            return VisitOutcome(0, NOT_BEGUN)
        decided = 0

        def count_one() -> None:
            nonlocal decided
            decided += 1
            self.on_decision()

        try:
            return self._take_part(person, on_decision=count_one)
        except Refused as refusal:
            return VisitOutcome(decided, "refused", refusal.detail)
        except FOR_EVERYBODY as error:
            self.is_hopeless.set()
            return VisitOutcome(decided, "failed", str(error))
        except Exception as error:  # noqa: BLE001 - the summary names it
            return VisitOutcome(decided, "failed", f"{type(error).__name__}: {error}")

    def _take_part(self, person: Person, *, on_decision: Callable[[], None]) -> VisitOutcome:
        headers = {"User-Agent": AGENT}
        with httpx2.Client(base_url=self.base_url, headers=headers, timeout=TIMEOUT_S) as client:
            return take_part(
                client,
                self.study,
                person,
                key=self.key,
                external_id=f"{self.name}-{person.number}",
                crowd=self.name,
                on_decision=on_decision,
            )


def leave(session: Session, slug: str, crowd: str) -> None:
    """Free the places of all of a crowd who did not finish; their decisions stay."""
    study = session.scalars(select(Study).where(Study.slug == slug)).one()
    lock_study(session, study.id)
    session.execute(
        update(Participant)
        .where(
            Participant.study_id == study.id,
            Participant.source == Source.SIMULATED,
            Participant.state == ParticipantState.ACTIVE,
            Participant.client[CROWD].astext == crowd,
        )
        .values(lease_expires_at=func.now() - timedelta(seconds=1))
    )
    release_lapsed(session, study.id)
