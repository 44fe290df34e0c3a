"""Consent makes a participant; nothing else does. And how visits end before their last answer."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, Select, String, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import (
    AlreadyTookPart,
    BadInput,
    BegunElsewhere,
    ConsentMissing,
    NotFound,
    QuotaFull,
    StudyNotOpen,
    WrongState,
)
from app.jobs import CHECK_QUALITY, enqueue
from app.models import (
    REFERENCE_LENGTH,
    Annotation,
    Arm,
    Dataset,
    Decision,
    LinkKind,
    MapSet,
    Participant,
    ParticipantState,
    ParticipantToken,
    QualityFlag,
    QuizAttempt,
    ReturnLink,
    Screening,
    Source,
    StaffNote,
    Study,
    StudyLink,
    StudyState,
    Trial,
    TrialKind,
    TrialState,
    WorkerIdentity,
)
from app.recruitment.assignment import assign_visit, choose_arm, has_places, lock_study
from app.recruitment.identity import (
    Claim,
    claim_of,
    lock_person,
    proves,
    took_part_before,
    visit_of,
)
from app.recruitment.links import LINK_USED, link_in
from app.recruitment.platforms import Arrival
from app.recruitment.schemas import Enrolment
from app.recruitment.ways_out import way_out, way_out_of
from app.security import link_identity, link_secret, new_token, token_hash
from app.studies.places import give_back_places, release_lapsed
from app.studies.plan import VisitPlan, plan_of
from app.studies.service import find_study

CODE_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that can be mistaken for another

MOST_BROWSERS: Final = 20
"""That one participant may have a token in."""

RETURN_LIFETIME: Final = timedelta(days=2)


def enrol(session: Session, slug: str, enrolment: Enrolment, *, token: str = "") -> tuple[Participant, bool]:
    """The participant who gave this consent, and whether they are new.

    The same person again gets the same participant: a worker id or a link token has one participation
    in a study, however many requests arrive at once. Who has taken part in a study that is closed by now
    comes back to their ending; nobody else gets into it.

    token : what an earlier visit of this browser was given, if it has one
    """
    found = find_study(session, slug)
    plan = plan_of(found)
    if found.state is StudyState.DRAFT:
        who = Claim(enrolment.source, enrolment.external_id or "", enrolment.assignment_id)
        raise StudyNotOpen(way_out=way_out(session, found, plan, "closed", who))
    claim = claim_of(session, enrolment, token=token)
    lock_person(session, claim)
    study = lock_study(session, found.id)
    known = visit_of(session, study, claim)
    if known and proves(session, claim, known):
        return _welcome_back(session, known, study, plan), False
    _check_newcomer(session, study, plan, enrolment, claim)
    link = link_in(session, study, plan, claim, via=enrolment.via)
    arm = _free_arm(session, study, plan, claim)
    if known:  # said last: where a newcomer would be refused, nobody learns whether an id has taken part
        raise BegunElsewhere(LINK_USED if link else None)
    return _admit(session, study, arm, enrolment, claim, link), True


def entrance(session: Session, study: Study, who: Arrival) -> StudyState | Literal["full"]:
    """The study's state as somebody meets it who has read nothing yet: `full` where nobody new gets in.

    Whoever shows that they are in already finds an open study, unless it is closed: they go on.
    """
    is_open = study.state is StudyState.OPEN
    if study.state is StudyState.CLOSED or (is_open and has_places(session, study.id)):
        return study.state
    if _is_in(session, study, who):
        return StudyState.OPEN
    return "full" if is_open else study.state


def _is_in(session: Session, study: Study, who: Arrival) -> bool:
    """Whether an address alone shows whose visit it leads to."""
    given = (
        link_identity(link_secret(session), who.link or "") if who.source is Source.LINK else who.external_id
    )
    if given is None:
        return False
    claim = Claim(who.source, given, who.session)
    known = visit_of(session, study, claim)
    return known is not None and proves(session, claim, known)


def _welcome_back(session: Session, known: WorkerIdentity, study: Study, plan: VisitPlan) -> Participant:
    participant = session.get_one(Participant, known.participant_id)
    if participant.state is ParticipantState.WITHDRAWN:
        raise AlreadyTookPart(
            "You have withdrawn from this study.",
            way_out=way_out_of(session, study, plan, "already_took_part", participant),
        )
    return participant


def _check_newcomer(
    session: Session, study: Study, plan: VisitPlan, enrolment: Enrolment, claim: Claim
) -> None:
    if study.state is not StudyState.OPEN:
        raise StudyNotOpen(way_out=way_out(session, study, plan, "closed", claim))
    if enrolment.consent_version != study.consent_version:
        raise ConsentMissing
    if enrolment.source is Source.SIMULATED and not study.accepts_simulated:
        raise BadInput("This study does not accept simulated participants.")
    if enrolment.source is Source.PANEL and plan.panel is None:
        raise BadInput("This study has no panel of its own.")
    if took_part_before(session, study, claim):
        raise AlreadyTookPart(
            "You took part in an earlier study. Its participants cannot take part in this one.",
            way_out=way_out(session, study, plan, "already_took_part", claim),
        )


def _free_arm(session: Session, study: Study, plan: VisitPlan, claim: Claim) -> Arm:
    release_lapsed(session, study.id)
    arm = choose_arm(session, study)
    if arm is None:
        raise QuotaFull(way_out=way_out(session, study, plan, "quota_full", claim))
    return arm


def _admit(
    session: Session, study: Study, arm: Arm, enrolment: Enrolment, claim: Claim, link: StudyLink | None
) -> Participant:
    participant = Participant(
        study_id=study.id,
        arm_id=arm.id,
        source=enrolment.source,
        study_version=study.version,
        consent_version=enrolment.consent_version,
        lease_expires_at=datetime.now(UTC) + study.lease,
        client=enrolment.client,
    )
    session.add(participant)
    session.flush()  # its trials refer to it
    session.add(
        WorkerIdentity(
            participant_id=participant.id,
            study_id=study.id,
            source=enrolment.source,
            external_id=claim.identity,
            assignment_id=claim.session,
            link_id=link.id if link else None,
        )
    )
    if enrolment.website:
        detail = {"characters": len(str(enrolment.website))}
        session.add(QualityFlag(participant_id=participant.id, kind="honeypot", detail=detail))
    traps = plan_of(study).traps
    assign_visit(session, participant, arm, wanted=study.trials_per_participant, traps=traps)
    return participant


def issue_token(session: Session, participant: Participant) -> str:
    """A new token for one more browser of this participant; the oldest of too many is forgotten."""
    token = new_token()
    mine = ParticipantToken.participant_id == participant.id
    newest = select(ParticipantToken.token_hash).where(mine).order_by(ParticipantToken.created_at.desc())
    kept = newest.limit(MOST_BROWSERS - 1)
    session.execute(delete(ParticipantToken).where(mine, ParticipantToken.token_hash.not_in(kept)))
    session.add(ParticipantToken(token_hash=token_hash(token), participant_id=participant.id))
    return token


def return_link(session: Session, participant: Participant) -> str:
    """The path of a page that lets somebody back into their visit once, in whatever browser.

    WrongState when they have withdrawn: there is nothing to go back to.
    """
    if participant.state is ParticipantState.WITHDRAWN:
        raise WrongState("This participant has withdrawn; nobody can go on with that visit.")
    code = new_token()
    session.add(
        ReturnLink(
            code_hash=token_hash(code),
            participant_id=participant.id,
            expires_at=datetime.now(UTC) + RETURN_LIFETIME,
        )
    )
    # Behind the #, where no server logs it and no program that looks at links in letters spends it.
    return f"/s/{session.get_one(Study, participant.study_id).slug}#r={code}"


def come_back(session: Session, code: str) -> Participant:
    """Spend a return link; NotFound when it is spent or lapsed.

    Whoever was in this visit before is out: staff send a link when somebody else may be.
    """
    spent = session.scalar(
        delete(ReturnLink)
        .where(ReturnLink.code_hash == token_hash(code), ReturnLink.expires_at > datetime.now(UTC))
        .returning(ReturnLink.participant_id)
    )
    participant = session.get(Participant, spent) if spent else None
    if participant is None or participant.state is ParticipantState.WITHDRAWN:
        raise NotFound("This link has been used or has lapsed. Please ask for a new one.")
    session.execute(delete(ParticipantToken).where(ParticipantToken.participant_id == participant.id))
    known = WorkerIdentity.participant_id == participant.id
    session.execute(update(WorkerIdentity).where(known).values(assignment_id=None))
    return participant


def find_by_id(session: Session, study: Study, given: str) -> Participant:
    """Somebody in a study by their worker id, the label of their link, their reference or their whole id.

    NotFound when nobody has it; BadInput for a reference that several have.
    """
    wanted = given.strip().lower()
    by_worker = select(WorkerIdentity.participant_id).where(
        WorkerIdentity.study_id == study.id,
        WorkerIdentity.source != Source.LINK,
        func.lower(WorkerIdentity.external_id) == wanted,
    )
    by_label = (
        select(WorkerIdentity.participant_id)
        .join(StudyLink, StudyLink.id == WorkerIdentity.link_id)
        .where(
            StudyLink.study_id == study.id,
            StudyLink.kind != LinkKind.REUSABLE,
            func.lower(StudyLink.label) == wanted,
        )
    )
    meant: list[ColumnElement[bool]] = [Participant.id.in_(by_worker), Participant.id.in_(by_label)]
    if len(wanted) >= REFERENCE_LENGTH:
        meant.append(cast(Participant.id, String).startswith(wanted, autoescape=True))
    query = select(Participant).where(Participant.study_id == study.id, or_(*meant))
    found = session.scalars(query.limit(2)).all()
    if not found:
        raise NotFound(f"Nobody in {study.slug} has this worker id, label, reference or participant id.")
    if len(found) > 1:
        raise BadInput(f"Several people in {study.slug} are meant by this; give the whole participant id.")
    return found[0]


def count_trials(session: Session, participant: Participant) -> int:
    """How many trials a participant has or had, not counting practice and those given back."""
    return session.scalar(_trials_of(participant, Trial.kind != TrialKind.PRACTICE)) or 0


def count_main(session: Session, participant: Participant) -> int:
    """How many main trials a participant has or had, not counting those given back."""
    return session.scalar(_trials_of(participant, Trial.kind == TrialKind.MAIN)) or 0


def _trials_of(participant: Participant, kind: ColumnElement[bool]) -> Select[int]:
    held = (Trial.participant_id == participant.id, Trial.state != TrialState.RELEASED)
    return select(func.count()).select_from(Trial).where(*held, kind)


def arm_of(session: Session, participant: Participant) -> Arm:
    return session.get_one(Arm, participant.arm_id)


def new_completion_code() -> str:
    """Forty-nine random bits that survive being read aloud."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def screen_out(session: Session, participant: Participant, by: Screening) -> None:
    """End a visit whose quiz or checks were failed; their places go to others. Under the study's lock.

    What they did is kept, and counts as nobody's judgement.
    """
    give_back_places(session, participant)
    mark_stale(session, participant)
    participant.state = ParticipantState.SCREENED_OUT
    participant.screened_out_at = datetime.now(UTC)
    participant.screened_out_by = by
    enqueue(session, CHECK_QUALITY, participant_id=str(participant.id))


