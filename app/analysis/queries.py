"""Which decisions of a study an analysis reads, and their counts; pages need no more than these."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from app.errors import BadInput
from app.models import Arm, Decision, Pair, Participant, QualityFlag, Source, Trial, is_judgement
from app.studies.tallies import JudgedCell, cells, changes

Who = Literal["people", "simulated"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose decisions count: people or programs, without participants who have one of the quality flags."""

    who: Who = "people"
    without: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "without": sorted(self.without)}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Choice":
        return cls(value["who"], tuple(value["without"]))

    @property
    def condition(self) -> ColumnElement[bool]:
        is_simulated = Participant.source == Source.SIMULATED
        is_chosen = is_simulated if self.who == "simulated" else ~is_simulated
        is_flagged = exists().where(
            QualityFlag.participant_id == Participant.id, QualityFlag.kind.in_(self.without)
        )
        return is_chosen & ~is_flagged if self.without else is_chosen


def judgements(columns: Select[*tuple[Any, ...]], study_id: int) -> Select[*tuple[Any, ...]]:
    """`columns` of the decisions of a study that are judgements."""
    return (
        columns.select_from(Decision)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Pair, Pair.id == Trial.pair_id)
        .where(Participant.study_id == study_id, is_judgement())
    )


def whose(session: Session, study_id: int) -> Who:
    """People if one of them has a judgement in this study; otherwise the simulated participants, if any."""
    return "simulated" if programs_alone(cells(session, study_id)) else "people"


def programs_alone(judged: Sequence[JudgedCell]) -> bool:
    return bool(judged) and all(cell.simulated for cell in judged)


def flag_kinds(session: Session, study_id: int, who: Who) -> Sequence[tuple[str, int]]:
    """Each kind of quality flag in a study with the number of participants who have it."""
    counted = func.count(QualityFlag.participant_id.distinct())
    query = (
        select(QualityFlag.kind, counted)
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id, Choice(who).condition)
        .group_by(QualityFlag.kind)
        .order_by(QualityFlag.kind)
    )
    return [(kind, number) for kind, number in session.execute(query)]


def checked(session: Session, study_id: int, choice: Choice) -> Choice:
    """The same choice; `BadInput` when it excludes a quality flag that no participant has."""
    known = [kind for kind, _ in flag_kinds(session, study_id, choice.who)]
    if unknown := sorted(set(choice.without) - set(known)):
        known_kinds = f"there are {', '.join(known)}" if known else "there are none"
        raise BadInput(f"Nobody in this study has the quality flag {unknown[0]}; {known_kinds}.")
    return choice


def fingerprint(session: Session, study_id: int) -> dict[str, int]:
    """Counts that change with every decision or flag: if they are equal, an analysis is up to date."""
    decided = sum(cell.decided for cell in cells(session, study_id))
    flags = (
        select(func.count(), func.max(QualityFlag.id))
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id)
    )
    flagged, last_flag = session.execute(flags).one()
    changed = changes(session, study_id)
    return {"decisions": decided, "changes": changed, "flags": flagged, "last_flag": last_flag or 0}


def participant_count(session: Session, study_id: int, choice: Choice) -> int:
    """Number of participants with a judgement."""
    query = judgements(select(func.count(Participant.id.distinct())), study_id)
    return session.scalar(query.where(choice.condition)) or 0
