"""The participant's page in a real Chromium: hands, bad networks, small screens, and exact paint."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from app.db import database_url
from app.models import Decision, Participant, Trial
from app.settings import Settings
from saliency.masks import rasterize
from saliency.strokes import parse_strokes
from tests.app.pictures import draw
from tests.e2e.processes import Installation

TRIALS = 4
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}
STUDY = """
slug = "{slug}"
title = "Which face is real?"
trials_per_participant = 4
judgements = 50
arms = [{{name = "only", annotate = {annotate}}}]
pairs.per_source = 8
"""
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, {get() { throw new DOMException("refused", "SecurityError"); }})"""
PAINT = """() => {
  const canvas = document.querySelector(".face--chosen canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? "1" : "0")).join("");
}"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def platform(installation: Installation) -> Installation:
    """Pictures of colour, a study that asks for paint, one that does not, and a server."""
    folder = installation.data_dir.parent
    installation.serve()  # first: the commands then find the database running
    for seed, kind in enumerate(["real", "fake/paint"] * 8):
        draw(folder / "pictures" / kind / f"{seed}.png", seed, width=160, height=160)
    installation.run("images", "import", str(folder / "pictures"))
    for slug, annotate in (("paint", "true"), ("choose", "false")):
        described = folder / f"{slug}.toml"
        described.write_text(STUDY.format(slug=slug, annotate=annotate))
        installation.run("study", "create", str(described))
        installation.run("study", "open", slug)
    return installation


@pytest.fixture
def database(platform: Installation) -> Iterator[Session]:
    engine = create_engine(database_url(Settings(data_dir=platform.data_dir, _env_file=None)))
    with Session(engine) as session:
        yield session
    engine.dispose()


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

    def paint(self) -> str:
        """The canvas, one character a pixel, after the frame that shows it."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return self.page.evaluate(PAINT)

    def submit(self) -> None:
        self.page.keyboard.press("Enter")


@contextmanager
def browsing(browser: Browser, options: dict[str, Any], *, script: str = "") -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    if script:
        context.add_init_script(script)
    yield context
    context.close()


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
            seen = visit.paint()
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
            assert "1" in visit.paint()
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
            before = visit.paint()
            visit.page.keyboard.press("Delete")
            assert "1" not in visit.paint()
            visit.page.keyboard.press("Control+z")
            assert visit.paint() == before


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
    def test_a_keyboard_alone_goes_from_consent_to_the_code(self, browser, platform):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(f"{platform.url}/s/paint")
            press_on(page, "#agree", "Space")
            press_on(page, "#agree-button", "Enter")
            expect(page.locator("#start")).to_be_visible()
            press_on(page, "#start", "Enter")
            visit = Visit(page, [])
            for number in range(1, TRIALS + 1):
                visit.expect_trial(number)
                visit.choose("ArrowRight")
                press_on(page, ".face__frame", "Space", *["ArrowDown"] * 6, "Space")
                visit.submit()
            expect(page.locator("#completion-code")).not_to_be_empty()

    def test_a_finger_paints_and_two_fingers_zoom(self, browser, platform):
        with browsing(browser, PHONE) as context:
            visit = begin(context, f"{platform.url}/s/paint")
            visit.page.locator(".face[data-side=right] .face__frame").tap()
            box = visit.page.locator(".face--chosen .face__frame").bounding_box()
            x, y = box["x"] + 80, box["y"] + 80
            touch(context, visit.page, [[(x + 4 * step, y + step)] for step in range(20)])
            painted = visit.paint()
            touch(
                context,
                visit.page,
                [[(x - step, y - step), (x + 90 + 3 * step, y + 90)] for step in range(20)],
            )
            assert visit.paint() == painted
            assert "scale" in visit.page.locator(".face--chosen .face__view").evaluate(
                "(view) => view.style.transform"
            )
            assert "1" in painted

    @pytest.mark.parametrize("slug", ["paint", "choose"])
    def test_nothing_is_wider_than_a_small_phone(self, browser, platform, slug):
        with browsing(browser, {**PHONE, "viewport": {"width": 360, "height": 640}}) as context:
            visit = begin(context, f"{platform.url}/s/{slug}")
            visit.page.locator(".face[data-side=left] .face__frame").tap()
            assert visit.page.evaluate("document.documentElement.scrollWidth") == 360


class TestMarketplace:
    def test_a_preview_records_nothing(self, browser, platform, database):
        before = database.scalar(select(func.count()).select_from(Participant))
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(f"{platform.url}/s/paint?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h")
            expect(page.get_by_text("This is a preview")).to_be_visible()
            expect(page.locator("#agree")).to_be_hidden()
        database.rollback()
        assert database.scalar(select(func.count()).select_from(Participant)) == before

    def test_the_same_worker_returns_to_the_same_trial(self, browser, platform):
        address = f"{platform.url}/s/choose?assignmentId=a1&hitId=h1&workerId=w1"
        with browsing(browser, DESK) as context:
            visit = begin(context, address)
            visit.choose()
            visit.submit()
            visit.expect_trial(2)
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(address)
            page.get_by_label("I have read the text above").check()
            page.get_by_role("button", name="Continue").click()
            Visit(page, []).expect_trial(2)


def decisions(database: Session) -> int:
    """How many decisions the participant who was last to consent has on record."""
    database.rollback()
    newest = select(Participant.id).order_by(Participant.consented_at.desc()).limit(1).scalar_subquery()
    counted = select(func.count()).select_from(Decision).join(Trial, Trial.id == Decision.trial_id)
    return database.scalar(counted.where(Trial.participant_id == newest)) or 0


def press_on(page: Page, selector: str, *keys: str) -> None:
    """Go there with Tab, as somebody without a mouse does, and press."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            break
    else:
        raise AssertionError(f"{selector} cannot be reached with Tab")
    for key in keys:
        page.keyboard.press(key)


def touch(context: BrowserContext, page: Page, path: list[list[tuple[float, float]]]) -> None:
    """Fingers down at the first places, along the path, and up."""
    session = context.new_cdp_session(page)
    for index, fingers in enumerate(path):
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(fingers)]
        kind = "touchMove" if index else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
