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
from saliency.masks import rasterize
from saliency.strokes import parse_strokes
from tests.e2e.lab import DESK, PHONE, Lab, browsing
from tests.e2e.visits import painted, press_on, touch

TRIALS = 4
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, {get() { throw new DOMException("refused", "SecurityError"); }})"""

SCREENS = {
    "1280px": DESK,
    "390px": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
    "360px": PHONE,
}
BOXES = """() => [...document.querySelectorAll(".face__frame")].map((frame) => {
  const { x, y, width, height } = frame.getBoundingClientRect();
  return [x, y, width, height].map((length) => Math.round(10 * length) / 10);
})"""
ARMS = ("annotate", "control", "told", "shown", "helped")

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

    @pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
    def test_faces_are_as_large_and_zoom_alike_with_and_without_paint(self, browser, platform, screen):
        seen = {}
        for slug in ("paint", "choose"):
            with browsing(browser, screen) as context:
                page = begin(context, f"{platform.url}/s/{slug}").page
                seen[slug] = {"free": page.evaluate(BOXES)}
                pick(page, "right")
                seen[slug] |= {"chosen": page.evaluate(BOXES)} | zoomed(context, page)
        assert seen["paint"] == seen["choose"]
        assert all(seen["paint"].values())

    @pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
    def test_faces_are_as_large_with_and_without_advice(self, browser, database, arms, screen):
        seen: dict[str, list[object]] = {}
        while len(seen) < len(ARMS):
            with browsing(browser, screen) as context:
                page = begin(context, arms).page
                boxes = [page.evaluate(BOXES)]
                pick(page, "left")
                seen[newest_arm(database)] = [*boxes, page.evaluate(BOXES)]
                assert page.evaluate("document.documentElement.scrollWidth") == screen["viewport"]["width"]
        assert len({str(boxes) for boxes in seen.values()}) == 1, seen

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


def newest_arm(database: Session) -> str:
    """The arm of the participant who was last to consent."""
    database.rollback()
    arm = select(Arm.name).join(Participant, Participant.arm_id == Arm.id)
    return database.scalars(arm.order_by(Participant.consented_at.desc()).limit(1)).one()


def pick(page: Page, side: str) -> None:
    page.locator(f".face[data-side={side}] .face__frame").click()
    expect(page.locator(f".face--chosen[data-side={side}]")).to_be_visible()


def zoomed(context: BrowserContext, page: Page) -> dict[str, str]:
    """What the chosen face shows after each way to zoom."""
    view = page.locator(".face--chosen .face__view")
    box = view.bounding_box()
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
        seen[name] = view.evaluate("(view) => view.style.transform")
        page.get_by_role("button", name="Whole face").click()
        expect(view).not_to_have_attribute("style", re.compile("scale"))
    return seen


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
        with browsing(browser, SCREENS["390px"]) as context:
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

    @pytest.mark.parametrize("screen", [SCREENS["390px"], PHONE], ids=["390px", "360px"])
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
                " banner.textContent = 'No connection. The page goes on by itself when the network is back.';"
                " }"
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
