"""Links into a study, and who has which.

A link is known by a label that staff give it. Its token is made of the link's key and the installation's
secret whenever staff ask for the address, so that no table holds an address that lets somebody in.
"""

import csv
import enum
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound, WrongState
from app.models import LinkKind, Participant, ParticipantState, Source, Study, StudyLink, WorkerIdentity
from app.recruitment.identity import Claim, given_identity, visit_of
from app.recruitment.platforms import LINK, VIA, Arrival
from app.security import link_identity, link_secret, study_link_token
from app.studies.plan import VisitPlan, plan_of
from saliency.files.spreadsheets import cell

MOST_AT_ONCE: Final = 10_000
LONGEST_LABEL: Final = 100  # characters

LINK_USED: Final = (
    "This link has been used already. It goes on only in the browser in which somebody began with it."
)
WITHDRAWN: Final = (
    "This link does not let anybody in any more. Please ask the person who sent it for another one."
)
NEEDED: Final = (
    "This study takes only people with a link of their own. Please open the link that you were sent."
)
INCOMPLETE: Final = "This link is not complete. Please open it again from where you found it."

HEADER: Final = ("label", "link", "kind", "state", "came", "finished")
"""Of the table for a mail merge."""


class LinkState(enum.StrEnum):
    """What became of a link; of a reusable one, whether anybody came and whether anybody finished."""

    UNUSED = "unused"
    STARTED = "started"
    FINISHED = "finished"
    SCREENED_OUT = "screened_out"
    WITHDRAWN = "withdrawn"  # by staff before anybody came, or by the participant


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A link and the people who came by it."""

    link: StudyLink
    came: int
    finished: int
    screened_out: int
    left: int

    @property
    def state(self) -> LinkState:
        if not self.came:
            return LinkState.WITHDRAWN if self.link.withdrawn_at else LinkState.UNUSED
        if self.finished:
            return LinkState.FINISHED
        if self.left + self.screened_out < self.came:
            return LinkState.STARTED
        return LinkState.SCREENED_OUT if self.screened_out else LinkState.WITHDRAWN


# ---- staff ----


def make_links(
    session: Session, study: Study, kind: LinkKind, labels: Sequence[str], *, by: int | None
) -> list[StudyLink]:
    """One link for each label; all of them or none. `BadInput` names a label that cannot be."""
    clean = [label.strip() for label in labels if label.strip()]
    if not clean or len(clean) > MOST_AT_ONCE:
        raise BadInput(f"Ask for 1 to {MOST_AT_ONCE:,} links at a time.")
    for label in clean:
        _check_label(label)
    if taken := _taken(session, study, clean):
        raise BadInput(f"There is a link for {taken} already; a label stands for one link.")
    secret = link_secret(session)
    made = [_new_link(study, kind, label, secret, by=by) for label in clean]
    session.add_all(made)
    session.flush()
    return made


def _check_label(label: str) -> None:
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise BadInput(
            f"A label has at most {LONGEST_LABEL} characters in one line: “{label[:20]}…” has more."
        )
    if "@" in label:
        raise BadInput(
            f"{label} is an e-mail address. Use a number or a code, and keep the list of names yourself."
        )


def _taken(session: Session, study: Study, labels: Sequence[str]) -> str | None:
    """The first label that stands twice or has a link already."""
    query = select(StudyLink.label).where(StudyLink.study_id == study.id)
    known = set(session.scalars(query))
    for label in labels:
        if label in known:
            return label
        known.add(label)
    return None


def _new_link(study: Study, kind: LinkKind, label: str, secret: bytes, *, by: int | None) -> StudyLink:
    key = uuid4()
    identity = link_identity(secret, study_link_token(secret, key))
    return StudyLink(study_id=study.id, kind=kind, label=label, key=key, identity=identity, created_by=by)


def numbered(session: Session, study: Study, count: int) -> list[str]:
    """So many labels that are numbers, going on after the highest that a link of the study has."""
    labels = session.scalars(select(StudyLink.label).where(StudyLink.study_id == study.id))
    highest = max((int(label) for label in labels if label.isascii() and label.isdecimal()), default=0)
    return [str(number) for number in range(highest + 1, highest + 1 + count)]


def withdraw_link(link: StudyLink) -> None:
    """Let nobody new in by it; who has begun goes on."""
    if link.withdrawn_at is not None:
        raise WrongState(f"The link of {link.label} is withdrawn already.")
    link.withdrawn_at = datetime.now(UTC)


def find_link(session: Session, study: Study, link_id: int) -> StudyLink:
    link = session.get(StudyLink, link_id)
    if link is None or link.study_id != study.id:
        raise NotFound(f"{study.slug} has no link {link_id}.")
    return link


def link_of_label(session: Session, study: Study, label: str) -> StudyLink:
    link = session.scalar(
        select(StudyLink).where(StudyLink.study_id == study.id, StudyLink.label == label.strip())
    )
    if link is None:
        raise NotFound(f"{study.slug} has no link for {label}.")
    return link


def records(
    session: Session,
    study: Study,
    *,
    after: int = 0,
    limit: int | None = None,
    only: Iterable[int] | None = None,
) -> list[LinkRecord]:
    """The links of a study in the order in which they were made.

    after : number of the last one that was seen
    only : numbers of those that are wanted
    """

    def people(*of: ParticipantState) -> ColumnElement[int]:
        return func.count().filter(Participant.state.in_(of))

    query = (
        select(
            StudyLink,
            func.count(Participant.id).label("came"),
            people(ParticipantState.FINISHED).label("finished"),
            people(ParticipantState.SCREENED_OUT).label("screened_out"),
            people(ParticipantState.WITHDRAWN).label("left"),
        )
        .outerjoin(WorkerIdentity, WorkerIdentity.link_id == StudyLink.id)
        .outerjoin(Participant, Participant.id == WorkerIdentity.participant_id)
        .where(StudyLink.study_id == study.id, StudyLink.id > after)
        .group_by(StudyLink.id)
        .order_by(StudyLink.id)
        .limit(limit)
    )
    if only is not None:
        query = query.where(StudyLink.id.in_(list(only)))
    return [LinkRecord(*row) for row in session.execute(query)]


def counts(session: Session, study: Study) -> Counter[LinkState]:
    """How many links of a study are in each state."""
    return Counter(one.state for one in records(session, study))


def address_of(study: Study, link: StudyLink, secret: bytes, *, public_url: str) -> str:
    """What to send: whoever opens it is let in."""
    parameter = VIA if link.kind is LinkKind.REUSABLE else LINK
    return f"{public_url.rstrip('/')}/s/{study.slug}?{parameter}={study_link_token(secret, link.key)}"


def merge_lines(
    session: Session, study: Study, *, public_url: str, only: Iterable[int] | None = None
) -> Iterator[Sequence[object]]:
    """The lines below `HEADER`: a link each, for a mail merge."""
    secret = link_secret(session)
    for one in records(session, study, only=only):
        address = address_of(study, one.link, secret, public_url=public_url)
        yield cell(one.link.label), address, one.link.kind, one.state, one.came, one.finished


def merge_csv(session: Session, study: Study, *, public_url: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(merge_lines(session, study, public_url=public_url))
    return text.getvalue()


# ---- who comes ----


def check_arrival(session: Session, study: Study, who: Arrival) -> None:
    """`BadInput` before consent for somebody whom no link lets in. Whoever has begun goes on."""
    if who.source is not Source.LINK:
        return
    claim = Claim(Source.LINK, given_identity(session, who.link) if who.link else "")
    if claim.identity and visit_of(session, study, claim):
        return
    link_in(session, study, plan_of(study), claim, via=who.via)


def link_in(
    session: Session, study: Study, plan: VisitPlan, claim: Claim, *, via: str | None
) -> StudyLink | None:
    """The study's link that a newcomer comes by, if any; `BadInput` where none lets them in."""
    if claim.source is not Source.LINK:
        return None
    link = _link_of(session, study, claim.identity)
    if link is not None and link.kind is LinkKind.REUSABLE:
        raise BadInput(INCOMPLETE)  # as a person's own it would be one person for all
    if link is None and via:
        link = _link_of(session, study, given_identity(session, via))
        if link is None or link.kind is not LinkKind.REUSABLE:
            raise BadInput(INCOMPLETE)
    if link is None and plan.links_only:
        raise BadInput(NEEDED)
    if link is not None and link.withdrawn_at is not None:
        raise BadInput(WITHDRAWN)
    return link


def _link_of(session: Session, study: Study, identity: str) -> StudyLink | None:
    return session.scalar(
        select(StudyLink).where(StudyLink.study_id == study.id, StudyLink.identity == identity)
    )
