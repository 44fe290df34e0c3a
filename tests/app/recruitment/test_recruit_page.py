"""The page Recruit: what staff see before money is spent, and that they have to say so."""

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from app.accounts.service import open_session
from app.deps import SESSION_COOKIE
from app.models import Listing, MarketplaceAccount, ParticipantState, PaymentKind, PaymentState, Role, Source
from app.recruitment.listings import listing_of
from tests.app.recruitment.conftest import connect
from tests.app.recruitment.test_sync import approve_all, bonuses, rewards
from tests.support import factories
from tests.support.local_prolific import TOKEN
from tests.support.worlds import Visitor, make_study

PAGE = "/staff/studies/faces/recruit"
OFFER = {"places": "4", "reward": "1.50", "minutes": "10", "description": "Judge pairs of faces."}
WHY = "Four of the five attention checks were wrong, and no answer took more than half a second of your time."


class TestConnecting:
    def test_an_admin_connects_with_a_token_that_no_page_shows(self, db, log_in, study):
        admin = log_in(Role.ADMIN)
        assert admin.post(f"{PAGE}/connect", data={"token": TOKEN}).status_code == 303
        assert db.get(MarketplaceAccount, Source.PROLIFIC).owner == "Ada Lab"
        assert TOKEN not in admin.get(PAGE).text

    def test_a_token_that_opens_nothing_is_told_at_once(self, db, log_in, study):
        answer = log_in(Role.ADMIN).post(f"{PAGE}/connect", data={"token": "wrong"})
        assert answer.status_code == 422
        assert "The token does not work" in answer.text
        assert db.get(MarketplaceAccount, Source.PROLIFIC) is None


class TestPublishing:
    def test_the_cost_is_shown_and_nothing_is_published(self, connected, editor, prolific):
        shown = editor.get(f"{PAGE}/cost", params=OFFER).text
        for amount in ("6.00 GBP", "1.98 GBP", "0.39 GBP", "8.37 GBP", "9.00 GBP"):
            assert amount in shown
        assert prolific.studies == {}

    def test_a_press_of_the_button_asks_a_worker_for_it(self, connected, editor, db):
        assert editor.post(f"{PAGE}/publish", data=OFFER).status_code == 303
        listing = listing_of(db, connected)
        assert (listing.places_wanted, listing.reward, listing.asked) == (4, 150, "publish")
        assert "A worker is asked to publish" in editor.get(PAGE).text

    @pytest.mark.parametrize(
        "wrong",
        [
            {"reward": "a lot"},
            {"reward": "1.505"},
            {"places": "0"},
            {"screen_out_reward": "0.30"},
            {"screen_out_reward": "1.50", "screen_out_places": "9"},
        ],
    )
    def test_what_cannot_be_offered_is_refused(self, connected, editor, wrong):
        assert editor.get(f"{PAGE}/cost", params=OFFER | wrong).status_code == 422


class TestReview:
    def test_those_without_a_remark_are_approved_together(self, lab, editor, db):
        clean, odd = lab.finished(2)
        lab.participant_of(clean, state=ParticipantState.FINISHED)
        lab.visit()
        assert "Approve 1 without a remark" in editor.get(PAGE).text
        editor.post(f"{PAGE}/approve-clean")
        lab.visit()
        assert lab.prolific.submissions[clean]["rewards"] == [150]
        assert lab.prolific.submissions[odd]["rewards"] == []

    def test_what_the_marketplace_shows_as_done_is_not_on_its_way(self, lab, editor):
        (done,) = lab.finished()
        lab.participant_of(done, state=ParticipantState.FINISHED)
        lab.visit()
        editor.post(f"{PAGE}/approve-clean")
        assert "on its way" in editor.get(PAGE).text
        # As after a visit that died behind its call: approved there, and not written down here.
        lab.prolific._approve(lab.prolific.submissions[done])
        lab.visit()
        assert "on its way" not in editor.get(PAGE).text

    def test_a_rejection_shows_who_and_why_first(self, lab, editor):
        lab.finished()
        lab.visit()
        asked = {"id": marks(editor), "category": "FAILED_CHECK", "message": WHY}
        shown = editor.get(f"{PAGE}/rejection", params=asked).text
        assert "failed attention checks" in shown
        assert WHY in shown
        assert "no visit with this id" in shown
        lab.visit()
        assert states(lab) == ["AWAITING REVIEW"]
        editor.post(f"{PAGE}/reject", data=asked)
        lab.visit()
        assert states(lab) == ["REJECTED"]

    def test_one_that_explains_nothing_is_refused(self, lab, editor):
        lab.finished()
        lab.visit()
        asked = {"id": marks(editor), "category": "FAILED_CHECK", "message": "No."}
        assert editor.get(f"{PAGE}/rejection", params=asked).status_code == 422

    def test_a_return_is_asked_for_with_a_reason(self, lab, editor):
        lab.finished()
        lab.visit()
        editor.post(f"{PAGE}/return", data={"id": marks(editor), "reason": "Your answers did not arrive."})
        lab.visit()
        assert lab.prolific.messages[0]["return"] == {
            "request_return_reasons": ["Your answers did not arrive."]
        }

    def test_it_filters_and_sorts(self, lab, editor):
        lab.prolific.leave(lab.prolific.join(lab.listed))
        lab.finished(2)
        lab.visit()
        assert len(marks(editor, "?state=awaiting_review&sorting=flags")) == 2
        assert marks(editor, "?state=returned") == []

    def test_no_page_shows_an_id_of_prolific(self, lab, editor):
        (done,) = lab.finished()
        lab.participant_of(done, state=ParticipantState.FINISHED)
        lab.visit()
        shown = editor.get(PAGE).text + editor.get(f"{PAGE}/review", params={"id": marks(editor)}).text
        assert done not in shown
        assert lab.prolific.submissions[done]["participant_id"] not in shown


