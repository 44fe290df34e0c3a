"""What becomes of a stroke, and of a choice, when hands do something unusual; in a real Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_participant_page import Visit, begin, pick
from tests.support.lab import DESK, Lab, browsing
from tests.support.visits import painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LEFT, RIGHT = 1, 2  # bits of `buttons`
POINTER = """(frame, [type, about, x, y]) => {
  const box = frame.getBoundingClientRect();
  const place = { clientX: box.x + x * box.width, clientY: box.y + y * box.height };
  const usual = { bubbles: true, cancelable: true, button: 0, buttons: 1 };
  frame.dispatchEvent(new PointerEvent(type, { ...usual, ...place, ...about }));
}"""

CLICK_TWICE = """async () => {
  const frame = document.querySelector(".face[data-side=right] .face__frame");
  frame.click();
  await new Promise((done) => setTimeout(done, 700)); // nothing seems to happen, so they click again
  const box = frame.getBoundingClientRect();
  const place = { clientX: box.x + box.width / 3, clientY: box.y + box.height / 3 };
  const mouse = { pointerId: 1, pointerType: "mouse", isPrimary: true, button: 0 };
  const about = { bubbles: true, cancelable: true, ...mouse, ...place };
  frame.dispatchEvent(new PointerEvent("pointerdown", { ...about, buttons: 1 }));
  frame.dispatchEvent(new PointerEvent("pointerup", { ...about, buttons: 0 }));
  frame.click();
}"""


@pytest.fixture(scope="module")
def study(lab: Lab) -> str:
    return lab.plain("hands")


@pytest.fixture
def visit(browser, study) -> Iterator[Visit]:
    with browsing(browser, DESK) as context:
        visit = begin(context, study)
        pick(visit.page, "left")
        yield visit


@pytest.fixture
def hand(visit) -> "Hand":
    return Hand(visit.page)


class Hand:
    """A pointer over the chosen face; places are fractions of it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.frame = page.locator(".face--chosen .face__frame")

    def mouse(self, kind: str, x: float, y: float, *, button: str = "none", buttons: int = 0) -> None:
        box = self.frame.bounding_box()
        place = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        event = {"type": f"mouse{kind}", "button": button, "buttons": buttons, "clickCount": 1}
        self.session.send("Input.dispatchMouseEvent", event | place)

    def start(self) -> None:
        """Press and drag."""
        self.mouse("Pressed", 0.2, 0.5, button="left", buttons=LEFT)
        self.mouse("Moved", 0.4, 0.5, button="left", buttons=LEFT)

    def drag(self) -> None:
        self.start()
        self.mouse("Released", 0.4, 0.5, button="left")

    def pointer(self, kind: str, about: dict[str, Any], x: float, y: float = 0.5) -> None:
        """An event of a pointer that the debugging protocol does not have."""
        self.frame.evaluate(POINTER, [f"pointer{kind}", about, x, y])

    @property
    def pixels(self) -> int:
        return painted(self.page).count("1")


def other_face(page: Page) -> None:
    page.locator(".face:not(.face--chosen) .face__frame").click()


