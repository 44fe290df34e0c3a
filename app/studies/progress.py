"""How far studies are: the one count of judgements that every page, command and report shows.

Only judgements count: no practice, no checks, nobody who withdrew or was screened out. A judgement is
*decided*, or *held* for a participant who has its trial in hand; a study never wants more of them than its
places.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.models import (
    Advice,
    Arm,
    Pair,
    Participant,
    ParticipantState,
    Source,
    Study,
    Trial,
    TrialKind,
    TrialState,
)
from app.studies.service import newest_first
from app.studies.tallies import Counts, JudgedCell, ParticipantGroup, counts_of


@dataclass(frozen=True, slots=True)
class ArmProgress:
    """How far one arm is."""

    id: int
    name: str
    annotate: bool
    advice: Advice
    wanted: int
    decided: int
    held: int
    correct: int
    """Of those decided."""
    participants: int

    @property
    def accuracy(self) -> float | None:
        """Share of correct decisions; None before the first one."""
        return self.correct / self.decided if self.decided else None


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """How far a study is."""

    arms: tuple[ArmProgress, ...]
    cells: tuple[JudgedCell, ...]
    participants: dict[ParticipantState, int]
    """Every state has its count, also when it is 0."""
    working: int
    """Active participants whose lease runs."""
    simulated: int
    """Participants that are programs; they are in the other counts too."""

    @property
    def wanted(self) -> int:
        return sum(arm.wanted for arm in self.arms)

    @property
    def decided(self) -> int:
        return sum(arm.decided for arm in self.arms)

    @property
    def held(self) -> int:
        return sum(arm.held for arm in self.arms)

    @property
    def everybody(self) -> int:
        return sum(self.participants.values())

    @property
    def people(self) -> int:
        return self.everybody - self.simulated

    @property
    def away(self) -> int:
        """Active participants whose lease has run out."""
        return self.participants[ParticipantState.ACTIVE] - self.working


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One line of a list of studies."""

    study: Study
    pairs: int
    progress: StudyProgress

    @property
    def counts(self) -> dict[str, int]:
        """The columns of the list."""
        found = self.progress
        people = {"pairs": self.pairs, "participants": found.everybody}
        return people | {"decided": found.decided, "held": found.held, "wanted": found.wanted}


def progress(session: Session, study: Study) -> StudyProgress:
    return progress_of(session, [study.id])[study.id]


def progress_of(session: Session, studies: Collection[int]) -> dict[int, StudyProgress]:
    """Of each study by its id, in as many queries for many as for one."""
    arms = session.scalars(select(Arm).where(Arm.study_id.in_(studies)).order_by(Arm.id)).all()
    counts, held, working = counts_of(session, studies), _held(session, studies), _working(session, studies)
    return {
        study: StudyProgress(
            arms=tuple(_arm_progress(arm, counts, held) for arm in arms if arm.study_id == study),
            cells=tuple(cell for cell in counts.cells if cell.study_id == study),
            participants=_by_state([group for group in counts.people if group.study_id == study]),
            working=working[study],
            simulated=_programs([group for group in counts.people if group.study_id == study]),
        )
        for study in studies
    }


def _arm_progress(arm: Arm, counts: Counts, held: Counter[int]) -> ArmProgress:
    judged = [cell for cell in counts.cells if cell.arm_id == arm.id]
    return ArmProgress(
        *(arm.id, arm.name, arm.annotate, arm.advice),
        wanted=counts.wanted.get(arm.id, 0),
        decided=sum(cell.decided for cell in judged),
        held=held[arm.id],
        correct=sum(cell.correct for cell in judged),
        participants=sum(group.number for group in counts.people if group.arm_id == arm.id),
    )


def _by_state(people: Sequence[ParticipantGroup]) -> dict[ParticipantState, int]:
    return {state: sum(one.number for one in people if one.state is state) for state in ParticipantState}


def _programs(people: Sequence[ParticipantGroup]) -> int:
    return sum(one.number for one in people if one.source is Source.SIMULATED)


def _held(session: Session, studies: Collection[int]) -> Counter[int]:
    """Judgements that somebody has in hand, by arm; only who is active has any."""
    query = select(Participant.arm_id, func.count()).join(Trial, Trial.participant_id == Participant.id)
    rows = session.execute(query.where(is_held(studies)).group_by(Participant.arm_id))
    return Counter(dict(rows.all()))


def _working(session: Session, studies: Collection[int]) -> Counter[int]:
    """Active participants whose lease runs, by study."""
    query = select(Participant.study_id, func.count())
    rows = session.execute(query.where(is_at_work(studies)).group_by(Participant.study_id))
    return Counter(dict(rows.all()))


def is_held(studies: Collection[int]) -> ColumnElement[bool]:
    """Of trials joined with their participants: a judgement that somebody has in hand."""
    return _active(studies) & (Trial.state == TrialState.ASSIGNED) & (Trial.kind == TrialKind.MAIN)


def is_at_work(studies: Collection[int]) -> ColumnElement[bool]:
    """Of participants: those who are active and whose lease runs."""
    return _active(studies) & (Participant.lease_expires_at > func.now())


def _active(studies: Collection[int]) -> ColumnElement[bool]:
    return Participant.study_id.in_(studies) & (Participant.state == ParticipantState.ACTIVE)


def list_studies(session: Session, studies: Sequence[Study] | None = None) -> list[StudySummary]:
    """These studies with their counts; all but pilots, the newest first, when none are named."""
    if studies is None:
        studies = newest_first(session)
    ids = [study.id for study in studies]
    main = select(Pair.study_id, func.count()).where(Pair.kind == TrialKind.MAIN, Pair.study_id.in_(ids))
    pairs = Counter(dict(session.execute(main.group_by(Pair.study_id)).all()))
    found = progress_of(session, ids)
    return [StudySummary(study, pairs[study.id], found[study.id]) for study in studies]