def withdraw(session: Session, participant: Participant) -> None:
    """Remove what a participant did, give their places back, and mark what was derived from it stale."""
    lock_study(session, participant.study_id)
    session.refresh(participant)
    if participant.state is not ParticipantState.SCREENED_OUT and participant.excluded_at is None:
        # The places of the others went to others then.
        give_back_places(session, participant)
    # From here on a report of their device or a check of their quality waits, and then finds nobody.
    session.refresh(participant, with_for_update=True)
    mark_stale(session, participant)
    theirs = select(Trial.id).where(Trial.participant_id == participant.id)
    session.execute(delete(Decision).where(Decision.trial_id.in_(theirs)))
    for raw in (StaffNote, QualityFlag, QuizAttempt, Trial):
        session.execute(delete(raw).where(raw.participant_id == participant.id))
    participant.state = ParticipantState.WITHDRAWN
    participant.client = {}
    participant.device = participant.answers = None
    participant.pastes = participant.drops = None
    participant.excluded_at = participant.exclusion = None  # why they were excluded tells what they did


def remove_work(session: Session, participant: Participant) -> None:
    """Withdraw a participant on their behalf; `WrongState` when that was done before."""
    if participant.state is ParticipantState.WITHDRAWN:
        raise WrongState("This participant's work has been removed already.")
    withdraw(session, participant)


def mark_stale(session: Session, participant: Participant) -> None:
    """Mark what was made of a participant's work: datasets count judgements, maps only what was painted.

    Whoever leaves before they judged a main trial is in neither: a passer-by makes nothing stale.
    """
    judged = (
        select(Decision.id)
        .join(Trial, Trial.id == Decision.trial_id)
        .where(Trial.participant_id == participant.id, Trial.kind == TrialKind.MAIN)
    )
    painted = judged.join(Annotation, Annotation.decision_id == Decision.id)
    for derived, work in ((MapSet, painted), (Dataset, judged)):
        if session.scalar(select(work.exists())):
            session.execute(
                update(derived).where(derived.study_id == participant.study_id).values(stale=True)
            )
