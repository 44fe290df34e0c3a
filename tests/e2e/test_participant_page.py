"""The participant's page in a real Chromium: bad networks, small screens, and exact paint."""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Arm, Decision, Participant, Trial
from saliency.masks.rasterizing import rasterize
from saliency.masks.strokes import parse_strokes
from tests.support.lab import DESK, PHONE, Lab, browsing
from tests.support.visits import Mouse, Walk, painted, press_on, touch

TRIALS = 4
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, {get() { throw new DOMException("refused", "SecurityError"); }})"""

WINDOWS = {
    "laptop": {"width": 1366, "height": 632},  # what a browser leaves of a screen of 1366 × 768
    "720p": {"width": 1280, "height": 720},
    "full HD": {"width": 1920, "height": 1080},
    "tablet": {"width": 1024, "height": 768},
    "1366 × 768 at 200 %": {"width": 683, "height": 316},
    "1440 × 900 at 200 %": {"width": 720, "height": 382},
    "phone": {"width": 390, "height": 844},
    "small phone": {"width": 360, "height": 640},
}
LAPTOP = {"viewport": WINDOWS["laptop"]}
HELD = {"viewport": WINDOWS["phone"], "has_touch": True, "is_mobile": True}
SIZE = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
BOXES = """() => [...document.querySelectorAll(".face__frame")].map((frame) => {
  const { x, y, width, height } = frame.getBoundingClientRect();
  return [x, y, width, height].map((length) => Math.round(10 * length) / 10);
})"""
ARMS = ("annotate", "control", "told", "shown", "helped")
SHOWN = """() => [...document.querySelectorAll(".face__view")].map((view) => view.style.transform)"""
FOCUSED = """(selector) => document.activeElement.matches(selector)"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def platform(lab: Lab) -> Lab:
    """A study that asks for paint, and one that does not."""
    lab.plain("paint")
    lab.plain("choose", annotate="false")
    return lab


@pytest.fixture(scope="module")
def arms(lab: Lab) -> str:
    """A study with every kind of arm; its address."""
    return lab.arms("arms")


@pytest.fixture
def database(platform: Lab) -> Iterator[Session]:
    with platform.session() as session:
        yield session


@dataclass
class Visit:
    """Somebody on the trial page, and what their browser sent."""

    page: Page
    sent: list[dict[str, Any]]

    def expect_trial(self, number: int) -> None:
        expect(self.page.locator("#progress-text")).to_have_text(f"{number} of {TRIALS}")
        expect(self.page.locator("#trial")).to_be_visible()

    def choose(self, key: str = "ArrowLeft") -> None:
        self.page.keyboard.press(key)
        expect(self.page.locator(".face--chosen")).to_be_visible()

    def scribble(self, *, lift: bool = True, turn: float = 0.0) -> None:
        box = self.page.locator(".face--chosen .face__frame").bounding_box()
        self.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
        self.page.mouse.down()
        for step in range(25):
            x, y = 0.3 + step / 60, 0.4 + 0.1 * math.sin(step / 3 + turn)
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if lift:
            self.page.mouse.up()

    def submit(self) -> None:
        self.page.keyboard.press("Enter")


