"""Record each decision exactly once."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    Select,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from app.deps import Visit
from app.errors import (
    AlreadyDecided,
    AnnotationNotAsked,
    BadInput,
    NotFound,
    PlaceGivenAway,
    StudyNotOpen,
    Unavailable,
)
from app.models import (
    Annotation,
    Decision,
    Image,
    Label,
    Participant,
    ParticipantState,
    RegionCheck,
    Screening,
    Side,
    Stroke,
    Study,
    StudyContent,
    StudyState,
    Trial,
    TrialKind,
    TrialState,
)
from app.recruitment.assignment import lock_study, retake_trials
from app.recruitment.service import screen_out
from app.studies.plan import VisitPlan
from app.trials.paintings import check_rule, read_painting, region_iou
from app.trials.schemas import AnnotationRule, DecisionBody, Feedback
from app.trials.service import AnyRow, finish, renew_lease
from app.trials.steps import Step, next_step

CLOSED: Final = "This study has been closed. Nothing more is recorded."

Left, Right = aliased(Image), aliased(Image)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Which image a decision chose, and whether that is correct.

    region_iou : of a region check, how well the painting covers the region; None of a pair
    """

    chosen_image_id: int
    correct: bool
    region_iou: float | None = None


def record_decision(
    session: Session, visit: Visit, plan: VisitPlan, trial_id: UUID, body: DecisionBody
) -> Feedback | None:
    """Write a decision and its strokes, once; returns the feedback of a practice trial.

    The same body again changes nothing; another body is refused. A decision that comes after the
    place was given away takes the place again if it is free, and is refused otherwise, so that no
    study collects more than it wants. A paused study still takes decisions, a closed one does not.
    """
    trial = _find(session, visit, trial_id)
    if trial.state is TrialState.DECIDED:
        _require_equal(session, trial_id, body_hash(body))
        return _feedback(trial, body)
    if visit.study.state is StudyState.CLOSED:
        raise StudyNotOpen(CLOSED)
    assessment = _assess(trial, visit, body)
    strokes = strokes_text(body)
    fingerprint = _hashed(body, strokes)
    may_end = trial.kind is TrialKind.CHECK and not assessment.correct and plan.max_failed is not None
    # Both ways change quotas. Most decisions do neither, and so do not wait for the study's lock.
    if may_end or trial.state is TrialState.RELEASED:
        lock_study(session, visit.study.id)
    if trial.state is TrialState.RELEASED:
        _take_again(session, visit, trial_id)
    if not _record(session, trial_id, body, assessment, strokes, fingerprint):
        _decided_meanwhile(session, visit, trial_id, fingerprint)
        return _feedback(trial, body)
    if may_end:
        _screen_out_if_failed(session, visit, plan)
    if trial.undecided == 1 and next_step(visit, plan, undecided=False) is Step.END:
        finish(session, visit.participant)
    renew_lease(visit)
    return _feedback(trial, body)


def _find(session: Session, visit: Visit, trial_id: UUID) -> AnyRow:
    """A trial of the participant with all that its decision needs, and how many trials are undecided."""
    key = {"trial_id": trial_id, "participant_id": visit.participant.id}
    return session.execute(TRIAL_OF_PARTICIPANT, key).first() or _missing()


def _trial_of_participant() -> Select[Any]:
    is_theirs = Trial.participant_id == bindparam("participant_id")
    undecided = select(func.count()).where(is_theirs, Trial.state != TrialState.DECIDED).scalar_subquery()
    return (
        select(
            Trial.kind,
            Trial.state,
            Trial.question,
            Trial.left_image_id,
            Trial.right_image_id,
            Left.label.label("left_label"),
            Right.label.label("right_label"),
            Left.width,
            Left.height,
            RegionCheck.region,
            RegionCheck.min_iou,
            undecided.label("undecided"),
        )
        .join(Left, Left.id == Trial.left_image_id)
        .outerjoin(Right, Right.id == Trial.right_image_id)
        .outerjoin(RegionCheck, RegionCheck.id == Trial.region_check_id)
        .where(is_theirs, Trial.id == bindparam("trial_id"))
    )


