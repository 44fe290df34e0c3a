"""A visit is seen again as it went, in a real Chromium: the last picture is the mask that counts."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app.accounts.service import add_staff
from app.models import Annotation, Decision, Participant, Role, Study, Trial, strokes_json
from saliency.masks.rasterizing import rasterize
from saliency.masks.strokes import parse_strokes
from tests.support.drawings import SIDE, drawing
from tests.support.lab import DESK, Lab, browsing
from tests.support.lab import SIDE as FACE
from tests.support.people import PASSWORD, StaffMember
from tests.support.visits import TWO_FRAMES, Mouse, Walk, painted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FUZZED = 300
PLAYED = """async ([drawings, side]) => {
  const { Playback } = await import("/static/canvas/playback.js");
  const played = drawings.map(({ strokes, seeks }) => {
    const playback = new Playback(strokes, { width: side, height: side });
    for (const [t_ms, whole] of seeks) playback.show(t_ms, { whole });
    return playback.surface.canvas;
  });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return played.map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, side, side);
    return Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? "1" : "0")).join("");
  });
}"""
CANVAS = """() => {
  const canvas = document.querySelector(".replay__face canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? "1" : "0")).join("");
}"""


def mask_of(strokes, side: int) -> str:
    """What the server makes of strokes: the mask that maps and exports are made of."""
    parsed = parse_strokes(strokes, width=side, height=side)
    return "".join(map(str, rasterize(parsed, width=side, height=side).ravel()))


def in_time(seed: int):
    """A drawing whose points have times; some of them contradict each other, as a modified page may send."""
    rng, strokes, now = np.random.default_rng(seed), drawing(seed), 500
    for one in strokes:
        for point in one["points"]:
            now += int(rng.integers(-3 if seed % 5 == 0 else 0, 40))
            point[2] = max(0, now)
    return strokes


def seeks(strokes, seed: int):
    """Back and forth, in small steps and large ones, and to the end."""
    rng, last = np.random.default_rng(1000 + seed), max(t for one in strokes for *_, t in one["points"])
    anywhere = [[float(t), bool(rng.random() < 0.2)] for t in rng.uniform(0, last * 1.1, 12)]
    forward = [[float(t), False] for t in np.arange(0, last, 16 * rng.integers(1, 12))]
    return [*anywhere, *(forward if rng.random() < 0.5 else []), [last, False]]


@pytest.fixture(scope="module")
def visited(browser: Browser, lab: Lab) -> tuple[str, str]:
    """The page of somebody who used every tool and undid a stroke, and the paint under their hand."""
    with lab.sessions.begin() as session:
        add_staff(session, email="replay@lab.example", name="Ada", role=Role.VIEWER, password=PASSWORD)
    with browsing(browser, DESK) as context:
        walk = Walk(page := context.new_page(), Mouse())
        page.goto(lab.plain("replayed"))
        walk.go(until="trial")
        walk.hands.choose(page)
        for tool, across in (("b", 0.3), ("l", 0.5), ("e", 0.4), ("b", 0.7)):
            page.keyboard.press(tool)
            stroke(page, across)
        page.keyboard.press("Control+z")
        seen = painted(page)
        page.locator("#next").click()
        walk.front(after="trial")
        while walk.front() and not page.locator("#completion-code").is_visible():
            walk.judge()
            page.wait_for_load_state("networkidle")
    with lab.session() as session:
        study = session.scalars(select(Study.id).where(Study.slug == "replayed")).one()
        who = session.scalars(select(Participant.id).where(Participant.study_id == study)).one()
    return f"/staff/studies/replayed/participants/{who}", seen


def stroke(page: Page, across: float) -> None:
    """A loop over the chosen face."""
    box = page.locator(".face--chosen .face__frame").bounding_box()
    for number, turn in enumerate(np.linspace(0, 5.5, 12)):
        x, y = across + 0.15 * np.cos(turn), 0.5 + 0.2 * np.sin(turn)
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            page.mouse.down()
    page.mouse.up()


@pytest.fixture
def page(browser: Browser, lab: Lab, visited) -> Iterator[Page]:
    with browsing(browser, DESK) as context:
        page = context.new_page()
        StaffMember(page, lab.url, "replay@lab.example").log_in()
        yield page


class TestLastPicture:
    def test_it_is_the_stored_mask_whatever_was_seen_before(self, page):
        drawings = [in_time(seed) for seed in range(FUZZED)]
        asked = [{"strokes": one, "seeks": seeks(one, seed)} for seed, one in enumerate(drawings)]
        assert page.evaluate(PLAYED, [asked, SIDE]) == [mask_of(one, SIDE) for one in drawings]

    def test_it_is_what_the_participant_saw(self, page, lab, visited):
        address, seen = visited
        with lab.session() as session:
            query = (
                select(strokes_json())
                .select_from(Annotation)
                .join(Decision, Decision.id == Annotation.decision_id)
                .join(Trial, Trial.id == Decision.trial_id)
                .where(Trial.participant_id == address.rpartition("/")[2])
                .order_by(Annotation.id)
            )
            [first, *_] = session.scalars(query).all()
        assert [one["tool"] for one in first] == ["brush", "lasso", "eraser"]
        page.goto(f"{lab.url}{address}/replay")
        page.evaluate(TWO_FRAMES)
        assert page.evaluate(CANVAS) == mask_of(first, FACE) == seen


class TestReplay:
    def test_it_plays_to_the_end_and_goes_on(self, page, lab, visited):
        page.goto(f"{lab.url}{visited[0]}/replay?speed=16&play=1&go_on=1")
        expect(page.get_by_role("heading", name="Trial 4 of 4")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("button", name="Play")).to_be_visible(timeout=60_000)

    def test_keys_step_through_what_happened(self, page, lab, visited):
        page.goto(f"{lab.url}{visited[0]}/replay")
        current = page.locator(".replay__moment[aria-current]")
        page.keyboard.press("Home")
        assert "1" not in canvas_of(page)
        while "Lasso" not in current.inner_text():
            page.keyboard.press("ArrowRight")
        lasso = canvas_of(page)
        page.keyboard.press("ArrowLeft")
        expect(current).to_contain_text("Brush")
        assert 0 < canvas_of(page).count("1") < lasso.count("1")
        page.keyboard.press("End")
        expect(page.locator("#moments")).to_contain_text("Undid a step.")
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="Trial 2 of 4")).to_be_visible()

    def test_little_motion_means_whole_strokes(self, browser, lab, visited):
        with browsing(browser, DESK | {"reduced_motion": "reduce"}) as context:
            page = context.new_page()
            StaffMember(page, lab.url, "replay@lab.example").log_in()
            page.goto(f"{lab.url}{visited[0]}/replay?play=1")
            expect(page.get_by_role("button", name="Play")).to_be_visible()  # it does not begin by itself
            expect(page.locator("#clock")).not_to_contain_text("0:00.0 /")


class TestStills:
    def test_the_page_of_a_participant_shows_what_they_painted(self, page, lab, visited):
        address, seen = visited
        page.goto(f"{lab.url}{address}")
        page.locator("canvas[data-strokes]").first.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('canvas[data-strokes]').width > 0")
        page.wait_for_function(f"() => ({PAINTED})() > 0")
        assert page.evaluate(PAINTED) == seen.count("1")


PAINTED = """() => {
  const canvas = document.querySelector("canvas[data-strokes]");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""


def canvas_of(page: Page) -> str:
    page.evaluate(TWO_FRAMES)
    return str(page.evaluate(CANVAS))
