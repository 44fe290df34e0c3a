"""A study on a local MTurk, behind the same seam as Prolific."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID

import pytest

from app.errors import BadInput, MarketplaceRefused
from app.models import (
    Listing,
    ListingAction,
    ListingState,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    Source,
)
from app.recruitment import ledger, listings, review
from app.recruitment.accounts import check_token, keep_token
from app.recruitment.marketplaces.mturk import fee_of
from app.recruitment.marketplaces.seam import Money
from app.recruitment.ways_out import listed_way_out
from app.settings import Settings
from tests.support import ROOT
from tests.support.local_mturk import TOKEN, LocalMTurk, RequestError, serving
from tests.support.recruiting import ListedStudy, add_visit
from tests.support.worlds import make_study

TERMS = listings.Terms(places=20, reward=150, minutes=10, description="Judge pairs of faces.")
ORDER = UUID(int=1)


@pytest.fixture
def mturk(monkeypatch) -> Iterator[LocalMTurk]:
    platform = LocalMTurk()
    at_once = SimpleNamespace(sleep=lambda _s: None)  # boto's retries
    monkeypatch.setattr("botocore.endpoint.time", at_once)
    with serving(platform) as platform.url:
        yield platform


@pytest.fixture
def settings(settings: Settings, mturk: LocalMTurk) -> Settings:
    return settings.model_copy(update={"mturk_url": mturk.url})


@dataclass
class MTurkLab(ListedStudy):
    mturk: LocalMTurk

    def finished(self, worker: str) -> str:
        """Somebody finishes their visit here and hands the code in there."""
        number = self.mturk.join(worker)
        visitor = {"worker": worker, "submission": number, "source": Source.MTURK}
        with self.sessions.begin() as session:
            add_visit(session, self.study.slug, **visitor, state=ParticipantState.FINISHED)
        self.mturk.submit(number, self.listing.codes["finished"])
        return number

    def ask(self, action: ListingAction) -> None:
        with self.sessions.begin() as session:
            listings.ask(session.get_one(Listing, self.listing_id), action)
        self.visit()

    def clean(self):
        with self.sessions() as session:
            return review.clean_ones(session, self.listing)

    def pay_bonus(self) -> None:
        with self.sessions.begin() as session:
            done = review.submissions(session, self.listing, limit=None)
            lines = [review.BonusLine(one, 50) for one in done]
            review.ask_for_bonuses(session, self.listing, lines, order=ORDER, reason="Thanks.", by=None)


@pytest.fixture
def lab(db, settings, session_factory, mturk) -> MTurkLab:
    study = make_study(db, slug="faces", title="Which face is real?")
    keep_token(db, Source.MTURK, TOKEN, check_token(Source.MTURK, TOKEN, settings), settings)
    listing = listings.make_listing(db, study, Source.MTURK, TERMS, by=None)
    db.commit()
    made = MTurkLab(session_factory, settings, study, listing.id, mturk)
    made.visit()
    return made


class TestPublishing:
    def test_hits_stay_below_the_step_of_the_fee(self, lab, mturk):
        assert [hit["MaxAssignments"] for hit in mturk.hits.values()] == [9, 9, 2]
        assert (lab.listing.state, lab.listing.places) == (ListingState.PUBLISHED, 20)
        assert "/s/faces</ExternalURL>" in next(iter(mturk.hits.values()))["Question"]

    def test_a_second_visit_makes_nothing(self, lab, mturk):
        lab.visit()
        assert len(mturk.hits) == 3

    def test_a_hit_whose_answer_was_lost_is_not_made_twice(self, lab, mturk):
        with lab.sessions.begin() as session:
            listings.raise_places(session.get_one(Listing, lab.listing_id), 25)
        mturk.lost.add("CreateHIT")
        lab.visit()
        assert sum(hit["MaxAssignments"] for hit in mturk.hits.values()) == 25
        assert lab.listing.places == 25

    def test_it_is_paused_resumed_and_stopped(self, lab, mturk):
        lab.ask(ListingAction.PAUSE)
        assert lab.listing.state is ListingState.PAUSED
        with pytest.raises(RequestError):
            mturk.join("A1")
        lab.ask(ListingAction.RESUME)
        assert lab.listing.state is ListingState.PUBLISHED
        lab.ask(ListingAction.STOP)
        assert lab.listing.state is ListingState.STOPPED

    def test_nobody_takes_part_in_two_hits(self, lab, mturk):
        lab.finished("A1B2C3D4E5F6G7")
        lab.visit()
        with pytest.raises(RequestError):
            mturk.join("A1B2C3D4E5F6G7")

    def test_only_work_has_a_code(self, db, lab):
        assert listed_way_out(db, lab.study, "finished", Source.MTURK).code == lab.listing.codes["finished"]
        assert listed_way_out(db, lab.study, "declined", Source.MTURK) is None

    def test_keys_that_open_nothing_are_refused(self, settings):
        for token in ("no-colon", "AKIAOTHER:secret"):
            with pytest.raises(BadInput, match="The token does not work"):
                check_token(Source.MTURK, token, settings)


class TestPaying:
    def test_work_is_approved_once_and_the_ledger_agrees(self, lab, mturk):
        numbers = [lab.finished(f"A{number}B2C3D4E5F6") for number in range(3)]
        lab.visit()
        assert len(lab.clean()) == 3
        with lab.sessions.begin() as session:
            review.approve(session, lab.listing, lab.clean(), by=None)
        lab.visit()
        lab.visit()
        assert {mturk.assignments[one]["AssignmentStatus"] for one in numbers} == {"Approved"}
        assert mturk.calls.count("ApproveAssignment") == 3
        with lab.sessions() as session:
            found = ledger.balance(session, lab.listing)
        assert (found.paid, found.difference) == (Money(3 * 150 + 3 * 30, "USD"), Money(0, "USD"))

    def test_a_bonus_whose_answer_was_lost_is_paid_once(self, lab, mturk):
        lab.finished("A1B2C3D4E5F6G7")
        lab.visit()
        lab.pay_bonus()
        mturk.lost.add("SendBonus")
        lab.visit()
        lab.visit()
        assert [one["BonusAmount"] for one in mturk.bonuses] == ["0.50"]
        with lab.sessions() as session:
            (row,) = session.query(Payment).filter_by(kind=PaymentKind.BONUS)
        assert row.state is PaymentState.CONFIRMED

    def test_a_rejection_has_its_reason(self, lab, mturk):
        number = lab.finished("A1B2C3D4E5F6G7")
        lab.visit()
        why = "None of the pairs was judged; the code came after two seconds."
        with lab.sessions.begin() as session:
            review.reject(session, lab.listing, lab.clean(), category="WORK", message=why, by=None)
        lab.visit()
        assert mturk.assignments[number]["RequesterFeedback"] == why

    def test_a_return_cannot_be_asked_for(self, lab):
        lab.finished("A1B2C3D4E5F6G7")
        lab.visit()
        with lab.sessions.begin() as session:
            review.request_return(session, lab.listing, lab.clean(), reason="A mistake of ours.", by=None)
        with pytest.raises(MarketplaceRefused, match="knows no returns"):
            lab.visit()

    @pytest.mark.parametrize(("amount", "fee"), [(1, 1), (5, 1), (7, 1), (8, 2), (150, 30), (153, 31)])
    def test_the_fee_is_a_fifth_and_at_least_a_cent(self, amount, fee):
        assert fee_of(amount) == fee


class TestCost:
    def test_nobody_else_pays_for_its_library(self):
        program = "import sys, app.main, app.recruitment.sync; print('boto3' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert done.stdout.strip() == "False"
