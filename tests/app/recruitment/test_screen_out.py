"""Staff screen people out: shown with its cost, paid once, refused where it cannot be."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from app.errors import BadInput, MarketplaceUnavailable, WrongState
from app.models import Listing, PaymentKind, PaymentState, Role, Source, Submission
from app.recruitment import ledger, listings, review
from tests.support.local_prolific import Fault
from tests.support.worlds import make_study

PAY = 50


@pytest.fixture
def lab(draft):
    """A study that is published as one in which staff screen people out."""
    with draft.sessions.begin() as session:
        session.get_one(Listing, draft.listing_id).staff_screen_out = True
    draft.visit()
    return draft


@pytest.fixture
def waiting(lab):
    """Ids on Prolific of two submissions that wait for a verdict."""
    done = lab.finished(2)
    for one in done:
        lab.participant_of(one, state="finished")
    lab.visit()
    return done


def screen_out(lab, *submissions, pay=PAY):
    ids = [lab.submission(one).id for one in submissions]
    with lab.sessions.begin() as session:
        listing = session.get_one(Listing, lab.listing_id)
        found = review.submissions(session, listing, only=ids)
        return review.screen_out(session, listing, [one for one in found if one.is_open], pay=pay, by=None)


def reviewed(lab, submission):
    with lab.sessions() as session:
        listing = session.get_one(Listing, lab.listing_id)
        return review.submissions(session, listing, only=[lab.submission(submission).id])[0]


def paid(lab):
    return [one["bonus_payments"] for one in lab.prolific.submissions.values()]


class TestScreeningOut:
    def test_the_study_says_so_when_it_is_published(self, lab):
        assert lab.prolific.studies[lab.listed]["is_custom_screening"] is True

    def test_a_person_is_paid_once_and_somebody_else_may_come(self, lab, waiting):
        assert screen_out(lab, waiting[0]) == 1
        assert lab.states(PaymentKind.SCREEN_OUT) == [PaymentState.INTENDED]
        lab.visit()
        lab.visit()
        assert paid(lab) == [[50.0], []]
        assert lab.submission(waiting[0]).state == "screened_out"
        assert lab.states(PaymentKind.SCREEN_OUT) == [PaymentState.CONFIRMED]
        assert lab.prolific.studies[lab.listed]["total_available_places"] == 6

    def test_the_ledger_is_equal_to_the_penny(self, lab, waiting):
        screen_out(lab, *waiting)
        lab.visit()
        with lab.sessions() as session:
            found = ledger.balance(session, session.get_one(Listing, lab.listing_id))
        assert found.difference.minor == 0
        assert found.paid.minor == sum(lab.prolific.paid(lab.listed).values())

    def test_asking_twice_asks_once(self, lab, waiting):
        assert [screen_out(lab, waiting[0]), screen_out(lab, waiting[0])] == [1, 0]
        lab.visit()
        assert paid(lab) == [[50.0], []]

    def test_an_answer_that_was_lost_pays_nothing_again(self, lab, waiting):
        screen_out(lab, waiting[0])
        lab.prolific.faults.append(Fault("POST", "screen-out", "lost", after=True))
        with pytest.raises(MarketplaceUnavailable):
            lab.visit()
        lab.visit()
        assert paid(lab) == [[50.0], []]
        assert lab.states(PaymentKind.SCREEN_OUT) == [PaymentState.CONFIRMED]

    def test_one_that_never_arrived_waits_for_staff(self, lab, waiting):
        screen_out(lab, waiting[0])
        lab.prolific.faults.append(Fault("POST", "screen-out", "lost"))
        with pytest.raises(MarketplaceUnavailable):
            lab.visit()
        lab.visit()
        assert (paid(lab), reviewed(lab, waiting[0]).is_open) == ([[], []], False)
        with lab.sessions.begin() as session:
            session.execute(update(Submission).values(told_at=datetime.now(UTC) - timedelta(hours=2)))
        assert "does not show it" in reviewed(lab, waiting[0]).problem
        assert screen_out(lab, waiting[0]) == 1
        lab.visit()
        assert paid(lab) == [[50.0], []]

    def test_a_refusal_stands_beside_the_person_who_waits_for_another_verdict(self, lab, waiting):
        screen_out(lab, waiting[0], pay=5)
        lab.visit()
        one = reviewed(lab, waiting[0])
        assert "Pay at least 14 pence" in one.problem
        assert (one.is_open, one.is_clean) == (True, False)
        assert lab.states(PaymentKind.SCREEN_OUT) == [PaymentState.CANCELLED]
        screen_out(lab, waiting[0], pay=20)
        lab.visit()
        assert paid(lab) == [[20.0], []]
        assert [one.amount for one in lab.payments(kind=PaymentKind.SCREEN_OUT)] == [20]

    def test_who_returned_meanwhile_costs_nothing(self, lab, waiting):
        screen_out(lab, waiting[0])
        lab.prolific.leave(waiting[0])
        lab.visit()
        assert paid(lab) == [[], []]
        assert lab.states(PaymentKind.SCREEN_OUT) == [PaymentState.CANCELLED]


class TestWhatIsRefused:
    @pytest.mark.parametrize("pay", [0, 150, 200])
    def test_pay_that_is_none_or_the_reward(self, lab, waiting, pay):
        with pytest.raises(BadInput, match="less than the reward"):
            screen_out(lab, waiting[0], pay=pay)

    def test_a_study_that_was_published_without_it(self, lab, waiting):
        with lab.sessions.begin() as session:
            session.get_one(Listing, lab.listing_id).staff_screen_out = False
        with pytest.raises(WrongState, match="published without leave"):
            screen_out(lab, waiting[0])

    def test_a_marketplace_that_has_none(self, lab, waiting):
        with lab.sessions() as session:
            listing = session.get_one(Listing, lab.listing_id)
            listing.marketplace = Source.MTURK
            with pytest.raises(WrongState, match="MTurk has no screen-out"):
                review.check_screen_out(session, listing, [], PAY)

    def test_publishing_with_it_on_such_a_marketplace(self, db, lab):
        terms = listings.Terms(places=5, reward=150, minutes=10, description="x", staff_screen_out=True)
        study = make_study(db, slug="more")
        with pytest.raises((BadInput, WrongState)):
            listings.make_listing(db, study, Source.MTURK, terms, by=None)

    def test_somebody_with_a_bonus_on_its_way(self, lab, waiting):
        with lab.sessions.begin() as session:
            listing = session.get_one(Listing, lab.listing_id)
            bonus = {"key": "bonus:1", "amount": 10}
            ledger.intend(session, listing, lab.submission(waiting[0]), PaymentKind.BONUS, **bonus)
        with pytest.raises(WrongState, match="bonus"):
            screen_out(lab, waiting[0])


class TestOnPagesAndOverTheApi:
    def test_the_page_shows_who_and_what_it_costs_first(self, lab, waiting, editor):
        number = lab.submission(waiting[0]).id
        review_page = f"/staff/studies/faces/recruit/review?id={number}"
        person = lab.submission(waiting[0]).participant_id
        assert review_page in editor.get(f"/staff/studies/faces/participants/{person}").text
        assert "Screen out" in editor.get(review_page).text
        shown = editor.get(f"/staff/studies/faces/recruit/screen-out?id={number}&pay=0.50").text
        assert "Screen out for 0.69 GBP" in shown
        assert lab.states(PaymentKind.SCREEN_OUT) == []
        form = {"id": number, "pay": "0.50"}
        answer = editor.post("/staff/studies/faces/recruit/screen-out", data=form)
        assert answer.headers["location"] == "/staff/studies/faces/recruit"
        lab.visit()
        assert paid(lab) == [[50.0], []]

    def test_a_program_sees_the_cost_and_confirms(self, lab, waiting, editor):
        asked = {"submissions": [lab.submission(one).id for one in waiting], "pay": PAY}
        address = "/api/studies/faces/listing/submissions/screen-out"
        seen = editor.post(address, json=asked).json()
        assert (seen["screened_out"], seen["cost"]["total"], len(seen["submissions"])) == (False, 139, 2)
        done = editor.post(address, json=asked | {"confirmed": True}).json()
        assert [one["verdict"] for one in done["submissions"]] == ["screen_out"] * 2

    def test_a_viewer_may_not(self, lab, waiting, log_in):
        viewer = log_in(Role.VIEWER)
        asked = {"submissions": [lab.submission(waiting[0]).id], "pay": PAY, "confirmed": True}
        assert viewer.post("/api/studies/faces/listing/submissions/screen-out", json=asked).status_code == 403
