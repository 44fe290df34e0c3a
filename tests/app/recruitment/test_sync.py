"""A visit to a marketplace does what was asked for, once, wherever it dies."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import (
    ListingAction,
    ListingState,
    Participant,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    QualityFlag,
    Submission,
    SubmissionState,
)
from app.recruitment import ledger, listings, review, sync
from app.recruitment.accounts import forget_token
from app.recruitment.marketplaces.http import Api
from app.recruitment.marketplaces.seam import Money
from tests.support.local_prolific import Fault
from tests.support.recruiting import answer_for_staff

ORDER = UUID(int=1)


class TestPublishing:
    def test_it_publishes_the_study_with_its_terms(self, lab):
        (study,) = lab.prolific.studies.values()
        assert study["status"] == "ACTIVE"
        assert (study["reward"], study["total_available_places"]) == (150, 5)
        assert "/s/faces?PROLIFIC_PID={{%PROLIFIC_PID%}}" in study["external_study_url"]
        assert (lab.listing.state, lab.listing.asked) == (ListingState.PUBLISHED, None)

    def test_every_way_a_visit_ends_has_a_code_with_its_action(self, lab):
        (study,) = lab.prolific.studies.values()
        actions = {
            code["code"]: [one["action"] for one in code["actions"]] for code in study["completion_codes"]
        }
        assert actions[lab.code("finished")] == ["MANUALLY_REVIEW", "ADD_TO_PARTICIPANT_GROUP"]
        assert actions[lab.code("declined")] == actions[lab.code("screened_out")] == ["REQUEST_RETURN"]
        assert len(actions) == 8

    def test_a_draft_whose_answer_was_lost_is_found_again(self, draft):
        draft.prolific.faults.append(Fault("POST", "/studies/$", "lost", after=True))
        with pytest.raises(MarketplaceUnavailable):
            draft.visit()
        assert draft.listing.error == "Prolific does not answer."
        draft.visit()
        assert len(draft.prolific.studies) == 1
        assert draft.listing.error is None

    def test_an_action_whose_answer_was_lost_is_not_an_error(self, draft):
        draft.prolific.faults.append(Fault("POST", "transition", 500, after=True))
        draft.visit()
        assert draft.listing.state is ListingState.PUBLISHED

    def test_it_pauses_resumes_and_stops(self, lab):
        for action, state in (
            (ListingAction.PAUSE, ListingState.PAUSED),
            (ListingAction.RESUME, ListingState.PUBLISHED),
            (ListingAction.STOP, ListingState.STOPPED),
        ):
            ask(lab, action)
            lab.visit()
            assert lab.listing.state is state

    def test_a_pause_that_prolific_made_is_left_alone(self, lab):
        lab.prolific.studies[lab.listed]["status"] = "PAUSED"
        lab.visit()
        lab.visit()
        assert lab.prolific.studies[lab.listed]["status"] == "PAUSED"

    def test_what_the_state_does_not_allow_is_refused_at_once(self, lab):
        with pytest.raises(WrongState):
            ask(lab, ListingAction.RESUME)

    def test_places_only_grow(self, lab):
        with lab.sessions.begin() as session:
            listing = session.get_one(type(lab.listing), lab.listing_id)
            with pytest.raises(BadInput):
                listings.raise_places(listing, 5)
            listings.raise_places(listing, 8)
        lab.visit()
        assert lab.prolific.studies[lab.listed]["total_available_places"] == 8
        assert lab.listing.places == 8


class TestAnswers:
    def test_one_of_another_shape_is_told_and_not_guessed_at(self, lab):
        lab.prolific.submissions["s"] = {"id": "s", "study_id": lab.listed, "status": "APPROVED"}
        with pytest.raises(KeyError):
            lab.visit()
        assert "does not know" in lab.listing.error


class TestWithoutAnAccount:
    def test_a_visit_says_who_can_change_that(self, lab):
        with lab.sessions.begin() as session:
            forget_token(session, lab.listing.marketplace)
        with pytest.raises(MarketplaceRefused, match="an admin connects it"):
            lab.visit()
        assert "is not connected" in lab.listing.error


class TestSubmissions:
    def test_it_takes_them_all_over_many_pages(self, lab):
        lab.prolific.page_size = 2
        lab.finished(5)
        lab.visit()
        assert len(reviewed(lab)) == 5

    def test_a_submission_is_matched_with_the_visit_that_came_with_it(self, lab):
        (done,) = lab.finished()
        person = lab.participant_of(done, state=ParticipantState.FINISHED)
        lab.visit()
        assert lab.submission(done).participant_id == person.id

    def test_clean_ones_are_those_that_finished_with_the_code_and_no_flag(self, lab):
        clean, flagged, stranger = lab.finished(3)
        other_code = lab.prolific.join(lab.listed)
        lab.prolific.complete(other_code, "TYPED-BY-HAND")
        lab.participant_of(clean, state=ParticipantState.FINISHED)
        lab.participant_of(other_code, state=ParticipantState.FINISHED)
        doubtful = lab.participant_of(flagged, state=ParticipantState.FINISHED)
        with lab.sessions.begin() as session:
            session.add(QualityFlag(participant_id=doubtful.id, kind="fast", detail={}))
        lab.visit()
        with lab.sessions() as session:
            assert [one.submission.external_id for one in review.clean_ones(session, lab.listing)] == [clean]
        problems = {one.submission.external_id: one.problem for one in reviewed(lab)}
        assert problems == {
            clean: "",
            flagged: "1 quality flag",
            stranger: "no visit with this id",
            other_code: "another completion code",
        }

    @pytest.mark.parametrize("status", ["RETURNED", "TIMED-OUT"])
    def test_who_left_on_the_marketplace_holds_no_place_here(self, lab, status):
        gone, busy = (lab.prolific.join(lab.listed) for _ in range(2))
        visitors = [lab.participant_of(one, state=ParticipantState.ACTIVE) for one in (gone, busy)]
        lab.visit()
        lab.prolific.leave(gone, status)
        lab.visit()
        with lab.sessions() as session:
            leases = [session.get_one(Participant, one.id).lease_expires_at for one in visitors]
        assert leases[0] <= datetime.now(UTC) < leases[1]

    def test_who_goes_on_after_the_marketplace_gave_them_up_keeps_the_new_lease(self, lab):
        late = lab.prolific.join(lab.listed)
        visitor = lab.participant_of(late, state=ParticipantState.ACTIVE)
        lab.visit()
        lab.prolific.leave(late, "TIMED-OUT")
        lab.visit()
        until = datetime.now(UTC) + timedelta(hours=1)
        with lab.sessions.begin() as session:
            session.get_one(Participant, visitor.id).lease_expires_at = until
        lab.visit()
        with lab.sessions() as session:
            assert session.get_one(Participant, visitor.id).lease_expires_at == until


class TestRewards:
    def test_each_approved_submission_is_paid_once(self, lab):
        lab.finished(3)
        lab.visit()
        assert approve_all(lab) == 3
        assert approve_all(lab) == 0
        lab.visit()
        lab.visit()
        assert rewards(lab) == [[150]] * 3
        assert lab.states(PaymentKind.REWARD) == [PaymentState.CONFIRMED] * 3

    def test_nothing_is_paid_for_one_that_was_returned_meanwhile(self, lab):
        _, gone = lab.finished(2)
        lab.visit()
        approve_all(lab)
        lab.prolific.leave(gone)
        lab.visit()
        assert lab.prolific.submissions[gone]["rewards"] == []
        assert lab.states(PaymentKind.REWARD) == [PaymentState.CANCELLED, PaymentState.CONFIRMED]

    def test_one_that_goes_between_look_and_call_does_not_keep_the_others_from_their_pay(self, lab):
        done, gone = lab.finished(2)
        lab.visit()
        approve_all(lab)
        lab.prolific.submissions[gone]["status"] = "RETURNED"
        market_visit(lab, lambda visit: visit._carry_out_verdicts(lab.listed))
        assert lab.prolific.submissions[done]["rewards"] == [150]

    def test_what_prolific_paid_by_itself_is_in_the_ledger(self, lab):
        (done,) = lab.finished()
        lab.prolific._approve(lab.prolific.submissions[done])
        lab.visit()
        assert lab.states(PaymentKind.REWARD) == [PaymentState.CONFIRMED]

    def test_a_returned_or_timed_out_submission_costs_nothing(self, lab):
        for status in ("RETURNED", "TIMED-OUT"):
            lab.prolific.leave(lab.prolific.join(lab.listed), status)
        lab.visit()
        assert lab.payments() == []
        assert {one.submission.state for one in reviewed(lab)} == {
            SubmissionState.RETURNED,
            SubmissionState.TIMED_OUT,
        }


class TestRejections:
    def test_a_rejection_needs_a_category_and_an_explanation(self, lab):
        with pytest.raises(BadInput, match="what the rejection is for"):
            review.check_rejection(lab.listing, "BECAUSE", "x" * 100)
        with pytest.raises(BadInput, match="1 are missing"):
            review.check_rejection(lab.listing, "LOW_EFFORT", "x" * 99)

    def test_it_rejects_with_both(self, lab):
        (done,) = lab.finished()
        lab.visit()
        with lab.sessions.begin() as session:
            review.reject(
                session, lab.listing, reviewed(lab), category="LOW_EFFORT", message="y" * 100, by=None
            )
        lab.visit()
        assert lab.prolific.submissions[done]["rejection"]["rejection_category"] == "LOW_EFFORT"
        assert lab.submission(done).state is SubmissionState.REJECTED

    def test_a_return_is_asked_for_once(self, lab):
        (done,) = lab.finished()
        lab.visit()
        with lab.sessions.begin() as session:
            review.request_return(session, lab.listing, reviewed(lab), reason="No data came.", by=None)
        lab.prolific.faults.append(Fault("POST", "request-return", 500, after=True))
        with pytest.raises(MarketplaceUnavailable):
            lab.visit()
        lab.visit()
        assert len(lab.prolific.messages) == 1
        assert lab.submission(done).return_requested_at is not None

    def test_nobody_is_judged_twice(self, lab):
        lab.finished()
        lab.visit()
        approve_all(lab)
        with lab.sessions.begin() as session:
            told = review.request_return(session, lab.listing, reviewed(lab), reason="Sorry.", by=None)
        assert told == 0


class TestBonuses:
    def test_it_pays_them_in_two_steps_once(self, lab):
        ask_for_bonus(lab)
        lab.visit()
        lab.visit()
        assert bonuses(lab) == [[250]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_the_same_order_again_asks_for_nothing(self, lab):
        ask_for_bonus(lab)
        assert ask_for_bonus(lab, joined=False) == 0
        lab.visit()
        assert bonuses(lab) == [[250]]

    def test_one_whose_answer_was_lost_is_not_paid_again(self, lab):
        ask_for_bonus(lab)
        lab.prolific.faults.append(Fault("POST", "/pay/", "lost", after=True))
        with pytest.raises(MarketplaceUnavailable):
            lab.visit()
        assert lab.states(PaymentKind.BONUS) == [PaymentState.SENT]
        lab.visit()
        assert bonuses(lab) == [[250]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_one_that_never_arrived_is_paid_when_staff_say_that_it_was_not(self, lab):
        lose_bonus(lab)
        lab.visit()
        assert bonuses(lab) == [[]]
        answer_for(lab, ledger.pay_bonus_again)
        lab.visit()
        assert bonuses(lab) == [[250]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_one_that_shows_after_staff_said_so_is_not_paid_again(self, lab):
        lose_bonus(lab)
        answer_for(lab, ledger.pay_bonus_again)
        (one,) = lab.prolific.submissions.values()
        one["bonus_payments"].append(250.0)
        lab.visit()
        assert bonuses(lab) == [[250]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_one_that_staff_saw_paid_is_confirmed(self, lab):
        lose_bonus(lab)
        answer_for(lab, ledger.confirm_bonus)
        lab.visit()
        assert bonuses(lab) == [[]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_staff_are_not_asked_while_the_marketplace_may_still_show_it(self, lab):
        lose_bonus(lab, hours=0)
        for answer in (ledger.confirm_bonus, ledger.pay_bonus_again):
            with pytest.raises(WrongState):
                answer_for(lab, answer)
        with lab.sessions.begin() as session, pytest.raises(WrongState):
            ledger.cancel_bonus(session.get_one(Payment, lab.payments(kind=PaymentKind.BONUS)[0].id))

    def test_an_equal_bonus_that_somebody_paid_by_hand_before_is_not_taken_for_ours(self, lab):
        ask_for_bonus(lab)
        (one,) = lab.prolific.submissions.values()
        one["bonus_payments"].append(250.0)
        lab.prolific.faults.append(Fault("POST", "/pay/", "lost"))
        with pytest.raises(MarketplaceUnavailable):
            lab.visit()
        lab.visit()
        assert lab.states(PaymentKind.BONUS) == [PaymentState.SENT]

    def test_a_refused_one_is_told_and_tried_again(self, lab):
        ask_for_bonus(lab)
        lab.prolific.balance = 0
        with pytest.raises(MarketplaceRefused, match="balance"):
            lab.visit()
        assert "The balance is too low" in lab.listing.error
        (refused,) = lab.payments(kind=PaymentKind.BONUS)
        assert (refused.state, refused.refusals) == (PaymentState.INTENDED, 1)
        assert "The balance is too low" in refused.refusal
        lab.prolific.balance = 1000
        lab.visit()
        assert bonuses(lab) == [[]]
        time_goes_by(lab)
        lab.visit()
        assert bonuses(lab) == [[250]]

    def test_each_refusal_is_followed_by_a_longer_wait(self, lab):
        ask_for_bonus(lab)
        (one,) = lab.payments(kind=PaymentKind.BONUS)
        waits = []
        for _ in range(12):
            with lab.sessions.begin() as session:
                ledger.note_refusal(session, [one.id], "No.")
            waits.append(lab.payments(id=one.id)[0].next_try_at - datetime.now(UTC))
        assert [round(wait / ledger.FIRST_WAIT) for wait in waits[:4]] == [1, 2, 4, 8]
        assert round(waits[-1] / ledger.LONGEST_WAIT, 3) == 1

    def test_a_refused_one_holds_up_no_other(self, lab):
        gone, stays = lab.finished(2)
        lab.visit()
        approve_all(lab)
        lab.visit()
        ask_for_bonus(lab, joined=False)
        del lab.prolific.submissions[gone]
        with pytest.raises(MarketplaceRefused):
            lab.visit()
        time_goes_by(lab)
        with pytest.raises(MarketplaceRefused):
            lab.visit()
        assert lab.prolific.submissions[stays]["bonus_payments"] == [250]

    def test_a_cancelled_one_is_never_paid(self, lab):
        ask_for_bonus(lab)
        with lab.sessions.begin() as session:
            number = lab.payments(kind=PaymentKind.BONUS)[0].id
            ledger.cancel_bonus(ledger.find_bonus(session, lab.listing, number))
        lab.visit()
        assert bonuses(lab) == [[]]
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CANCELLED]

    @pytest.mark.parametrize(
        "text", ["", "abcdef01, 1", "{ref}, 0", "{ref}, 1.234", "{ref}, -1", "{ref}, 201"]
    )
    def test_a_line_that_is_none_is_refused(self, lab, text):
        (done,) = lab.finished()
        person = lab.participant_of(done)
        lab.visit()
        with lab.sessions() as session, pytest.raises(BadInput):
            review.parse_bonuses(session, lab.listing, text.format(ref=person.reference))


class TestScreenOut:
    def test_who_is_screened_out_is_paid_what_was_promised(self, draft):
        with draft.sessions.begin() as session:
            listing = session.get_one(type(draft.listing), draft.listing_id)
            listing.screen_out_reward, listing.screen_out_places = 30, 10
        draft.visit()
        draft.prolific.complete(draft.prolific.join(draft.listed), draft.code("screened_out"))
        draft.visit()
        (payment,) = draft.payments(kind=PaymentKind.SCREEN_OUT)
        assert (payment.amount, payment.state) == (30, PaymentState.CONFIRMED)


class TestLedger:
    def test_it_is_equal_to_what_prolific_charged_to_the_penny(self, lab):
        lab.finished(3)
        lab.visit()
        approve_all(lab)
        lab.visit()
        ask_for_bonus(lab)
        lab.visit()
        with lab.sessions() as session:
            found = ledger.balance(session, lab.listing)
        paid = lab.prolific.paid(lab.listed)
        assert found.charged == found.paid == Money(sum(paid.values()), "GBP")
        assert found.difference == Money(0, "GBP")
        assert found.open == Money(0, "GBP")

    def test_fees_are_booked_as_they_grow_and_never_twice(self, lab):
        lab.finished(2)
        lab.visit()
        approve_all(lab)
        lab.visit()
        lab.visit()
        assert [payment.amount for payment in lab.payments(kind=PaymentKind.FEE)] == [99]
        assert [payment.amount for payment in lab.payments(kind=PaymentKind.TAX)] == [19]

    def test_the_list_for_accountants_has_no_id_of_prolific(self, lab):
        (done,) = lab.finished()
        person = lab.participant_of(done, state=ParticipantState.FINISHED)
        lab.visit()
        approve_all(lab)
        lab.visit()
        with lab.sessions() as session:
            lines = [dict(zip(ledger.HEADER, line, strict=True)) for line in ledger.payment_lines(session)]
        worker = lab.prolific.submissions[done]["participant_id"]
        assert not {done, worker, lab.listed} & {value for line in lines for value in map(str, line.values())}
        assert (lines[0]["amount"], lines[0]["participant"]) == ("1.50", person.reference)

    @pytest.mark.parametrize(
        ("reason", "written"),
        [("=1+1", "'=1+1"), ("＝1+1", "'＝1+1"), ("thanks;=1+1", "thanks;'=1+1"), ("for good work",) * 2],
    )
    def test_a_reason_is_no_formula(self, lab, reason, written):
        lab.finished()
        lab.visit()
        with lab.sessions.begin() as session:
            submission = session.scalars(select(Submission)).one()
            bonus = {"key": "bonus", "amount": 100, "reason": reason}
            ledger.intend(session, lab.listing, submission, PaymentKind.BONUS, **bonus)
        with lab.sessions() as session:
            lines = [dict(zip(ledger.HEADER, line, strict=True)) for line in ledger.payment_lines(session)]
        assert written in [line["reason"] for line in lines]


class Died(BaseException):
    """As if the process had been killed: nothing after it runs, and nothing catches it."""


class TestDeath:
    @pytest.mark.parametrize("after", [False, True], ids=["before the work", "after the work"])
    def test_wherever_a_visit_dies_everybody_is_paid_once(self, draft, monkeypatch, after):
        """Every call of the whole life of a listing is the last one of a visit once."""
        deaths = Deaths(after=after)
        monkeypatch.setattr(Api, "send", deaths.wrap(Api.send))
        live(draft, deaths, draft.visit)
        live(draft, deaths, draft.visit, first=lambda: draft.finished(3))
        approve_all(draft)
        live(draft, deaths, draft.visit)
        ask_for_bonus(draft, joined=False)
        live(draft, deaths, draft.visit)
        assert deaths.count > 20
        assert len(draft.prolific.studies) == 1
        assert rewards(draft) == [[150]] * 3
        assert bonuses(draft) == [[250]] * 3
        with draft.sessions() as session:
            assert ledger.balance(session, draft.listing).difference == Money(0, "GBP")


class Deaths:
    """Ends the process at its n-th call."""

    def __init__(self, *, after: bool) -> None:
        self.after = after
        self.at = 0
        self.count = 0
        self.calls = 0

    def wrap(self, send):
        def sent(api, *arguments, **options):
            self.calls += 1
            deadly = self.calls == self.at
            if deadly and not self.after:
                self._die()
            answer = send(api, *arguments, **options)
            if deadly:
                self._die()
            return answer

        return sent

    def _die(self):
        self.count += 1
        raise Died


def live(lab, deaths, act, *, first=lambda: None) -> None:
    """Act until it no longer dies: at its first call, then at its second, and so on."""
    first()
    for number in range(1, 200):
        deaths.at, deaths.calls = number, 0
        try:
            act()
        except Died:
            time_goes_by(lab)
            answer_for_staff(lab.sessions, lab.prolific)
            continue
        if deaths.calls < number:
            return
    raise AssertionError("it never ends")


def time_goes_by(lab) -> None:
    """As much as Prolific needs to show a bonus, and as a refused one waits."""
    with lab.sessions.begin() as session:
        earlier = {"sent_at": Payment.sent_at - timedelta(hours=2), "next_try_at": None}
        session.execute(update(Payment).values(**earlier))


def lose_bonus(lab, *, hours: int = 2) -> None:
    """A bonus is sent and does not arrive; so many hours go by."""
    ask_for_bonus(lab)
    lab.prolific.faults.append(Fault("POST", "/pay/", "lost"))
    with pytest.raises(MarketplaceUnavailable):
        lab.visit()
    if hours:
        time_goes_by(lab)


def answer_for(lab, answer) -> None:
    """Staff say of the only bonus what became of it."""
    with lab.sessions.begin() as session:
        (number,) = [one.id for one in lab.payments(kind=PaymentKind.BONUS)]
        answer(ledger.find_bonus(session, lab.listing, number), settle=timedelta(hours=1))


def ask(lab, action: ListingAction) -> None:
    with lab.sessions.begin() as session:
        listings.ask(session.get_one(type(lab.listing), lab.listing_id), action)


def reviewed(lab):
    with lab.sessions() as session:
        return review.submissions(session, lab.listing, limit=None)


def approve_all(lab) -> int:
    with lab.sessions.begin() as session:
        return review.approve(
            session, lab.listing, review.submissions(session, lab.listing, limit=None), by=None
        )


def ask_for_bonus(lab, *, joined: bool = True) -> int:
    """2.50 for everybody who has a submission; a new person where nobody has one."""
    if joined and not lab.prolific.submissions:
        lab.finished()
        lab.visit()
        approve_all(lab)
        lab.visit()
    lines = [review.BonusLine(one, 250) for one in reviewed(lab)]
    with lab.sessions.begin() as session:
        return review.ask_for_bonuses(session, lab.listing, lines, order=ORDER, reason="Well done.", by=None)


def rewards(lab):
    return [one["rewards"] for one in lab.prolific.submissions.values()]


def bonuses(lab):
    return [one["bonus_payments"] for one in lab.prolific.submissions.values()]


def market_visit(lab, act):
    from app.recruitment.accounts import key_of, opened

    with lab.sessions() as session:
        key = key_of(session, lab.listing.marketplace, lab.settings)
    with opened(key, lab.settings) as market:
        return act(sync.MarketVisit(lab.sessions, market, lab.listing_id, public_url=lab.settings.public_url))