class TestStroke:
    def test_it_ends_when_its_button_is_up_while_another_one_is_down(self, hand):
        hand.start()
        hand.mouse("Pressed", 0.4, 0.5, button="right", buttons=LEFT | RIGHT)
        hand.mouse("Released", 0.4, 0.5, button="left", buttons=RIGHT)
        before = hand.pixels
        hand.mouse("Moved", 0.9, 0.9, button="right", buttons=RIGHT)
        assert hand.pixels == before > 0

    def test_it_ends_when_nobody_told_of_the_release(self, hand):
        hand.start()
        before = hand.pixels
        for x in (0.6, 0.9):
            hand.mouse("Moved", x, 0.9)
        assert hand.pixels == before > 0

    def test_it_ends_when_the_window_is_left(self, hand):
        hand.start()
        before = hand.pixels
        hand.page.evaluate("window.dispatchEvent(new Event('blur'))")
        hand.mouse("Moved", 0.9, 0.9, button="left", buttons=LEFT)
        assert hand.pixels == before > 0

    def test_a_pen_that_comes_back_under_a_new_id_paints(self, hand):
        for identity in (41, 42):
            pen = {"pointerType": "pen", "pointerId": identity, "isPrimary": True}
            before = hand.pixels
            hand.pointer("down", pen, 0.2, identity / 50)
            hand.pointer("move", pen, 0.6, identity / 50)
            assert hand.pixels > before

    def test_a_finger_paints_while_another_one_rests_beside_the_face(self, hand):
        finger = {"pointerType": "touch", "pointerId": 51, "isPrimary": False}
        hand.pointer("down", finger, 0.2)
        hand.pointer("move", finger, 0.6)
        hand.pointer("up", finger | {"buttons": 0}, 0.6)
        assert hand.pixels > 0

    def test_a_click_soon_after_the_choice_leaves_no_paint(self, hand, visit):
        hand.page.evaluate(CLICK_TWICE)
        expect(hand.page.locator(".face--chosen[data-side=right]")).to_be_visible()
        assert hand.pixels == 0
        expect(hand.page.locator("#hint")).to_contain_text("press and drag")
        visit.submit()
        expect(hand.page.locator("#hint")).to_contain_text("Please paint")
        assert visit.sent == []
        other_face(hand.page)
        expect(hand.page.locator(".face--chosen[data-side=left]")).to_be_visible()

    def test_an_eraser_that_clears_nothing_leaves_the_choice_free(self, hand):
        hand.page.keyboard.press("e")
        hand.drag()
        expect(hand.page.locator("#undo")).to_be_disabled()
        other_face(hand.page)
        expect(hand.page.locator(".face--chosen[data-side=right]")).to_be_visible()

    def test_paint_that_is_erased_again_leaves_the_choice_free(self, hand):
        hand.drag()
        hand.page.keyboard.press("e")
        for _ in range(6):
            hand.page.keyboard.press("]")
        hand.drag()
        assert hand.pixels == 0
        other_face(hand.page)
        expect(hand.page.locator(".face--chosen[data-side=right]")).to_be_visible()


class TestNextPair:
    def test_it_begins_with_the_brush(self, hand, visit):
        hand.drag()
        hand.page.keyboard.press("e")
        visit.submit()
        visit.expect_trial(2)
        expect(hand.page.locator("[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
        pick(hand.page, "left")
        hand.drag()
        assert hand.pixels > 0


class TestSwitch:
    """A click on the other face after painting."""

    @pytest.fixture(autouse=True)
    def painted_face(self, hand) -> None:
        hand.drag()

    def test_the_page_offers_to_switch_and_keeps_the_paint_meanwhile(self, hand):
        other_face(hand.page)
        expect(hand.page.get_by_role("button", name="Switch (clears your painting)")).to_be_visible()
        expect(hand.page.locator(".face--chosen[data-side=left]")).to_be_visible()
        assert hand.pixels > 0

    def test_switching_clears_the_paint_and_the_new_choice_is_sent(self, hand, visit):
        other_face(hand.page)
        hand.page.get_by_role("button", name="Switch").click()
        expect(hand.page.locator(".face--chosen[data-side=right]")).to_be_visible()
        expect(hand.page.locator("#undo")).to_be_disabled()
        hand.drag()
        visit.submit()
        visit.expect_trial(2)
        assert visit.sent[-1]["choice"] == "right"
        assert len(visit.sent[-1]["strokes"]) == 1
        kinds = [event["kind"] for event in visit.sent[-1]["events"]]
        assert [kind for kind in kinds if kind in ("choose", "clear")] == ["choose", "clear", "choose"]

    def test_going_on_painting_takes_the_offer_away(self, hand):
        other_face(hand.page)
        hand.mouse("Pressed", 0.2, 0.8, button="left", buttons=LEFT)
        hand.mouse("Moved", 0.6, 0.8, button="left", buttons=LEFT)
        hand.mouse("Released", 0.6, 0.8, button="left")
        expect(hand.page.get_by_role("button", name="Switch")).to_be_hidden()

    def test_keys_alone_can_switch(self, hand):
        hand.page.keyboard.press("ArrowRight")
        switch = hand.page.get_by_role("button", name="Switch")
        expect(switch).to_be_visible()
        for _ in range(20):
            hand.page.keyboard.press("Tab")
            if switch.evaluate("(button) => button === document.activeElement"):
                break
        hand.page.keyboard.press("Enter")
        expect(hand.page.locator(".face--chosen[data-side=right]")).to_be_visible()