TRIAL_OF_PARTICIPANT: Final = _trial_of_participant()
"""Built once, because every decision needs it."""


def _missing() -> NoReturn:
    raise NotFound("You have no such trial.")


def _require_equal(session: Session, trial_id: UUID, fingerprint: str) -> None:
    """`AlreadyDecided`: the recorded decision differs from the one that was sent."""
    recorded = session.scalar(select(Decision.body_hash).where(Decision.trial_id == trial_id))
    if recorded != fingerprint:
        raise AlreadyDecided


def body_hash(body: DecisionBody) -> str:
    """SHA-256 of a decision's content; the order of its keys does not matter."""
    return _hashed(body, strokes_text(body))


def strokes_text(body: DecisionBody) -> str:
    """The strokes as JSON, for the hash and the database; made once, as they are most of a decision."""
    return json.dumps(body.strokes, sort_keys=True, separators=(",", ":"))


def _hashed(body: DecisionBody, strokes: str) -> str:
    fields = body.model_dump(mode="json", exclude={"strokes"})
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    # "strokes" sorts last, so that this is the JSON of the whole body without writing the strokes again.
    return hashlib.sha256(f'{text[:-1]},"strokes":{strokes}}}'.encode()).hexdigest()


def _assess(trial: AnyRow, visit: Visit, body: DecisionBody) -> Assessment:
    """Whether a decision is correct; `BadInput` when it breaks the rules of its trial."""
    if body.strokes and not visit.arm.annotate:
        raise AnnotationNotAsked
    painting = read_painting(body.strokes or [], (trial.width, trial.height))
    if trial.region is not None:
        if body.choice is not Side.LEFT:
            raise BadInput("This trial has one picture only; its side is left.")
        check_rule(PAINT_SOMETHING, painting)
        iou = region_iou(painting, trial.region)
        return Assessment(trial.left_image_id, iou >= trial.min_iou, iou)
    if visit.arm.annotate:
        check_rule(rule_of(visit.content), painting)
    chosen = "left" if body.choice is Side.LEFT else "right"
    label: Label = getattr(trial, f"{chosen}_label")
    return Assessment(getattr(trial, f"{chosen}_image_id"), label.value == trial.question.value)


PAINT_SOMETHING = AnnotationRule(min_strokes=1, min_area=0, max_area=1)
"""The rule of region checks, whatever the study's own: each check has its region and least overlap."""


def rule_of(content: StudyContent) -> AnnotationRule:
    return AnnotationRule(
        min_strokes=content.min_strokes, min_area=content.min_area, max_area=content.max_area
    )


def _take_again(session: Session, visit: Visit, trial_id: UUID) -> None:
    """Take the place of a released trial again, under the study's lock; `PlaceGivenAway` when it is taken."""
    # Both may have changed while this request waited for the lock.
    session.refresh(visit.participant)
    trial = session.get(Trial, trial_id, populate_existing=True) or _missing()
    if visit.participant.state is ParticipantState.SCREENED_OUT:
        raise PlaceGivenAway
    if trial.state is TrialState.RELEASED:
        if not retake_trials(session, visit.participant, trials=[trial]):
            raise PlaceGivenAway
        session.flush()


def _decided_meanwhile(session: Session, visit: Visit, trial_id: UUID, fingerprint: str) -> None:
    """Answer a request that came second: it is refused unless the first one sent the same decision."""
    match _find(session, visit, trial_id).state:
        case TrialState.RELEASED:
            raise Unavailable  # its lease has just lapsed; the next try takes the place again
        case TrialState.ASSIGNED:
            raise StudyNotOpen(CLOSED)  # just now, or it would have been recorded
    _require_equal(session, trial_id, fingerprint)


def _record(
    session: Session,
    trial_id: UUID,
    body: DecisionBody,
    assessment: Assessment,
    strokes: str,
    fingerprint: str,
) -> bool:
    """Mark a trial as decided and write the decision, in one statement and so in one round trip.

    Of several requests at once the first succeeds; for the others this writes nothing and returns False.
    """
    row = {
        "trial": trial_id,
        "choice": body.choice,
        "chosen_image_id": assessment.chosen_image_id,
        "correct": assessment.correct,
        "region_iou": assessment.region_iou,
        "decision_ms": body.decision_ms,
        "annotation_ms": body.annotation_ms,
        "events": [event.model_dump() for event in body.events],
        "body_hash": fingerprint,
    }
    if not body.strokes:
        return session.execute(DECIDE, row).first() is not None
    return session.execute(DECIDE_AND_PAINT, {**row, "strokes": strokes}).first() is not None


