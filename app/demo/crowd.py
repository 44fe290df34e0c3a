"""Many simulated participants at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import httpx2
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.demo.answers import Key
from app.demo.people import Person, invent_person
from app.demo.visit import AGENT, Outcome, take_part
from app.errors import WrongState
from app.models import Participant, Source, Study, StudyState

THREADS: Final = 4
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class CrowdReport:
    outcomes: tuple[Outcome, ...]

    def count(self, ending: str) -> int:
        return sum(outcome.ending == ending for outcome in self.outcomes)

    @property
    def decided(self) -> int:
        return sum(outcome.decided for outcome in self.outcomes)

    @property
    def turned_away(self) -> int:
        return self.count("quota_full") + self.count("study_not_open")

    def as_json(self) -> dict[str, int]:
        return {
            "participants": len(self.outcomes) - self.turned_away,
            "finished": self.count("finished"),
            "dropped_out": self.count("dropped_out"),
            "screened_out": self.count("screened_out"),
            "turned_away": self.turned_away,
            "decisions": self.decided,
        }

    def sentence(self) -> str:
        told = "{participants} simulated participants made {decisions} decisions; "
        told += "{finished} finished, {dropped_out} dropped out"
        told += ", {screened_out} were screened out" if self.count("screened_out") else ""
        told += ", {turned_away} were turned away because the study is full" if self.turned_away else ""
        return f"{told}.".format(**self.as_json())


def admit_simulated(session: Session, study: Study, *, mix: bool) -> None:
    """Let programs take part in a study. Refused where people did, unless they are to be mixed."""
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
    threads: int = THREADS,
    on_decision: Callable[[], None] = lambda: None,
    on_person: Callable[[], None] = lambda: None,
) -> CrowdReport:
    """`participants` people take a study, `threads` at a time; the first failure ends it all.

    The same seed invents the same people. Which trials they are given is the server's choice, so two
    simulations differ in their decisions all the same.
    """
    # Another crowd with the same seed is other people, not the same ones who return.
    crowd = uuid4().hex[:12]

    def visit(person: Person) -> Outcome:
        headers = {"User-Agent": AGENT}
        with httpx2.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S) as client:
            outcome = take_part(
                client,
                study,
                person,
                key=key,
                external_id=f"{crowd}-{person.number}",
                on_decision=on_decision,
            )
        on_person()
        return outcome

    people = [invent_person(seed, number) for number in range(participants)]
    report = CrowdReport(_all_of(visit, people, threads=threads))
    if not report.decided:
        raise WrongState(f"Study {study} took none of the simulated participants: it is full or not open.")
    return report


def _all_of(
    visit: Callable[[Person], Outcome], people: Sequence[Person], *, threads: int
) -> tuple[Outcome, ...]:
    pool = ThreadPoolExecutor(threads)
    futures = [pool.submit(visit, person) for person in people]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done() and (error := future.exception()):
                raise error
        return tuple(future.result() for future in futures)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
