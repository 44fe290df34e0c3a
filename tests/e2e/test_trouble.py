"""A server that is ill, a browser that is: nothing is lost, nobody is stuck, and the page says what is."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.support.lab import DESK, PHONE, browsing
from tests.support.visits import Mouse, Walk, painted

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
        walk.address = lab.plain(slug)  # type: ignore[attr-defined]
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


class TestAPageThatCannotStart:
    """What it says is what is wrong, and not something else."""

    def test_a_script_that_does_not_come_is_not_called_an_old_browser(self, walk):
        page = walk.page
        page.route("**/static/core/raster.js", lambda route: route.fulfill(status=500, body="No."))
        page.goto(walk.address)
        expect(page.get_by_text("This page did not load completely")).to_be_visible()
        expect(page.get_by_text("too old")).to_be_hidden()
        page.unroute("**/static/core/raster.js")
        page.reload()
        expect(page.locator("#agree")).to_be_visible()
        expect(page.get_by_text("This page did not load completely")).to_be_hidden()

    def test_an_old_browser_is_called_one(self, walk):
        page = walk.page
        page.add_init_script("delete HTMLScriptElement.prototype.noModule")
        page.route("**/pages/participant.js", lambda route: route.abort())
        page.goto(walk.address)
        expect(page.get_by_text("This browser is too old for this study")).to_be_visible()
        expect(page.get_by_text("did not load completely")).to_be_hidden()

    def test_a_program_that_breaks_says_so(self, walk):
        page = walk.page
        page.add_init_script("delete window.IntersectionObserver")
        page.goto(walk.address)
        expect(page.get_by_text("Something went wrong")).to_be_visible()

    def test_a_server_that_fails_is_not_called_an_old_browser(self, walk):
        page = walk.page
        page.clock.install()
        page.goto(walk.address)
        page.route("**/participant/next", broken)
        page.locator("#agree").check()
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#banner")).to_contain_text("The server is busy")
        assert page.locator(".waiting__late").evaluate("(line) => getComputedStyle(line).display") == "none"
        expect(page.locator("[data-trouble]")).to_have_count(3)
        for said in page.locator("[data-trouble]").all():
            expect(said).to_be_hidden()

    def test_without_javascript_it_says_what_it_needs(self, browser, walk):
        with browsing(browser, DESK | {"java_script_enabled": False}) as context:
            page = context.new_page()
            page.goto(walk.address)
            expect(page.locator("noscript .notice__title")).to_be_visible()
            expect(page.locator("[data-page=loading]")).to_be_hidden()


class TestASlowNetwork:
    def test_the_first_pair_shows_how_far_it_has_come_and_the_clock_waits_for_it(self, walk):
        page = walk.page
        seen: list[float] = []
        page.goto(walk.address)
        expect(page.locator("#agree")).to_be_visible()
        slow = page.context.new_cdp_session(page)
        slow.send("Network.enable")
        slow.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 50, "downloadThroughput": 3000, "uploadThroughput": 20_000},
        )
        walk.go(until="instructions")
        bar = page.locator("#waiting-bar")
        page.get_by_role("button", name="Start").click()
        expect(bar).to_be_visible()
        while page.locator("[data-page=loading]").is_visible():
            seen.append(float(bar.evaluate("(bar) => bar.value")))
        expect(page.locator("#trial")).to_be_visible()
        slow.detach()
        assert seen == sorted(seen)
        assert len({part for part in seen if 0 < part < 1}) >= 3
        with page.expect_request("**/decision"):
            walk.judge()
        loaded = next(event for event in walk.sent[0]["events"] if event["kind"] == "loaded")
        assert loaded["load_ms"] > 500
        assert walk.sent[0]["decision_ms"] < loaded["load_ms"] + 15_000


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
