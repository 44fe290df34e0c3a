"""What a study would cost, asked on its form before there is anything to pay."""

import pytest

from app.models import Label, Study
from tests.app.recruitment.conftest import connect
from tests.support.factories import ImageFactory
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


@pytest.fixture
def material(db, settings):
    for label, source in ((Label.REAL, "camera"), (Label.FAKE, "gan")):
        for _ in range(4):
            ImageFactory(label=label, source=source)
    connect(db, settings)
    db.commit()


class TestPlannedCost:
    def test_it_is_what_the_marketplace_says_of_the_least_participants(self, db, editor, material):
        told = read(editor.post("/staff/studies/new", data=FORM)).text("[data-totals-here]")
        # 4 pairs × 2 questions × 3 judgements, 4 a participant: 6 people at 1.50; a third, and a fifth of it.
        assert "rewards 9.00 GBP, fees 2.97 GBP, tax 0.59 GBP, for 6 participants" in told
        assert "12.56 GBP" in told
        assert db.query(Study).count() == 0

    @pytest.mark.parametrize(("reward", "why"), [("much", "is no amount"), ("", "is no amount")])
    def test_what_is_no_amount_is_told(self, editor, material, reward, why):
        page = read(editor.post("/staff/studies/new", data=FORM | {"planner.reward": reward}))
        assert why in page.text("[id='planner.reward-error']")

    def test_without_a_marketplace_there_is_nothing_to_ask(self, editor):
        page = editor.get("/staff/studies/new").text
        assert "Show the cost" not in page
        assert "once an admin has connected one" in page
