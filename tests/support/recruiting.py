"""Visits to a marketplace as processes of their own, which are killed, and the people whom they are for."""

import os
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.models import (
    Arm,
    Listing,
    Participant,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    Source,
    Study,
    Submission,
    WorkerIdentity,
)
from app.recruitment import ledger, sync
from app.settings import Settings
from tests.support.factories import ParticipantFactory
from tests.support.local_prolific import Death, LocalProlific
from tests.support.processes import COMMAND

KILLED = -9


@dataclass
class MortalLab:
    """An installation whose visits to a local Prolific are killed with -9."""

    sessions: SessionFactory
    prolific: LocalProlific
    slug: str
    environment: dict[str, str]
    log: Path
    deaths: list[tuple[str, str, bool]] = field(default_factory=list)
    """Method and path of the request at which each visit died, and whether its work was done."""

    def run(self, *arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [*COMMAND, "recruit", *arguments],
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def visit(self) -> None:
        """After staff have said what they see of bonuses that were cut short."""
        answer_for_staff(self.sessions, self.prolific)
        self.run("sync", self.slug)

    def die_at(self, number: int = 1, *, after: bool, path: str = "") -> bool:
        """A visit that is killed at its n-th request to a path; False where it makes fewer."""
        answer_for_staff(self.sessions, self.prolific)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*COMMAND, "recruit", "sync", self.slug], env=self._environment(), stdout=log, stderr=log
            )
            self.prolific.death = Death(process.pid, number, after, path)
            returned = process.wait(120)
        died = returned == KILLED
        assert died or returned == 0, self.log.read_text()
        self.prolific.death = None
        if died:
            self.deaths.append((*self.prolific.requests[-1], after))
        return died

    def die_everywhere(self, limit: int) -> int:
        """Up to `limit` visits that are killed, before and after the work of one request after the other."""
        before = len(self.deaths)
        for number in count(1):
            for after in (False, True):
                if len(self.deaths) - before >= limit or not self.die_at(number, after=after):
                    return len(self.deaths) - before
        raise AssertionError

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CYBORG_")}
        return kept | self.environment

    @property
    def listing(self) -> Listing:
        with self.sessions() as session:
            return session.query(Listing).join(Study, Study.id == Listing.study_id).one()

    @property
    def listed(self) -> str:
        return self.listing.external_id

    def finish(self, submission_id: str) -> None:
        """Somebody finishes their visit here and hands their code in there."""
        worker = self.prolific.submissions[submission_id]["participant_id"]
        with self.sessions.begin() as session:
            add_visit(
                session,
                self.slug,
                worker=worker,
                submission=submission_id,
                source=Source.PROLIFIC,
                state=ParticipantState.FINISHED,
            )
        self.prolific.complete(submission_id, self.listing.codes["finished"])

    def balance(self) -> ledger.Balance:
        with self.sessions() as session:
            return ledger.balance(session, self.listing)


@dataclass
class ListedStudy:
    """A study on a marketplace, and visits of a worker to that."""

    sessions: SessionFactory
    settings: Settings
    study: Study
    listing_id: int

    def visit(self) -> None:
        sync.visit(self.sessions, self.settings, self.listing_id)

    @property
    def listing(self) -> Listing:
        with self.sessions() as session:
            return session.get_one(Listing, self.listing_id)


def add_visit(
    session: Session, slug: str, *, worker: str, submission: str, source: Source, **values: object
) -> Participant:
    """A visit here of the person behind a submission."""
    study = session.query(Study).filter_by(slug=slug).one()
    arm = session.query(Arm).filter_by(study_id=study.id).first()
    person = ParticipantFactory.build(arm=arm, study_id=study.id, arm_id=arm.id, source=source, **values)
    session.add(person)
    session.flush()
    known = {"external_id": worker, "assignment_id": submission}
    session.add(WorkerIdentity(participant_id=person.id, study_id=study.id, source=source, **known))
    return person


def answer_for_staff(sessions: SessionFactory, prolific: LocalProlific) -> None:
    """Staff look at each bonus that was sent and does not show, and say what they see on Prolific."""
    with sessions.begin() as session:
        sent = session.query(Payment).filter_by(kind=PaymentKind.BONUS, state=PaymentState.SENT).all()
        for payment in sent:
            external = session.get_one(Submission, payment.submission_id).external_id
            shown = prolific.submissions[external]["bonus_payments"].count(float(payment.amount))
            was_paid = shown > (payment.paid_before or 0)
            (ledger.confirm_bonus if was_paid else ledger.pay_bonus_again)(payment, settle=timedelta(0))


def environment_of(settings, prolific: LocalProlific) -> dict[str, str]:
    return {
        "CYBORG_DATABASE_URL": str(settings.database_url),
        "CYBORG_DATA_DIR": str(settings.data_dir),
    } | prolific.environment
