"""A server that is ill, a browser that is: nothing is lost, nobody is stuck, and the page says what is."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.lab import DESK, PHONE, browsing
from tests.e2e.visits import Mouse, Walk, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NEVER_ENDS = """\
const nothing = () => ({});
const store = { put: nothing, getAll: nothing, delete: nothing };
IDBDatabase.prototype.transaction = () => ({ objectStore: () => store });
"""


def broken(route: Route) -> None:
    route.fulfill(status=500, json={"error": "internal", "detail": "No.", "reference": "abc123"})


@pytest.fixture
def walk(browser, lab, request):
    slug = re.sub(r"[^a-z]+", "-", request.node.name)[-40:].strip("-")
    with browsing(browser, DESK) as context:
        walk = Walk(context.new_page(), Mouse())
        walk.address = lab.plain(slug)
        yield walk


class TestAServerThatIsIll:
    def test_it_is_said_with_a_reference_and_the_page_goes_on_by_itself(self, walk):
        page = walk.page
        page.goto(walk.address)
        page.route("**/participant/next", broken)
        page.locator("#agree").check()
        page.get_by_role("button", name="Continue").click()
        banner = page.locator("#banner")
        expect(banner).to_contain_text("The server is busy")
        expect(banner).to_contain_text("Something is wrong on our side", timeout=30_000)
        expect(banner).to_contain_text("Reference: abc123")
        page.unroute("**/participant/next")
        expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=30_000)
        expect(banner).to_be_hidden()

    def test_an_answer_that_it_cannot_take_keeps_nobody_from_going_on(self, walk):
        page = walk.page
        page.goto(walk.address)
        walk.go(until="trial")
        page.route("**/decision", broken)
        walk.judge()
        expect(page.locator("#progress-text")).to_have_text("2 of 4", timeout=30_000)
        page.reload()
        expect(page.locator("#progress-text")).to_have_text("1 of 4", timeout=30_000)
        page.unroute("**/decision")
        walk.go()
        assert walk.code


class TestAnotherDevice:
    def test_it_goes_on_with_the_strokes_of_the_first(self, browser, walk):
        page = walk.page
        page.goto(walk.address)
        walk.go(until="trial")
        Mouse().choose(page)
        with page.expect_response(lambda answer: answer.url.endswith("/draft"), timeout=15_000):
            Mouse().paint(page)
        page.wait_for_timeout(3500)  # the last draft has been sent
        before = painted(page)
        with browsing(browser, PHONE) as context:
            phone = context.new_page()
            phone.goto(page.url)
            phone.get_by_role("button", name="Start").click()  # the instructions are new to this device
            expect(phone.locator(".face--chosen")).to_be_visible()
            expect(phone.locator("#progress-text")).to_have_text("1 of 4")
            assert painted(phone) == before
            assert "1" in before


class TestABrowserWhoseStorageNeverAnswers:
    def test_every_answer_arrives(self, browser, lab):
        with browsing(browser, DESK) as context:
            context.add_init_script(NEVER_ENDS)
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(lab.plain("stuck-storage"))
            walk.go()
            assert walk.code
