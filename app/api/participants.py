"""Participants of a study: random ids, never worker ids."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session

from app.dashboard.participants import queries, visits
from app.dashboard.participants.bulk import BulkAction, act
from app.dashboard.participants.queries import ParticipantFilter
from app.dashboard.participants.visits import TrialRecord
from app.deps import Config, CurrentStaff, Db, Editor
from app.messages import Answer, Body
from app.models import Participant, ParticipantState, Source
from app.quality.evidence import Word
from app.quality.service import (
    SENTENCES,
    check_participant,
    evidence_of,
    flags_by_kind,
    flags_of,
    set_aside,
    take_back,
)
from app.recruitment.service import find_by_id, remove_work, return_link
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api/studies/{slug}/participants", tags=["participants"])


class ParticipantLine(Answer):
    """A participant in the list of a study."""

    id: UUID
    arm: str
    state: ParticipantState
    source: Source
    study_version: int
    """In which they began."""
    consented_at: datetime
    finished_at: datetime | None
    trials: int
    decided: int
    flags: int


class ParticipantPage(Answer):
    """Some participants, the newest first."""

    participants: list[ParticipantLine]
    after: str | None
    """The parameter `after` of the next page; null on the last one."""


class FlagView(Answer):
    """A quality flag, and what it means."""

    kind: str
    meaning: str
    trial: int | None
    """Position of the trial that it is about; null when it is about the whole visit."""


class EvidenceView(Answer):
    """One piece of evidence that a program worked the page; see docs/quality.md."""

    name: str
    meaning: str
    found: float | None
    """Null where there was too little to measure."""
    limit: float
    weight: Word
    """What it says where it is met: a note never raises a flag."""
    is_met: bool


class ParticipantDetail(Answer):
    """A participant with their quality flags."""

    id: UUID
    state: ParticipantState
    source: Source
    study_version: int
    """In which they began."""
    consented_at: datetime
    finished_at: datetime | None
    flags: list[FlagView]
    evidence: list[EvidenceView]


class TrialPage(Answer):
    """Some trials of a participant, in their order."""

    trials: list[TrialRecord]
    after: int | None
    """The parameter `after` of the next page; null on the last one."""


class SetAside(Body):
    """Why somebody is left out."""

    reason: str = Field("", max_length=200)


class WhoBody(Body):
    """Somebody's worker id, the label of their link, the reference that they quote, or their whole id."""

    who: str = Field(max_length=200)


class ReturnLinkView(Answer):
    """An address that lets somebody back into their visit once, for two days."""

    address: str


class FlagCount(Answer):
    """A kind of quality flag in a study."""

    kind: str
    meaning: str
    participants: int
    """Who have it."""
    flags: int


class Bulk(Body):
    """What to do to many participants."""

    action: BulkAction
    participants: list[UUID]
    text: str = Field("", max_length=5000)
    """The reason of `set_aside`, or the `note`."""


class BulkDone(Answer):
    """How many it was done to."""

    participants: int


@router.get("")
def participants(
    db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[ParticipantFilter, Query()]
) -> ParticipantPage:
    """Everybody who consented, the newest first, page by page."""
    rows = queries.list_participants(db, find_study(db, slug), wanted)
    shown = rows[: queries.PAGE_SIZE]
    ids = [row.Participant.id for row in shown]
    work, flags = queries.work_by_participant(db, ids), queries.count_flags(db, ids)
    lines = []
    for row in shown:
        person, done = row.Participant, work.get(row.Participant.id)
        lines.append(
            ParticipantLine(
                id=person.id,
                arm=row.arm,
                state=person.state,
                source=person.source,
                study_version=person.study_version,
                consented_at=person.consented_at,
                finished_at=person.finished_at,
                trials=done.trials if done else 0,
                decided=done.decided if done else 0,
                flags=flags.get(person.id, 0),
            )
        )
    after = queries.position(shown[-1]) if len(rows) > len(shown) else None
    return ParticipantPage(participants=lines, after=after)


@router.post("/bulk")
def do_to_many(db: Db, editor: Editor, slug: str, body: Bulk) -> BulkDone:
    """One action on many participants: all of them, or none."""
    study = find_study(db, slug)
    return BulkDone(participants=act(db, study, body.participants, body.action, body.text, staff=editor))


@router.post("/find")
def find(db: Db, _editor: Editor, slug: str, body: WhoBody) -> ParticipantDetail:
    """Find somebody. A worker id is sent in the body: it must be in no address."""
    return view(db, find_by_id(db, find_study(db, slug), body.who))


@router.get("/flags")
def count_flags(db: Db, _staff: CurrentStaff, slug: str) -> list[FlagCount]:
    """The quality flags of a study by kind, the most frequent first."""
    rows = flags_by_kind(db, find_study(db, slug).id)
    return [FlagCount(meaning=SENTENCES[row["kind"]], **row) for row in rows]


@router.get("/{participant_id}")
def participant(db: Db, _staff: CurrentStaff, slug: str, participant_id: UUID) -> ParticipantDetail:
    """One participant."""
    return view(db, queries.get_participant(db, find_study(db, slug), participant_id))


@router.get("/{participant_id}/trials")
def trials(
    db: Db,
    _staff: CurrentStaff,
    slug: str,
    participant_id: UUID,
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> TrialPage:
    """What a participant did in each trial: times, choice, events and strokes; page by page."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    found = visits.records_of(db, person, after=after, limit=visits.PAGE_SIZE + 1)
    shown = found[: visits.PAGE_SIZE]
    return TrialPage(trials=shown, after=shown[-1].position if len(found) > len(shown) else None)


@router.post("/{participant_id}/set-aside")
def put_aside(db: Db, _editor: Editor, slug: str, participant_id: UUID, body: SetAside) -> ParticipantDetail:
    """Flag somebody whom maps and analyses can then leave out; nothing is deleted."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    set_aside(db, person, reason=body.reason.strip())
    return view(db, person)


@router.post("/{participant_id}/take-back")
def take_in_again(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> ParticipantDetail:
    """Undo `set-aside`."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    take_back(db, person)
    return view(db, person)


@router.post("/{participant_id}/check")
def check(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> ParticipantDetail:
    """Look at somebody's work again: their quality flags are raised anew."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    check_participant(db, person.id)
    return view(db, person)


@router.post("/{participant_id}/return-link", status_code=201)
def let_back_in(db: Db, config: Config, _editor: Editor, slug: str, participant_id: UUID) -> ReturnLinkView:
    """Make a link for somebody who cannot get back into their visit; it is shown only here."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    return ReturnLinkView(address=config.public_url.rstrip("/") + return_link(db, person))


@router.post("/{participant_id}/withdraw")
def remove(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> ParticipantDetail:
    """Remove a participant's work for good, at their request."""
    person = queries.get_participant(db, find_study(db, slug), participant_id)
    remove_work(db, person)
    return view(db, person)


def view(db: Session, person: Participant) -> ParticipantDetail:
    db.flush()
    flags = [
        FlagView(kind=raised.flag.kind, meaning=raised.sentence, trial=raised.position)
        for raised in flags_of(db, person)
    ]
    evidence = [
        EvidenceView(
            name=one.name,
            meaning=one.label,
            found=one.found,
            limit=one.limit,
            weight=one.word,
            is_met=one.is_met,
        )
        for one in evidence_of(db, person).measures
    ]
    names = ParticipantDetail.model_fields.keys() - {"flags", "evidence"}
    kept = {name: getattr(person, name) for name in names}
    return ParticipantDetail(flags=flags, evidence=evidence, **kept)