class TestBonuses:
    def test_they_are_shown_first_and_paid_once(self, lab, editor):
        (done,) = lab.finished()
        person = lab.participant_of(done, state=ParticipantState.FINISHED)
        lab.visit()
        approve_all(lab)
        asked = {"lines": f"{person.reference}, 0.75", "reason": "Well done."}
        preview = editor.post(f"{PAGE}/bonuses", data=asked)
        order = re.search(r'name="order" value="([0-9a-f-]{36})"', preview.text)[1]
        lab.visit()
        assert bonuses(lab) == [[]]
        for _ in range(2):
            editor.post(f"{PAGE}/bonuses", data=asked | {"order": order})
            lab.visit()
        assert bonuses(lab) == [[75]]


class TestLedger:
    def test_who_may_see_payments_sees_and_downloads_them(self, lab, log_in):
        paid(lab)
        finance = log_in(Role.FINANCE)
        shown = finance.get(PAGE).text
        assert "The ledger is equal to the penny." in shown
        assert "The newest 3 rows" in shown
        table = finance.get(f"{PAGE}/payments.csv")
        assert table.headers["content-disposition"] == 'attachment; filename="faces-payments.csv"'
        assert table.text == finance.get("/staff/payments.csv").text
        assert len(table.text.splitlines()) == 4

    def test_an_editor_sees_the_totals_and_a_viewer_nothing(self, lab, log_in):
        paid(lab)
        assert "1.50 GBP" in log_in(Role.EDITOR).get(PAGE).text
        assert "Ledger" not in log_in(Role.VIEWER).get(PAGE).text

    def test_what_prolific_charged_beyond_it_is_said(self, lab, log_in, db):
        paid(lab)
        listing = db.get(Listing, lab.listing_id, populate_existing=True)
        listing.charged = listing.charged | {"rewards": 151}
        db.commit()
        assert "That is 0.01 GBP more than the ledger knows." in log_in(Role.FINANCE).get(PAGE).text


class TestEndings:
    def test_whoever_finishes_is_led_back_with_the_code_that_prolific_waits_for(self, lab, client):
        visitor = Visitor(client, "faces")
        visitor.consent(source="prolific", external_id="5a" * 12, assignment_id="6b" * 12)
        end = visitor.finish()["completion"]
        assert end["code"] == lab.code()
        assert end["redirect_url"] == f"https://app.prolific.com/submissions/complete?cc={lab.code()}"

    def test_whoever_declines_or_withdraws_has_a_code_of_that(self, lab, client):
        visitor = Visitor(client, "faces")
        query = f"?PROLIFIC_PID={'5a' * 12}&SESSION_ID={'6b' * 12}&STUDY_ID={'7c' * 12}"
        assert visitor.page(query)["ways_out"]["declined"]["code"] == lab.code("declined")
        visitor.consent(source="prolific", external_id="5a" * 12, assignment_id="6b" * 12)
        assert visitor.withdraw().json()["code"] == lab.code("withdrawn")

    def test_somebody_from_elsewhere_gets_none_of_them(self, lab, client):
        visitor = Visitor(client, "faces")
        visitor.consent()
        assert visitor.finish()["completion"]["redirect_url"] is None


def marks(browser, query: str = "") -> list[str]:
    return re.findall(r'type="checkbox" name="id" value="(\d+)"', browser.get(PAGE + query).text)


def states(lab) -> list[str]:
    return [one["status"] for one in lab.prolific.submissions.values()]


def paid(lab) -> None:
    """One person with their reward; fees and tax beside it."""
    lab.finished()
    lab.visit()
    approve_all(lab)
    lab.visit()
    assert rewards(lab) == [[150]]
    assert lab.states(PaymentKind.REWARD) == [PaymentState.CONFIRMED]


@pytest.fixture
def study(db, prolific):
    return make_study(db, slug="faces")


@pytest.fixture
def connected(db, settings, study):
    connect(db, settings)
    db.commit()
    return study


class TestWhileProlificIsAsked:
    def test_no_connection_to_the_database_is_held(self, own_database, prolific, monkeypatch, application):
        settings, sessions = own_database
        settings = settings.model_copy(update={"prolific_url": prolific.url})
        pool = sessions.kw["bind"].pool
        held = []
        answer = prolific.answer
        monkeypatch.setattr(
            prolific, "answer", lambda *asked: (held.append(pool.checkedout()), answer(*asked))[1]
        )
        with sessions() as db:
            factories.SESSION_HOLDER["session"] = db
            make_study(db, slug="faces")
            admin = factories.StaffFactory(role=Role.ADMIN)
            cookie = open_session(db, admin, lifetime=timedelta(hours=1))
            db.commit()
        browser = TestClient(application(settings, sessions), base_url="http://127.0.0.1:8000")
        browser.cookies[SESSION_COOKIE] = cookie
        assert browser.post(f"{PAGE}/connect", data={"token": TOKEN}).status_code == 200
        assert "8.37 GBP" in browser.get(f"{PAGE}/cost", params=OFFER).text
        assert len(held) == 4
        assert set(held) == {0}
