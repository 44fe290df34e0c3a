"""The participant's page in a real Chromium: bad networks, small screens, and exact paint."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Decision, Participant, Trial
from saliency.masks import rasterize
from saliency.strokes import parse_strokes
from tests.e2e.lab import DESK, PHONE, Lab, browsing
from tests.e2e.visits import painted, touch

TRIALS = 4
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, {get() { throw new DOMException("refused", "SecurityError"); }})"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def platform(lab: Lab) -> Lab:
    """A study that asks for paint, and one that does not."""
    lab.plain("paint")
    lab.plain("choose", annotate="false")
    return lab


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


def begin(context: BrowserContext, url: str) -> Visit:
    """Consent and instructions, up to the first pair; an error on the page fails the test."""
    page = context.new_page()
    sent: list[dict[str, Any]] = []
    page.on(
        "request", lambda request: sent.append(request.post_data_json) if request.method == "PUT" else None
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
            expect(visit.page.get_by_text("Please paint at least one stroke")).to_be_visible()
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

    @pytest.mark.parametrize("slug", ["paint", "choose"])
    def test_nothing_is_wider_than_a_small_phone(self, browser, platform, slug):
        with browsing(browser, {**PHONE, "viewport": {"width": 360, "height": 640}}) as context:
            visit = begin(context, f"{platform.url}/s/{slug}")
            visit.page.locator(".face[data-side=left] .face__frame").tap()
            assert visit.page.evaluate("document.documentElement.scrollWidth") == 360


def decisions(database: Session) -> int:
    """How many decisions the participant who was last to consent has on record."""
    database.rollback()
    newest = select(Participant.id).order_by(Participant.consented_at.desc()).limit(1).scalar_subquery()
    counted = select(func.count()).select_from(Decision).join(Trial, Trial.id == Decision.trial_id)
    return database.scalar(counted.where(Trial.participant_id == newest)) or 0