class Tablet:
    """A pen and a palm on the chosen face; places are fractions of it."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        self.is_down = False
        self.session = self.page.context.new_cdp_session(self.page)
        self.box = self.page.locator(".face--chosen .face__frame").bounding_box()

    def place(self, x: float, y: float) -> dict[str, float]:
        box = self.box
        return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}

    def pen(self, kind: str, x: float, y: float) -> None:
        """Hovering is a move before the press."""
        self.is_down = kind == "mousePressed" or (self.is_down and kind == "mouseMoved")
        button = "none" if kind == "mouseMoved" and not self.is_down else "left"
        event = {"type": kind, "pointerType": "pen", "button": button, "buttons": int(self.is_down)}
        self.session.send("Input.dispatchMouseEvent", {**event, **self.place(x, y), "clickCount": 1})

    def palm(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{**self.place(*place), "id": finger} for finger, place in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    @property
    def is_zoomed(self) -> bool:
        return "scale" in (self.page.locator(".face--chosen .face__view").get_attribute("style") or "")

    def spans(self) -> list[tuple[float, float]]:
        """How far each stroke that is sent goes across the face."""
        self.visit.submit()
        self.visit.expect_trial(2)
        across = [[x / 160 for x, _, _ in stroke["points"]] for stroke in self.visit.sent[-1]["strokes"]]
        return [(round(min(xs), 1), round(max(xs), 1)) for xs in across]


def begin(context: BrowserContext, url: str) -> Visit:
    """Consent and instructions, up to the first pair; an error on the page fails the test."""
    page = context.new_page()
    sent: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: sent.append(request.post_data_json) if request.url.endswith("/decision") else None,
    )
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(url)
    page.get_by_label("I have read the text above").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Start").click()
    visit = Visit(page, sent)
    visit.expect_trial(1)
    return visit


def mask(strokes: list[dict[str, Any]], *, side: int) -> str:
    drawn = rasterize(parse_strokes(strokes, width=side, height=side), width=side, height=side)
    return "".join("1" if pixel else "0" for pixel in np.asarray(drawn).ravel())


class TestPaint:
    @pytest.mark.parametrize(
        "screen",
        [
            DESK,
            {"viewport": {"width": 900, "height": 700}, "device_scale_factor": 2},
            {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3},
        ],
        ids=["1280px@1", "900px@2", "390px@3"],
    )
    def test_what_is_seen_is_what_the_server_rasterises(self, browser, platform, screen):
        with browsing(browser, screen) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.choose()
            for turn, tool in enumerate("bleb"):
                visit.page.keyboard.press(tool)
                visit.scribble(turn=turn)
            seen = painted(visit.page)
            visit.submit()
            visit.expect_trial(2)
            expected = mask(visit.sent[0]["strokes"], side=160)
        wrong = sum(one != other for one, other in zip(seen, expected, strict=True))
        assert expected.count("1") > 300
        assert wrong <= 0.001 * expected.count("1")

    def test_a_reload_in_the_middle_of_a_stroke_keeps_it(self, browser, platform):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.choose()
            visit.scribble(lift=False)
            visit.page.reload()
            visit.expect_trial(1)
            assert "1" in painted(visit.page)
            visit.submit()
            visit.expect_trial(2)
            kinds = [event["kind"] for event in visit.sent[-1]["events"]]
        assert "reload" in kinds

    def test_nothing_painted_is_a_hint_and_no_lost_choice(self, browser, platform):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.choose()
            visit.submit()
            expect(visit.page.get_by_text("Please paint first")).to_be_visible()
            expect(visit.page.locator(".face--chosen")).to_be_visible()
        assert visit.sent == []

    def test_a_cleared_drawing_comes_back(self, browser, platform):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.choose()
            visit.scribble()
            before = painted(visit.page)
            visit.page.keyboard.press("Delete")
            assert "1" not in painted(visit.page)
            visit.page.keyboard.press("Control+z")
            assert painted(visit.page) == before


class TestArms:
    """An arm differs from another one in what it is about and in nothing else."""

    def test_faces_are_as_large_and_zoom_alike_with_and_without_paint(self, browser, platform):
        seen = {}
        for slug in ("paint", "choose"):
            with browsing(browser, HELD) as context:
                page = begin(context, f"{platform.url}/s/{slug}").page
                page.set_viewport_size(DESK["viewport"])
                before = zoomed(context, page)
                sizes = measured(page)
                page.set_viewport_size(DESK["viewport"])
                seen[slug] = [before, zoomed(context, page), sizes]
        paint, choose = seen.values()
        assert paint == choose
        assert smallest_face(paint[-1]["laptop"]) >= 450

    def test_faces_are_as_large_with_and_without_advice(self, browser, database, arms):
        seen: dict[str, dict[str, object]] = {}
        while len(seen) < len(ARMS):
            with browsing(browser, HELD) as context:
                sizes = measured(begin(context, arms).page)
            seen[newest_arm(database)] = sizes
        first = seen["annotate"]
        assert {arm: {name for name in WINDOWS if seen[arm][name] != first[name]} for arm in ARMS} == {
            arm: set() for arm in ARMS
        }
        assert smallest_face(first["laptop"]) >= 450

    @pytest.mark.parametrize("screen", [LAPTOP, DESK], ids=["1366px", "1280px"])
    def test_a_face_has_one_place_and_size_from_practice_to_the_last_check(self, browser, lab, screen):
        seen: dict[str, list[list[float]]] = {}
        with browsing(browser, screen) as context:

            def measure(page: Page, name: str) -> None:
                if name in ("trial", "feedback"):
                    kind = "region" if page.locator(".trial--region").count() else name
                    seen[kind] = page.evaluate(BOXES)

            walk = Walk(context.new_page(), Mouse(), measure)
            walk.page.goto(lab.everything(f"sizes-{screen['viewport']['width']}"))
            walk.go()
        left, right = seen["trial"]
        assert left[1:] == right[1:]
        assert seen["feedback"] == [left, right]
        assert {side for _, _, *size in seen["region"] for side in size if side} == {left[2]}
        if screen is LAPTOP:
            assert left[2] >= 450

    @pytest.mark.parametrize("screen", [DESK, HELD], ids=["mouse", "touch"])
    def test_everything_one_needs_is_in_the_window(self, browser, platform, screen):
        names = [name for name in WINDOWS if screen is HELD or "phone" not in name]
        with browsing(browser, screen) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            for _ in ("before the choice", "after it"):
                for name in names:
                    page.set_viewport_size(WINDOWS[name])
                    assert page.evaluate(SIZE) == [*WINDOWS[name].values()], name
                    expect_nothing_over_each_other(page, name)
                page.keyboard.press("ArrowLeft")

    def test_help_and_instructions_speak_of_paint_where_one_paints(self, browser, platform):
        says = {}
        for slug in ("paint", "choose"):
            with browsing(browser, DESK) as context:
                page = begin(context, f"{platform.url}/s/{slug}").page
                page.get_by_role("button", name="Help").click()
                page.get_by_text("The instructions of this study").click()
                says[slug] = page.get_by_role("dialog").inner_text()
        assert "paint" in says["paint"]
        assert "paint" not in says["choose"]
        assert says["paint"].count("Two faces appear") == 1


def measured(page: Page) -> dict[str, list[object]]:
    """Where the faces are in every window, before and after the left one is chosen."""
    seen: dict[str, list[object]] = {name: [] for name in WINDOWS}
    for _ in ("before", "after"):
        for name, size in WINDOWS.items():
            page.set_viewport_size(size)
            seen[name].append(page.evaluate(BOXES))
            assert page.evaluate(SIZE)[0] == size["width"], f"{name}: too wide"
        pick(page, "left")
    return seen


def smallest_face(boxes: list[Any]) -> float:
    return min(width for faces in boxes for _, _, width, _ in faces)


def expect_nothing_over_each_other(page: Page, name: str) -> None:
    places = [
        place for place in ("#pair", "#next", "#hint", "#zoom", "#tools") if page.locator(place).is_visible()
    ]
    for one, other in itertools.combinations(places, 2):
        boxes = [page.locator(place).bounding_box() for place in (one, other)]
        assert not overlap(*boxes), (name, one, other, boxes)


def newest_arm(database: Session) -> str:
    """The arm of the participant who was last to consent."""
    database.rollback()
    arm = select(Arm.name).join(Participant, Participant.arm_id == Arm.id)
    return database.scalars(arm.order_by(Participant.consented_at.desc()).limit(1)).one()


def pick(page: Page, side: str) -> None:
    page.locator(f".face[data-side={side}] .face__frame").click()
    expect(page.locator(f".face--chosen[data-side={side}]")).to_be_visible()


def zoomed(context: BrowserContext, page: Page) -> dict[str, str]:
    """What the right face shows after each way to zoom; the left one shows the same."""
    view = page.locator(".face[data-side=right] .face__view")
    box = page.locator(".face[data-side=right] .face__frame").bounding_box()
    x, y = box["x"] + 90, box["y"] + 80

    def wheel() -> None:
        page.mouse.move(x, y)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Control")
        expect(view).to_have_attribute("style", re.compile("scale"))

    ways = {
        "key": lambda: page.keyboard.press("+"),
        "button": lambda: page.get_by_role("button", name="Zoom in").click(),
        "wheel": wheel,
        "pinch": lambda: touch(
            context, page, [[(x - step, y), (x + 20 + 2 * step, y)] for step in range(20)]
        ),
    }
    seen = {}
    for name, way in ways.items():
        way()
        left, seen[name] = page.evaluate(SHOWN)
        assert left == seen[name]
        page.get_by_role("button", name="Whole face").click()
        expect(view).not_to_have_attribute("style", re.compile("scale"))
    return seen


class TestZoom:
    """Before the choice as after it, and neither face is seen better than the other."""

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_a_zoomed_face_is_moved_by_a_drag_and_chosen_by_a_click(self, browser, platform, side):
        with browsing(browser, DESK) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            page.keyboard.press("+")
            before = page.evaluate(SHOWN)
            frame = page.locator(f".face[data-side={side}] .face__frame")
            box = frame.bounding_box()
            page.mouse.move(box["x"] + 200, box["y"] + 200)
            page.mouse.down()
            page.mouse.move(box["x"] + 150, box["y"] + 170, steps=5)
            page.mouse.up()
            moved = page.evaluate(SHOWN)
            assert moved[0] == moved[1] != before[0]
            expect(page.locator(".face--chosen")).to_have_count(0)
            frame.click()
            expect(page.locator(f".face--chosen[data-side={side}]")).to_be_visible()
            assert page.evaluate(SHOWN) == moved

    def test_keys_alone_zoom_and_move(self, browser, platform):
        with browsing(browser, DESK) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            seen = [page.evaluate(SHOWN)]
            for key in ("+", "Shift+ArrowRight", "Shift+ArrowDown", "0"):
                page.keyboard.press(key)
                seen.append(page.evaluate(SHOWN))
            assert all(left == right for left, right in seen)
            assert len({left for left, _ in seen}) == 4  # the last is the first again
            expect(page.locator(".face--chosen")).to_have_count(0)

    def test_one_finger_moves_a_zoomed_face_and_two_zoom_it(self, browser, platform):
        with browsing(browser, HELD) as context:
            page = begin(context, f"{platform.url}/s/choose").page
            box = page.locator(".face[data-side=left] .face__frame").bounding_box()
            x, y = box["x"] + 120, box["y"] + 120
            touch(context, page, [[(x - 3 * step, y), (x + 40 + 3 * step, y)] for step in range(20)])
            pinched = page.evaluate(SHOWN)
            touch(context, page, [[(x + 3 * step, y)] for step in range(20)])
            moved = page.evaluate(SHOWN)
            assert "scale" in pinched[0]
            assert moved[0] == moved[1] != pinched[0]
            expect(page.locator(".face--chosen")).to_have_count(0)

    def test_paint_on_a_face_that_was_zoomed_before_lies_where_the_hand_was(self, browser, platform):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            for _ in range(3):
                visit.page.keyboard.press("+")
            visit.choose()
            visit.scribble()
            assert "1" in painted(visit.page)
            visit.submit()
            visit.expect_trial(2)
            places = [point for stroke in visit.sent[0]["strokes"] for point in stroke["points"]]
        assert all(50 < x < 100 and 60 < y < 90 for x, y, _ in places)


class TestKeyboard:
    def test_after_a_choice_the_painting_area_is_the_next_stop(self, browser, platform):
        with browsing(browser, DESK) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            press_on(page, page.locator(".face input"))
            for keys in (["Space"], ["ArrowRight"], ["ArrowRight", "ArrowLeft"]):
                for key in keys:
                    page.keyboard.press(key)
                page.keyboard.press("Tab")
                assert page.evaluate(FOCUSED, ".face--chosen .face__frame"), keys
                page.keyboard.press("Shift+Tab")


class TestContrast:
    def test_the_tool_in_hand_shows_in_the_colours_of_the_system(self, browser, platform):
        with browsing(browser, DESK | {"forced_colors": "active"}) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            pick(page, "left")
            outlines = page.locator("[data-tool]").evaluate_all(
                "(tools) => tools.map((tool) => getComputedStyle(tool).outlineStyle)"
            )
        assert outlines == ["solid", "none", "none"]


class TestBrush:
    def test_its_size_is_shown_on_the_face_while_it_changes(self, browser, platform):
        with browsing(browser, DESK) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            pick(page, "left")
            page.mouse.move(5, 5)
            slider, ring = page.locator("#size"), page.locator(".face--chosen .cursor__ring")
            slider.fill("80")
            radius = ring.get_attribute("r")
            assert slider.get_attribute("aria-valuetext") == f"radius {radius} pixels"
            assert float(radius) > 20
            expect(ring).to_have_attribute("r", "0")  # a moment later


class TestLook:
    def test_a_held_key_shows_the_face_without_its_paint(self, browser, platform):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.choose()
            visit.scribble()
            opacity = "(canvas) => getComputedStyle(canvas).opacity"
            paint = visit.page.locator(".face--chosen canvas")
            visit.page.keyboard.down("h")
            assert paint.evaluate(opacity) == "0"
            visit.page.keyboard.up("h")
            assert paint.evaluate(opacity) == "0.55"


class TestWheel:
    def test_a_flick_on_a_touchpad_changes_the_brush_by_its_length(self, browser, platform):
        with browsing(browser, DESK) as context:
            page = begin(context, f"{platform.url}/s/paint").page
            pick(page, "left")
            radius = page.locator("#size")
            before = radius.get_attribute("aria-valuetext")
            page.keyboard.down("Shift")
            for _ in range(19):
                page.mouse.wheel(0, -5)
            expect(radius).to_have_attribute("aria-valuetext", before)
            page.mouse.wheel(0, -5)
            expect(radius).not_to_have_attribute("aria-valuetext", before)
            page.mouse.wheel(0, 100)
            expect(radius).to_have_attribute("aria-valuetext", before)


class TestPen:
    """A hand that holds a pen lies on the glass."""

    @pytest.fixture
    def tablet(self, browser, platform) -> Iterator[Tablet]:
        with browsing(browser, HELD) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            pick(visit.page, "left")
            yield Tablet(visit)

    def test_after_a_pen_was_near_a_touch_neither_paints_nor_zooms(self, tablet):
        tablet.pen("mouseMoved", 0.5, -0.1)
        for fingers in ([(0.3, 0.3)], [(0.3, 0.3), (0.6, 0.6)]):
            tablet.palm("touchStart", *fingers)
            for step in range(10):
                tablet.palm("touchMove", *[(x + x * step / 30, y + y * step / 30) for x, y in fingers])
            tablet.palm("touchEnd")
        assert "1" not in painted(tablet.page)
        assert not tablet.is_zoomed

    def test_a_palm_during_a_stroke_leaves_it_alone(self, tablet):
        tablet.pen("mousePressed", 0.1, 0.2)
        tablet.pen("mouseMoved", 0.3, 0.2)
        tablet.palm("touchStart", (0.7, 0.8), (0.9, 0.9))
        tablet.palm("touchMove", (0.6, 0.7), (0.9, 0.9))
        tablet.pen("mouseMoved", 0.6, 0.2)
        tablet.palm("touchEnd")
        tablet.pen("mouseMoved", 0.8, 0.2)
        tablet.pen("mouseReleased", 0.8, 0.2)
        assert not tablet.is_zoomed
        assert tablet.spans() == [(0.1, 0.8)]

    @pytest.mark.parametrize("palm", [[(0.7, 0.8)], [(0.7, 0.8), (0.9, 0.9)]], ids=["one", "two"])
    def test_a_palm_before_the_pen_leaves_nothing(self, tablet, palm):
        tablet.palm("touchStart", *palm)
        tablet.pen("mousePressed", 0.1, 0.2)
        tablet.pen("mouseMoved", 0.8, 0.2)
        tablet.palm("touchMove", *[(x, y - 0.1) for x, y in palm])
        tablet.pen("mouseReleased", 0.8, 0.2)
        tablet.palm("touchEnd")
        assert not tablet.is_zoomed
        assert tablet.spans() == [(0.1, 0.8)]


class TestNetwork:
    def test_a_decision_made_offline_arrives_once(self, browser, platform, database):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/choose")
            visit.choose()
            context.set_offline(True)
            visit.submit()
            expect(visit.page.get_by_text("Saved on this device")).to_be_visible()
            context.set_offline(False)
            visit.expect_trial(2)
            expect(visit.page.locator("#banner")).to_be_hidden()
            assert decisions(database) == 1

    def test_work_goes_on_offline_for_three_trials(self, browser, platform, database):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/choose")
            visit.page.wait_for_load_state("networkidle")
            context.set_offline(True)
            for number in (1, 2, 3):
                visit.expect_trial(number)
                visit.choose()
                visit.submit()
            expect(visit.page.get_by_text("Saving")).to_be_visible()
            context.set_offline(False)
            visit.expect_trial(4)
            assert decisions(database) == 3

    def test_a_decision_is_sent_by_the_next_visit_when_the_tab_was_closed(self, browser, platform, database):
        with browsing(browser, DESK) as context:
            visit = begin(context, f"{platform.url}/s/choose")
            visit.choose()
            context.set_offline(True)
            visit.submit()
            expect(visit.page.get_by_text("Saved on this device")).to_be_visible()
            visit.page.close()
            context.set_offline(False)
            again = Visit(context.new_page(), [])
            again.page.goto(f"{platform.url}/s/choose")
            again.expect_trial(2)
            assert decisions(database) == 1

    def test_two_tabs_decide_a_trial_once(self, browser, platform, database):
        with browsing(browser, DESK) as context:
            first = begin(context, f"{platform.url}/s/choose")
            second = Visit(context.new_page(), [])
            second.page.goto(first.page.url)
            second.expect_trial(1)
            first.choose("ArrowLeft")
            first.submit()
            first.expect_trial(2)
            second.choose("ArrowRight")
            second.submit()
            second.expect_trial(2)
            assert decisions(database) == 1

    def test_without_storage_the_address_is_enough(self, browser, platform):
        with browsing(browser, DESK, script=NO_STORAGE) as context:
            visit = begin(context, f"{platform.url}/s/choose")
            visit.choose()
            visit.submit()
            visit.expect_trial(2)
            visit.page.reload()
            visit.expect_trial(2)


class TestHands:
    def test_a_finger_paints_and_two_fingers_zoom(self, browser, platform):
        with browsing(browser, PHONE) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.page.locator(".face[data-side=right] .face__frame").tap()
            box = visit.page.locator(".face--chosen .face__frame").bounding_box()
            x, y = box["x"] + 80, box["y"] + 80
            touch(context, visit.page, [[(x + 4 * step, y + step)] for step in range(20)])
            before = painted(visit.page)
            touch(
                context,
                visit.page,
                [[(x - step, y - step), (x + 90 + 3 * step, y + 90)] for step in range(20)],
            )
            assert painted(visit.page) == before
            assert "scale" in visit.page.locator(".face--chosen .face__view").evaluate(
                "(view) => view.style.transform"
            )
            assert "1" in before

    def test_a_phone_is_told_of_no_keys_and_of_faces_that_lie_above_each_other(self, browser, platform):
        with browsing(browser, PHONE) as context:
            page = begin(context, f"{platform.url}/s/choose").page
            page.get_by_role("button", name="Help").tap()
            page.get_by_text("The instructions of this study").tap()
            expect(page.locator("#help .howto")).to_be_visible()
            for hint in page.locator("#help .keys, #help .with-keys").all():
                expect(hint).to_be_hidden()
            page.get_by_role("button", name="Close").tap()
            labels = page.locator(".face input").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
            assert labels == ["The upper face", "The lower face"]
            page.set_viewport_size({"width": 900, "height": 700})
            expect(page.get_by_label("The left face")).to_have_count(1)

    @pytest.mark.parametrize("screen", [HELD, PHONE], ids=["390px", "360px"])
    def test_the_focus_is_seen_on_the_face_where_its_button_is_hidden(self, browser, platform, screen):
        with browsing(browser, screen) as context:
            page = begin(context, f"{platform.url}/s/choose").page
            press_on(page, page.locator(".face input"))
            outline = page.locator(".face:has(:focus) .face__frame").evaluate(
                "(frame) => { const { outlineColor, outlineWidth } = getComputedStyle(frame);"
                " return [outlineColor, outlineWidth]; }"
            )
            assert outline == ["rgb(11, 111, 184)", "4px"]  # --focus

    def test_the_bar_at_the_top_of_a_phone_covers_nothing(self, browser, platform):
        with browsing(browser, {**PHONE, "viewport": {"width": 360, "height": 640}}) as context:
            page = begin(context, f"{platform.url}/s/choose").page
            page.locator("#progress-text").evaluate("(text) => { text.textContent = 'Practice 10 of 10'; }")
            page.locator("#banner").evaluate(
                "(banner) => { banner.hidden = false;"
                " banner.textContent ="
                " 'No connection. This page continues by itself when you are online again.'; }"
            )
            boxes = [
                page.locator(place).bounding_box()
                for place in ("#progress-text", "#banner", "#open-help", "#open-leave", "#question")
            ]
            cut = page.locator("#banner").evaluate("(line) => line.scrollHeight - line.clientHeight")
        assert cut <= 0
        for one, other in itertools.combinations(boxes, 2):
            assert not overlap(one, other), (one, other)

    @pytest.mark.parametrize("slug", ["paint", "choose"])
    def test_nothing_is_wider_than_a_small_phone(self, browser, platform, slug):
        with browsing(browser, {**PHONE, "viewport": {"width": 360, "height": 640}}) as context:
            visit = begin(context, f"{platform.url}/s/{slug}")
            visit.page.locator(".face[data-side=left] .face__frame").tap()
            assert visit.page.evaluate("document.documentElement.scrollWidth") == 360


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes lie over each other, by more than a pixel."""
    return all(
        one[start] + one[length] > other[start] + 1 and other[start] + other[length] > one[start] + 1
        for start, length in (("x", "width"), ("y", "height"))
    )


def decisions(database: Session) -> int:
    """How many decisions the participant who was last to consent has on record."""
    database.rollback()
    newest = select(Participant.id).order_by(Participant.consented_at.desc()).limit(1).scalar_subquery()
    counted = select(func.count()).select_from(Decision).join(Trial, Trial.id == Decision.trial_id)
    return database.scalar(counted.where(Trial.participant_id == newest)) or 0
