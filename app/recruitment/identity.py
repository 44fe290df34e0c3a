"""Who somebody is: a worker id, or a link token where there is none. Known here and nowhere else."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import BadInput
from app.models import Participant, Secret, Source, Study, WorkerIdentity
from app.recruitment.schemas import Enrolment
from app.security import link_identity, new_link_token


def link_secret(session: Session) -> bytes:
    return session.scalars(select(Secret.value).where(Secret.name == "links")).one()


def page_token(session: Session, given: str | None) -> str:
    """The link token of a page: the one in its address if it is true, else a new one."""
    secret = link_secret(session)
    return given if given and link_identity(secret, given) else new_link_token(secret)


def identify(session: Session, enrolment: Enrolment) -> str:
    """The external id under which this person is known; BadInput when they bring none that counts."""
    if enrolment.source is Source.LINK:
        identity = link_identity(link_secret(session), enrolment.link_token or "")
        if identity is None or enrolment.external_id is not None:
            raise BadInput("This link is not one of ours; please open the study's address again.")
        return identity
    if enrolment.external_id is None:
        raise BadInput(f"Who comes through {enrolment.source} needs an external_id.")
    return enrolment.external_id


def lock_person(session: Session, source: Source, identity: str) -> None:
    """One enrolment of a person at a time, in whatever study. Comes before the lock of any study."""
    key = func.hashtextextended(f"{source} {identity}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))


def participation(session: Session, study: Study, source: Source, identity: str) -> Participant | None:
    """This person's participation in a study."""
    return session.scalar(
        select(Participant)
        .join(WorkerIdentity, WorkerIdentity.participant_id == Participant.id)
        .where(
            WorkerIdentity.study_id == study.id,
            WorkerIdentity.source == source,
            WorkerIdentity.external_id == identity,
        )
    )


def took_part_in(session: Session, slugs: Sequence[str], source: Source, identity: str) -> bool:
    """Whether this person consented to one of these studies, whatever became of it."""
    known = (
        select(WorkerIdentity.participant_id)
        .join(Study, Study.id == WorkerIdentity.study_id)
        .where(
            Study.slug.in_(slugs),
            WorkerIdentity.source == source,
            WorkerIdentity.external_id == identity,
        )
    )
    return bool(slugs) and bool(session.scalar(select(known.exists())))
