"""What a study would cost, asked before there is anything to pay."""

import pytest

from app.models import Label, MarketplaceAccount, Source, Study
from app.planning.cost import pay_of
from app.planning.planner import plan_study
from app.planning.schemas import PlannerBody
from app.recruitment.marketplaces.seam import Money
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.app.recruitment.conftest import connect
from tests.support.factories import ImageFactory
from tests.support.local_prolific import Fault
from tests.support.pages import read

FORM = {
    "title": "Which face is real?",
    "slug": "planned",
    "trials_per_participant": "4",
    "judgements": "3",
    "lease_minutes": "60",
    "pairs.per_source": "4",
    "pairs.seed": "1",
    "consent": "Yes?",
    "consent_version": "v1",
    "instructions": "Look.",
    "arms.0.name": "control",
    "arms.0.annotate": "false",
    "arms.0.advice": "none",
    "action": "cost",
    "planner.reward": "1.50",
    "planner.marketplace": "prolific",
}
PLANNER = "/staff/studies/planned/plan"


@pytest.fixture
def images(db):
    for label, source in ((Label.REAL, "camera"), (Label.FAKE, "gan")):
        for _ in range(4):
            ImageFactory(label=label, source=source)
    db.commit()


@pytest.fixture
def account(db, settings):
    connect(db, settings)
    db.commit()


@pytest.fixture
def draft(db, images):
    """4 pairs × 2 questions × 3 judgements, 4 a participant: 6 people at least, of whom 8 are planned."""
    spec = {
        "slug": "planned",
        "title": "T",
        "trials_per_participant": 4,
        "judgements": 3,
        "pairs": {"per_source": 4},
        "arms": [{"name": "control", "annotate": False}],
        "about": {"pay": "£1.50"},
        "plan": {"hypotheses": ["One."], "participants": 8},
    }
    study = create_study(db, StudySpec.model_validate(spec))
    db.commit()
    return study


class TestOnTheForm:
    @pytest.fixture(autouse=True)
    def material(self, images, account) -> None: ...

    def test_it_is_what_the_marketplace_says_of_the_least_participants(self, db, editor):
        page = read(editor.post("/staff/studies/new", data=FORM))
        # 6 people at 1.50; a third, and a fifth of it.
        assert page.texts("[data-totals-here] .planner td.table__number") == [
            "6",
            "0.1",
            "9.00",
            "2.97",
            "0.59",
            "12.56",
        ]
        assert db.query(Study).count() == 0

    def test_what_is_no_amount_is_told(self, editor):
        page = read(editor.post("/staff/studies/new", data=FORM | {"planner.reward": "much"}))
        assert "is no amount" in page.text("[id='planner.reward-error']")

    def test_without_an_amount_anywhere_one_is_asked_for(self, editor):
        page = read(editor.post("/staff/studies/new", data=FORM | {"planner.reward": ""}))
        assert "Say what a participant is paid" in page.text("[data-totals-here]")

    def test_the_pay_in_the_texts_counts_where_none_is_typed(self, editor):
        typed = FORM | {"planner.reward": "", "about.pay": "1,50 GBP"}
        assert "12.56" in read(editor.post("/staff/studies/new", data=typed)).text("[data-totals-here]")


class TestEveryRow:
    def test_who_is_left_out_is_paid_and_replaced_and_the_plan_has_its_own(
        self, db, settings, draft, account
    ):
        answer = plan_study(db, settings, draft, PlannerBody(left_out=0.25))
        assert [(row.name, row.participants, row.total) for row in answer.rows] == [
            ("fewest", 6, 1256),
            ("left_out", 8, 1675),
            ("plan", 8, 1675),
        ]
        assert answer.rows[1].hours == pytest.approx(answer.rows[0].hours * 8 / 6)
        assert (answer.marketplace, answer.complaint) == (Source.PROLIFIC, "")


class TestWithoutAMarketplace:
    def test_the_rewards_are_there_and_a_sentence_says_what_is_missing(self, db, settings, draft):
        answer = plan_study(db, settings, draft, PlannerBody())
        assert [(row.rewards, row.total) for row in answer.rows] == [(900, None), (1200, None)]
        assert (answer.currency, answer.complaint.partition(",")[0]) == ("GBP", "No marketplace is connected")

    def test_one_that_does_not_answer_is_named(self, db, settings, draft, account, prolific):
        prolific.faults.append(Fault("POST", "study-cost-calculator", 503, times=99))
        answer = plan_study(db, settings, draft, PlannerBody())
        assert [row.rewards for row in answer.rows] == [900, 1200]
        assert answer.complaint.startswith("Prolific says no fees and tax, so they are missing.")

    def test_pay_in_another_currency_is_not_taken_for_the_accounts(self, db, settings, draft, account):
        draft.spec = draft.spec | {"about": {"pay": "€2"}}
        answer = plan_study(db, settings, draft, PlannerBody())
        assert [row.rewards for row in answer.rows] == [1200, 1600]
        assert "pays in EUR and the account on Prolific in GBP" in answer.complaint

    def test_a_token_that_cannot_be_opened_is_no_error_of_the_page(self, db, editor, images, account):
        db.query(MarketplaceAccount).one().sealed_token = b"of another key"
        db.commit()
        assert editor.post("/staff/studies/new", data=FORM | {"action": "totals"}).status_code == 200
        page = read(editor.post("/staff/studies/new", data=FORM))
        assert "says no fees and tax" in page.text("[data-totals-here] .notice")

    def test_without_images_a_study_takes_nobody(self, editor):
        page = read(editor.post("/staff/studies/new", data=FORM))
        assert page.texts("[data-totals-here] .planner td.table__number")[:3] == ["0", "0.0", "0.00"]


class TestPay:
    @pytest.mark.parametrize(
        ("text", "pay"),
        [
            ("£3.00", Money(300, "GBP")),
            ("3,50 €", Money(350, "EUR")),
            ("4 USD", Money(400, "USD")),
            ("2", Money(200, "")),
            ("about £3", None),
            ("0", None),
            ("£3 GBP", None),
            (None, None),
        ],
    )
    def test_it_is_an_amount_and_nothing_more(self, text, pay):
        assert pay_of(text) == pay


class TestEveryFace:
    def test_the_api_says_the_same_as_the_plan_page(self, editor, draft, account):
        told = editor.post("/api/studies/planned/planner", json={"left_out": 0.25}).json()
        page = read(editor.post(PLANNER, data={"action": "cost", "planner.left_out": "0.25"}))
        totals = [f"{row['total'] / 100:.2f}" for row in told["rows"]]
        assert page.texts(".planner tbody tr:last-child td") == totals == ["12.56", "16.75", "16.75"]

    def test_the_plan_page_asks_nobody_until_a_button_is_pressed(self, editor, draft, account, prolific):
        prolific.faults.append(Fault("POST", "study-cost-calculator", 503, times=99))
        page = read(editor.get(PLANNER))
        assert "Rewards" in page.text(".planner")
        assert "missing" not in page.text("[aria-labelledby=takes]")
