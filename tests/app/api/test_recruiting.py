"""Recruiting over the API: asked for by a program, carried out by a visit."""

from uuid import uuid4

import pytest

from app.models import PaymentKind, PaymentState, Role
from tests.app.recruitment.conftest import connect, draft, lab, no_waiting, prolific, settings  # noqa: F401
from tests.app.recruitment.test_sync import bonuses, lose_bonus, rewards
from tests.support.worlds import make_study

API = "/api/studies/faces/listing"
TERMS = {"places": 4, "reward": 150, "minutes": 10, "description": "Judge pairs of faces."}
WHY = "Four of the five attention checks were wrong, and no answer took more than half a second of your time."


class TestPublishing:
    @pytest.fixture(autouse=True)
    def study(self, db, settings):  # noqa: F811
        study = make_study(db, slug="faces")
        connect(db, settings)
        db.commit()
        return study

    def test_a_quote_publishes_nothing(self, editor, prolific):  # noqa: F811
        found = editor.post(f"{API}/quote", json=TERMS).json()
        assert found == {"rewards": 600, "fees": 198, "tax": 39, "total": 837, "currency": "GBP"}
        assert prolific.studies == {}

    def test_what_is_published_waits_for_a_worker(self, editor):
        made = editor.post(API, json=TERMS)
        assert (made.status_code, made.json()["asked"]) == (201, "publish")
        assert editor.get(API).json()["places_wanted"] == 4
        assert editor.post(f"{API}/places", json={"total": 9}).json()["places_wanted"] == 9

    def test_a_study_that_is_not_listed_says_so(self, editor):
        assert editor.get(API).status_code == 404


class TestReview:
    @pytest.fixture
    def waiting(self, lab):  # noqa: F811
        """Numbers of two submissions that wait for a verdict."""
        done = lab.finished(2)
        for one in done:
            lab.participant_of(one, state="finished")
        lab.visit()
        return [lab.submission(one).id for one in done]

    def test_everybody_without_a_remark_is_paid(self, editor, lab, waiting):  # noqa: F811
        assert editor.post(f"{API}/submissions/approve", json={}).json() == {"count": 2}
        lab.visit()
        assert rewards(lab) == [[150], [150]]
        shown = editor.get(f"{API}/submissions?state=approved").json()["submissions"]
        assert sorted(one["id"] for one in shown) == sorted(waiting)
        assert next(iter(lab.prolific.submissions.values()))["participant_id"] not in str(shown)

    def test_a_rejection_is_shown_before_it_is_done(self, editor, lab, waiting):  # noqa: F811
        asked = {"submissions": waiting[:1], "category": "FAILED_CHECK", "message": WHY}
        shown = editor.post(f"{API}/submissions/reject", json=asked).json()
        assert (shown["rejected"], len(shown["submissions"])) == (False, 1)
        lab.visit()
        assert {one["status"] for one in lab.prolific.submissions.values()} == {"AWAITING REVIEW"}
        editor.post(f"{API}/submissions/reject", json=asked | {"confirmed": True})
        lab.visit()
        assert "REJECTED" in {one["status"] for one in lab.prolific.submissions.values()}

    def test_people_are_written_to_from_their_page_and_by_a_program(self, editor, lab, waiting):  # noqa: F811
        page = "/staff/studies/faces"
        someone = editor.get(f"{API}/submissions").json()["submissions"][0]
        assert "Write to them" in editor.get(f"{page}/participants/{someone['participant']}").text
        form = {"id": someone["id"], "message": "Which browser did you use?"}
        assert editor.post(f"{page}/recruit/message", data=form).status_code == 303
        letter = {"submissions": waiting, "message": "Thank you."}
        assert editor.post(f"{API}/submissions/message", json=letter).json() == {"count": 2}
        assert len(lab.prolific.messages) == 3
        assert editor.post(f"{page}/recruit/message", data={"message": "x"}).status_code == 422

    def test_an_unknown_submission_is_named(self, editor, waiting):
        answer = editor.post(f"{API}/submissions/return", json={"submissions": [999], "reason": "Why"})
        assert (answer.status_code, "999" in answer.json()["detail"]) == (422, True)

    def test_an_order_of_bonuses_pays_once(self, editor, lab, waiting):  # noqa: F811
        editor.post(f"{API}/submissions/approve", json={})
        lab.visit()
        someone = editor.get(f"{API}/submissions").json()["submissions"][0]["participant"]
        order = {"order": str(uuid4()), "bonuses": [{"participant": someone, "amount": 50}]}
        counts = [editor.post(f"{API}/bonuses", json=order).json()["count"] for _ in range(2)]
        lab.visit()
        assert counts == [1, 0]
        assert sorted(bonuses(lab)) == [[], [50]]


class TestSettling:
    def test_staff_say_what_became_of_a_bonus(self, editor, lab):  # noqa: F811
        lose_bonus(lab)
        (one,) = editor.get(f"{API}/bonuses").json()
        assert one["unshown"] is True
        assert editor.post(f"{API}/bonuses/{one['number']}/paid").json() == []
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CONFIRMED]

    def test_the_page_asks_and_the_ledger_is_for_finance(self, editor, log_in, lab):  # noqa: F811
        lose_bonus(lab)
        page = "/staff/studies/faces/recruit"
        assert "does not show it" in editor.get(page).text
        (one,) = lab.payments(kind=PaymentKind.BONUS)
        assert editor.post(f"{page}/bonuses/{one.id}/again").status_code == 303
        assert editor.post(f"{page}/bonuses/{one.id}/cancel").status_code == 303
        assert lab.states(PaymentKind.BONUS) == [PaymentState.CANCELLED]
        assert editor.get(f"{API}/ledger").status_code == 403
        finance = log_in(Role.FINANCE)
        assert finance.get(f"{API}/ledger").json()["currency"] == "GBP"
        assert "bonus" in finance.get("/api/studies/faces/payments.csv").text
