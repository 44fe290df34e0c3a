"""Who somebody is: a worker id, or a link token where there is none. Known here and nowhere else.

A worker id names a person and proves nothing: other researchers know it, and whoever shares a screen does.
What proves that somebody is the person who began a visit is a link token, the platform's session (MTurk's
assignment, Prolific's submission), which it tells to nobody else, or a token that an earlier browser was
given.
"""

import hmac
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.errors import BadInput
from app.models import LinkKind, ParticipantToken, Source, Study, StudyLink, WorkerIdentity
from app.recruitment.platforms import platform_id
from app.recruitment.schemas import Enrolment
from app.security import link_identity, link_secret, new_link_token, token_hash
from app.studies.plan import plan_of


@dataclass(frozen=True, slots=True)
class Claim:
    """Who somebody says they are, and what they bring to prove it."""

    source: Source
    identity: str
    """What is stored of the person: their id on a platform, or what a link token stands for."""
    session: str | None = None
    token: str = ""
    """A bearer token, where the browser has one."""


def page_token(session: Session, given: str | None) -> str:
    """The link token of a page: the one in its address, or a new one where it has none.

    BadInput for one that is not ours: whoever was sent a personal link would be a stranger with a new one.
    """
    if given is None:
        return new_link_token(link_secret(session))
    given_identity(session, given)
    return given


def given_identity(session: Session, token: str) -> str:
    """What a link token of an address stands for; BadInput for one that is not ours."""
    identity = link_identity(link_secret(session), token)
    if identity is None:
        raise BadInput("This personal link is not complete. Please open it again from where you found it.")
    return identity


def claim_of(session: Session, enrolment: Enrolment, *, token: str) -> Claim:
    """Who consents; BadInput when they bring nothing that names a person."""
    source, kept = enrolment.source, enrolment.assignment_id
    own = kept and platform_id(source, kept)
    if source is Source.LINK:
        identity = link_identity(link_secret(session), enrolment.link_token or "")
        if identity is None or enrolment.external_id is not None:
            raise BadInput("This link is not one of ours; please open the study's address again.")
        return Claim(source, identity, own, token)
    if enrolment.external_id is None:
        raise BadInput(f"Who comes through {source} needs an external_id.")
    return Claim(source, platform_id(source, enrolment.external_id), own, token)


def lock_person(session: Session, claim: Claim) -> None:
    """One enrolment of a person at a time, in whatever study. Comes before the lock of any study."""
    key = func.hashtextextended(f"{claim.source} {claim.identity}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))


def visit_of(session: Session, study: Study, claim: Claim) -> WorkerIdentity | None:
    """The visit that the person of this name has in a study, whoever it is that claims it."""
    return session.scalar(
        select(WorkerIdentity).where(
            WorkerIdentity.study_id == study.id,
            WorkerIdentity.source == claim.source,
            WorkerIdentity.external_id == claim.identity,
        )
    )


def proves(session: Session, claim: Claim, visit: WorkerIdentity) -> bool:
    """Whether a claim comes from the person who began that visit.

    From a browser with a token, another session than the first replaces it: a task that was returned and
    taken again.
    """
    if claim.source is Source.LINK and not _is_single_use(session, visit):
        return True
    if claim.session and hmac.compare_digest(claim.session.encode(), (visit.assignment_id or "").encode()):
        return True
    if not holds_token(session, claim.token, visit.participant_id):
        return False
    visit.assignment_id = claim.session or visit.assignment_id
    return True


def _is_single_use(session: Session, visit: WorkerIdentity) -> bool:
    link = session.get(StudyLink, visit.link_id) if visit.link_id else None
    return link is not None and link.kind is LinkKind.SINGLE_USE


def holds_token(session: Session, token: str, participant_id: UUID) -> bool:
    known = select(ParticipantToken.token_hash).where(
        ParticipantToken.token_hash == token_hash(token), ParticipantToken.participant_id == participant_id
    )
    return session.scalar(known) is not None


def kept_out_by(study: Study) -> ColumnElement[bool]:
    """Of studies, those whose people may not take part in this one: those that it names, its pilots, the
    pilots of either, and for a pilot its study and the other pilots."""
    named = {*plan_of(study).exclude_studies, study.pilot_of or study.slug}
    return or_(Study.slug.in_(named), Study.pilot_of.in_(named)) & (Study.id != study.id)


def took_part_before(session: Session, study: Study, claim: Claim) -> bool:
    """Whether this person consented to a study that keeps them out, whatever became of it."""
    known = (
        select(WorkerIdentity.participant_id)
        .join(Study, Study.id == WorkerIdentity.study_id)
        .where(
            kept_out_by(study),
            WorkerIdentity.source == claim.source,
            WorkerIdentity.external_id == claim.identity,
        )
    )
    if claim.source is Source.PANEL and (panel := plan_of(study).panel):
        # Two panels may give the same number to two people.
        known = known.where(Study.visit["panel"]["name"].astext == panel.name)
    return bool(session.scalar(select(known.exists())))