RECORDED: Final = (
    "choice",
    "chosen_image_id",
    "correct",
    "region_iou",
    "decision_ms",
    "annotation_ms",
    "events",
    "body_hash",
)


def _recording(*, painted: bool) -> Select[Any]:
    """The statement that records a decision, with its annotation if something was painted."""
    # Each part reads the rows that the part before returned: no claimed trial, no decision.
    claimed = (
        update(Trial)
        .where(Trial.id == bindparam("trial"), Trial.state == TrialState.ASSIGNED, ~_is_closed())
        .values(state=TrialState.DECIDED, draft=None)
        .returning(Trial.id)
        .cte("claimed")
    )
    # Parameters of a SELECT have no column to take their types from.
    types = {name: Decision.__table__.c[name].type for name in RECORDED}
    values = (cast(bindparam(name, type_=kind), kind) for name, kind in types.items())
    decided = (
        insert(Decision)
        .from_select(["trial_id", *RECORDED], select(claimed.c.id, *values))
        .returning(Decision.id, Decision.chosen_image_id)
        .cte("decided")
    )
    query = select(decided.c.id)
    return query.add_cte(_painting(decided)) if painted else query


def _is_closed() -> ColumnElement[bool]:
    """Whether the study of a trial is closed when the statement runs, not when the visit was read."""
    closed = select(Study.id).join(Participant, Participant.study_id == Study.id)
    return closed.where(Participant.id == Trial.participant_id, Study.state == StudyState.CLOSED).exists()


def _painting(decided: CTE) -> CTE:
    """Insert the annotation and its strokes, as they were sent and in their order."""
    annotated = (
        insert(Annotation)
        .from_select(["decision_id", "image_id"], select(decided.c.id, decided.c.chosen_image_id))
        .returning(Annotation.id)
        .cte("annotated")
    )
    # The strokes travel as one JSON text that PostgreSQL takes apart: a parameter for each would be slow.
    elements = func.jsonb_array_elements(cast(bindparam("strokes", type_=Text), JSONB))
    sent = elements.table_valued(column("stroke", JSONB), with_ordinality="number", name="sent")
    sent = sent.render_derived()
    stroke = sent.c.stroke
    fields = (stroke["tool"].astext, cast(stroke["radius"].astext, Double), stroke["points"])
    return (
        insert(Stroke)
        .from_select(
            ["annotation_id", "position", "tool", "radius", "points"],
            select(annotated.c.id, sent.c.number - 1, *fields).select_from(annotated.join(sent, true())),
        )
        .cte("painting")
    )


DECIDE: Final = _recording(painted=False)
DECIDE_AND_PAINT: Final = _recording(painted=True)


def _screen_out_if_failed(session: Session, visit: Visit, plan: VisitPlan) -> None:
    """End the visit, under the study's lock, when more checks have failed than the study allows."""
    participant = visit.participant
    session.refresh(participant)  # another page may have ended the visit while this one waited
    failed = session.scalar(
        select(func.count())
        .select_from(Decision)
        .join(Trial, Trial.id == Decision.trial_id)
        .where(
            Trial.participant_id == participant.id,
            Trial.kind == TrialKind.CHECK,
            ~Decision.correct,
        )
    )
    is_active = participant.state is ParticipantState.ACTIVE
    if is_active and plan.max_failed is not None and (failed or 0) > plan.max_failed:
        screen_out(session, participant, Screening.CHECKS)


def _feedback(trial: AnyRow, body: DecisionBody) -> Feedback | None:
    if trial.kind is not TrialKind.PRACTICE:
        return None
    fake = Side.LEFT if trial.left_label is Label.FAKE else Side.RIGHT
    is_fake_wanted = trial.question.value == Label.FAKE.value
    return Feedback(correct=(body.choice is fake) == is_fake_wanted, fake=fake)
