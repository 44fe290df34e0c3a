"""Real processes, killed with -9 while they pay. `benchmarks/lab_day.py` is the large version."""

import pytest

from app.models import Source
from app.recruitment import listings, review
from app.recruitment.marketplaces.seam import Money
from app.recruitment.sync import visit
from tests.app.recruitment.conftest import TERMS, connect
from tests.app.recruitment.test_sync import ORDER
from tests.support import factories
from tests.support.recruiting import MortalLab, environment_of
from tests.support.worlds import make_study


class TestKilledVisit:
    def test_everybody_is_paid_once_whether_the_kill_came_before_or_after_it(self, mortal):
        for path in ("/bulk-approve/", "/pay/"):
            for after in (False, True):
                assert mortal.die_at(path=path, after=after)
        mortal.visit()
        people = mortal.prolific.submissions.values()
        assert [one["rewards"] for one in people] == [[150]] * 2
        assert [one["bonus_payments"] for one in people] == [[250.0]] * 2
        assert mortal.balance().difference == mortal.balance().open == Money(0, "GBP")


@pytest.fixture
def mortal(own_database, prolific, tmp_path):
    """A lab with two people to reward and to pay a bonus."""
    settings, sessions = own_database
    settings = settings.model_copy(update={"prolific_url": prolific.url})
    with sessions() as db:
        factories.SESSION_HOLDER["session"] = db
        study = make_study(db, slug="faces")
        connect(db, settings)
        listing = listings.make_listing(db, study, Source.PROLIFIC, TERMS, by=None)
        db.commit()
    environment = environment_of(settings, prolific)
    lab = MortalLab(sessions, prolific, "faces", environment, tmp_path / "visits.log")
    visit(sessions, settings, listing.id)
    for _ in range(2):
        lab.finish(prolific.join(lab.listed))
    visit(sessions, settings, listing.id)
    with sessions.begin() as session:
        done = review.clean_ones(session, lab.listing)
        review.approve(session, lab.listing, done, by=None)
        lines = [review.BonusLine(one, 250) for one in done]
        review.ask_for_bonuses(session, lab.listing, lines, order=ORDER, reason="", by=None)
    return lab
