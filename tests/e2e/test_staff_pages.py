"""What staff do on pages that no form alone can do, in a real Chromium."""

import tomllib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.accounts.service import add_staff
from app.models import Role
from tests.support.lab import DESK, SIDE, Lab, browsing
from tests.support.people import PASSWORD, StaffMember

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def page(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Of somebody who may see everything."""
    email = f"{request.node.name[:20].lower()}@lab.example"
    with lab.sessions.begin() as session:
        add_staff(session, email=email, name="Ada", role=Role.ADMIN, password=PASSWORD)
    with browsing(browser, DESK) as context:
        page = context.new_page()
        StaffMember(page, lab.url, email).log_in()
        yield page


def open_an_image(page, lab):
    """The page of an image, with its script at work."""
    page.goto(f"{lab.url}/staff/images")
    page.locator("main a[href^='/staff/images/']:has(img)").first.click()
    page.wait_for_url("**/staff/images/*", wait_until="load")


class TestRegion:
    def test_corners_are_drawn_moved_and_taken_back(self, page, lab):
        open_an_image(page, lab)
        page.set_viewport_size({"width": 1280, "height": 1600})  # the picture and its buttons at once
        drawing, text = page.locator("#region"), page.locator("#region-text")

        def at(x: float, y: float) -> tuple[float, float]:
            box = drawing.bounding_box()
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        for corner in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.1, 0.9)):
            page.mouse.click(*at(*corner))
        page.get_by_role("button", name="Take back a corner").click()
        page.mouse.move(*at(0.75, 0.75))
        page.mouse.down()
        page.mouse.move(*at(0.5, 1))
        page.mouse.up()
        (region,) = tomllib.loads(text.input_value())["checks"]["regions"]
        wanted = [[SIDE / 4, SIDE / 4], [3 * SIDE / 4, SIDE / 4], [SIDE / 2, SIDE]]
        for corner, (x, y) in zip(region["region"], wanted, strict=True):
            assert corner == [pytest.approx(x, abs=2), pytest.approx(y, abs=2)]
        assert lab.plain("with-region", further=text.input_value())  # as it stands

    def test_a_corner_moves_with_its_button_alone(self, page, lab):
        open_an_image(page, lab)
        drawing, text = page.locator("#region"), page.locator("#region-text")
        drawing.click(position={"x": 40, "y": 40})
        before = text.input_value()
        drawing.click(position={"x": 90, "y": 90}, button="right")
        box, session = drawing.bounding_box(), page.context.new_cdp_session(page)
        for kind, buttons, far in (("mousePressed", 1, 40), ("mouseMoved", 0, 80)):
            place = {"x": box["x"] + far, "y": box["y"] + far}
            button = "left" if buttons else "none"
            event = {"type": kind, "button": button, "buttons": buttons, "clickCount": 1}
            session.send("Input.dispatchMouseEvent", event | place)
        assert text.input_value() == before

    def test_what_is_typed_is_drawn(self, page, lab):
        open_an_image(page, lab)
        page.locator("#region-text").fill("region = [[0, 0], [80, 0], [80, 80]]")
        expect(page.locator("#region polygon")).to_have_attribute("points", "0,0 80,0 80,80")
        page.get_by_role("button", name="Start over").click()
        expect(page.locator("#region-text")).to_have_value("region = []")


class TestNarrowScreens:
    def test_a_row_is_a_card_that_names_its_columns(self, page, lab):
        lab.plain("narrow")
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{lab.url}/staff/studies")
        row = page.locator(".table tbody tr").first
        state = row.locator("td", has=page.locator(".badge")).first
        assert state.evaluate("cell => getComputedStyle(cell, '::before').content") == '"State"'
        expect(page.get_by_role("cell").first).to_be_visible()  # still a table to whoever hears it
        box = state.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
