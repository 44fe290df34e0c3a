"""A lab's whole day in Chromium; `benchmarks/lab_day.py` is the large version, and kills visits."""

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from app.accounts.service import add_staff
from app.models import Listing, Role, Study
from app.recruitment import sync
from tests.support.lab import DESK, Lab, browsing
from tests.support.lab_day import BONUS, REWARD, SCREEN_OUT, LabDay
from tests.support.local_prolific import LocalProlific
from tests.support.people import PASSWORD, StaffMember

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

CONDUCTS = ("finish", "finish", "hasty", "return", "time out", "screen out", "finish")


def test_from_a_draft_to_the_accountants_file(browser: Browser, lab: Lab, prolific: LocalProlific):
    def visit(_path: str) -> None:
        with lab.session() as session:
            wanted = select(Listing.id).join(Study, Study.id == Listing.study_id).where(Study.slug == "day")
            listing = session.scalars(wanted).one()
        sync.visit(lab.sessions, lab.settings, listing)

    with lab.sessions.begin() as session:
        add_staff(session, email="day@lab.example", name="Ada", role=Role.ADMIN, password=PASSWORD)
    with browsing(browser, DESK) as context:
        page = context.new_page()
        StaffMember(page, lab.url, "day@lab.example").log_in()
        day = LabDay(lab, prolific, browser, page, visit)
        day.design()
        day.preview()
        day.pilot()
        day.open()
        day.publish(places=3)
        day.arrive(CONDUCTS)
        day.send_events()
        day.look_around()
        day.exclude(at_least=1)
        day.approve()
        day.pay_bonuses(2)
        day.send_events()
        paid = day.close_the_books()
    assert paid["rewards"] == 4 * REWARD + SCREEN_OUT
    assert paid["bonuses"] == 2 * BONUS
