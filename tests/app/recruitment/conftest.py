"""A study that a Prolific of our own lists."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.models import Participant, Payment, PaymentKind, PaymentState, Source, Submission
from app.recruitment import listings
from app.recruitment.accounts import check_token, keep_token
from app.recruitment.marketplaces import http
from app.settings import Settings
from tests.support.local_prolific import TOKEN, LocalProlific, serving
from tests.support.recruiting import ListedStudy, add_visit
from tests.support.worlds import make_study

TERMS = listings.Terms(places=5, reward=150, minutes=10, description="Judge pairs of faces.")


@pytest.fixture
def prolific() -> Iterator[LocalProlific]:
    platform = LocalProlific()
    with serving(platform) as platform.url:
        yield platform


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(http, "WAITS_S", (0.0, 0.0, 0.0))


@pytest.fixture
def settings(settings: Settings, prolific: LocalProlific) -> Settings:
    return settings.model_copy(update={"prolific_url": prolific.url})


@dataclass
class Lab(ListedStudy):
    """Staff at work with a study that Prolific lists."""

    prolific: LocalProlific

    @property
    def listed(self) -> str:
        """Its id on Prolific."""
        return self.listing.external_id

    def code(self, ending: str = "finished") -> str:
        return self.listing.codes[ending]

    def finished(self, count: int = 1) -> list[str]:
        """So many people who finished their visit here and handed in their code; submission ids."""
        made = []
        for _ in range(count):
            submission = self.prolific.join(self.listed)
            self.prolific.complete(submission, self.code())
            made.append(submission)
        return made

    def payments(self, **wanted: object) -> list[Payment]:
        with self.sessions() as session:
            return session.query(Payment).filter_by(listing_id=self.listing_id, **wanted).all()

    def states(self, kind: PaymentKind) -> list[PaymentState]:
        return sorted(payment.state for payment in self.payments(kind=kind))

    def participant_of(self, submission_id: str, **values: object) -> Participant:
        """A visit here of the person behind a submission."""
        worker = self.prolific.submissions[submission_id]["participant_id"]
        visitor = {"worker": worker, "submission": submission_id, "source": Source.PROLIFIC}
        with self.sessions.begin() as session:
            return add_visit(session, self.study.slug, **visitor, **values)

    def submission(self, external_id: str) -> Submission:
        with self.sessions() as session:
            return session.query(Submission).filter_by(external_id=external_id).one()


def connect(session, settings: Settings) -> None:
    owner = check_token(Source.PROLIFIC, TOKEN, settings)
    keep_token(session, Source.PROLIFIC, TOKEN, owner, settings)


@pytest.fixture
def draft(db, settings, session_factory, prolific) -> Lab:
    """A study of which a worker has not heard yet."""
    study = make_study(db, slug="faces", title="Which face is real?")
    connect(db, settings)
    listing = listings.make_listing(db, study, Source.PROLIFIC, TERMS, by=None)
    db.commit()
    return Lab(session_factory, settings, study, listing.id, prolific)


@pytest.fixture
def lab(draft: Lab) -> Lab:
    """A study that is published."""
    draft.visit()
    return draft
