"""Every page under axe-core: no violation that it calls serious or critical."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts.service import add_staff
from app.models import Role
from tests.support import ROOT
from tests.support.lab import DESK, PHONE, Lab, browsing
from tests.support.people import PASSWORD, StaffMember
from tests.support.visits import Finger, Mouse, Walk

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
STAFF_PAGES = (
    "",
    "/images",
    "/studies",
    "/studies/new",
    "/studies/watched",
    "/studies/watched/design",
    "/studies/watched/plan",
    "/studies/watched/participants",
    "/studies/watched/exclusions",
    "/studies/watched/maps",
    "/studies/watched/export",
    "/studies/watched/analysis",
    "/experiments",
    "/experiments/new",
    "/people",
    "/account",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: `npm ci`"),
]


def violations(page: Page) -> list[str]:
    """What axe calls serious or critical, in one line each.

    The script comes through the debugger and not through the page, so the page's own
    Content-Security-Policy stays as it is.
    """
    page.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:120]} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


class TestParticipantPages:
    @pytest.mark.parametrize(("hands", "screen"), [(Mouse(), DESK), (Finger(), PHONE)], ids=["desk", "phone"])
    def test_from_consent_to_the_code(self, browser: Browser, lab: Lab, hands, screen):
        found: dict[str, list[str]] = {}
        address = lab.everything(f"axe-{'phone' if screen is PHONE else 'desk'}", trials=2, advice="both")
        with browsing(browser, screen | {"reduced_motion": "reduce"}) as context:
            walk = Walk(context.new_page(), hands, lambda page, name: found.update({name: violations(page)}))
            walk.page.goto(address)
            walk.go()
        assert {name: lines for name, lines in found.items() if lines} == {}
        assert {"consent", "instructions", "quiz", "trial", "feedback", "questions", "debrief"} < set(found)

    def test_whatever_else_can_be_in_front(self, browser, lab):
        address = lab.plain(
            "axe",
            further="breaks = {every = 1}\nchecks = {traps = 4}\n"
            "device = {min_width = 1200, min_height = 400}",
        )
        with browsing(
            browser, {"viewport": {"width": 900, "height": 800}, "reduced_motion": "reduce"}
        ) as context:
            walk = Walk(context.new_page(), Mouse())
            page = walk.page
            page.goto(f"{address}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE")
            assert violations(page) == []
            page.goto(address)
            page.get_by_label("I have read").check()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("The window is too small")).to_be_visible()
            assert violations(page) == []
            page.set_viewport_size({"width": 1280, "height": 800})
            walk.go(until="trial")
            Mouse().choose(page)
            Mouse().paint(page)
            expect(page.locator(".unmet")).to_have_count(1)
            assert violations(page) == []
            page.get_by_role("button", name="Help").click()
            assert violations(page) == []
            page.keyboard.press("Escape")
            page.locator("#next").click()
            expect(page.locator("#go-on")).to_be_visible()
            assert violations(page) == []
            page.get_by_role("button", name="Leave").click()
            assert violations(page) == []
            page.get_by_role("button", name="Withdraw").click()
            expect(page.get_by_role("heading", name="You have left the study")).to_be_visible()
            assert violations(page) == []
            page.goto(f"{lab.url}/s/nowhere")
            assert violations(page) == []


def test_axe_sees_what_is_wrong(browser: Browser):
    with browsing(browser, DESK) as context:
        page = context.new_page()
        page.set_content("<html lang=en><title>Bad</title><img src=x.png><button></button>")
        assert [line.split(":")[0] for line in violations(page)] == ["button-name", "image-alt"]


@pytest.fixture(scope="module")
def email(browser: Browser, lab: Lab) -> str:
    """Of somebody who may see everything, when somebody has taken part."""
    with lab.sessions.begin() as session:
        add_staff(session, email="ada@lab.example", name="Ada", role=Role.ADMIN, password=PASSWORD)
    with browsing(browser, DESK) as context:
        walk = Walk(context.new_page(), Mouse())
        walk.page.goto(lab.plain("watched"))
        walk.go()
    return "ada@lab.example"


def is_too_wide(page: Page) -> bool:
    """Whether a page scrolls to the side; what is wide scrolls within it."""
    script = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(script))


class TestStaffPages:
    @pytest.mark.parametrize(
        ("screen", "scheme"),
        [(DESK, "light"), (DESK, "dark"), (PHONE, "dark")],
        ids=["desk, light", "desk, dark", "phone, dark"],
    )
    def test_each(self, browser, lab, email, screen, scheme):
        found: dict[str, list[str]] = {}

        def look(page: Page, name: str) -> None:
            found[name] = violations(page) + (["it scrolls to the side"] if is_too_wide(page) else [])

        with browsing(browser, screen | {"color_scheme": scheme, "reduced_motion": "reduce"}) as context:
            page = context.new_page()
            page.goto(f"{lab.url}/login")
            look(page, "/login")
            StaffMember(page, lab.url, email).log_in()
            for path in STAFF_PAGES:
                assert page.goto(f"{lab.url}/staff{path}").ok, path
                look(page, path)
            page.goto(f"{lab.url}/staff/images")
            page.locator("main a[href^='/staff/images/']:has(img)").first.click()
            look(page, "an image")
            page.goto(f"{lab.url}/staff/studies/watched/participants")
            page.locator("main table a").first.click()
            look(page, "a participant")
            page.get_by_role("link", name="Replay the visit").click()
            look(page, "a replay")
        assert {path: lines for path, lines in found.items() if lines} == {}

    def test_on_a_phone_every_tab_of_a_study_is_in_sight(self, browser, lab, email):
        with browsing(browser, PHONE) as context:
            page = context.new_page()
            StaffMember(page, lab.url, email).log_in()
            page.goto(f"{lab.url}/staff/studies/watched/analysis")
            tabs = [tab.bounding_box() for tab in page.locator(".tabs a").all()]
            assert all(
                box["x"] >= 0 and box["x"] + box["width"] <= PHONE["viewport"]["width"] for box in tabs
            )
            assert len(tabs) > 3

    def test_on_a_phone_a_trial_is_a_few_lines(self, browser, lab, email):
        with browsing(browser, PHONE) as context:
            page = context.new_page()
            StaffMember(page, lab.url, email).log_in()
            page.goto(f"{lab.url}/staff/studies/watched/participants")
            page.locator("main table a").first.click()
            rows = page.get_by_role("region", name="Trials").locator("tbody tr")
            heights = [row.bounding_box()["height"] for row in rows.all()]
            assert len(heights) == 4
            assert max(heights) < 220
