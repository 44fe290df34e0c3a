"""Programs that take part: one that works the page by script, and one that works it by its pixels.

Both are simple on purpose and nobody's product; a real one may do better.
"""

from itertools import pairwise
from typing import Final

from playwright.sync_api import Frame, Locator, Page

from tests.support.visits import band, page_of

UNSEEN: Final = "Object.defineProperty(Navigator.prototype, 'webdriver', {get: () => false})"
"""What an agent runs before the page, so that the browser does not say that a program controls it."""

PAINT_BY_SCRIPT: Final = """(frame, places) => {
  const send = (type, [x, y], buttons) => frame.dispatchEvent(new PointerEvent(type, {
    clientX: x, clientY: y, buttons, button: type === "pointermove" ? -1 : 0,
    pointerId: 1, pointerType: "mouse", bubbles: true, cancelable: true,
  }));
  send("pointerdown", places[0], 1);
  for (const place of places.slice(1)) send("pointermove", place, 1);
  send("pointerup", places.at(-1), 0);
}"""


class ScriptedPage:
    """Runs script in the page: every press is `element.click()`, and paint is events that it makes itself."""

    def press(self, target: Locator) -> None:
        target.evaluate("(element) => { element.scrollIntoView(); element.click(); }")

    def choose(self, study: Page | Frame) -> None:
        self.press(study.locator(".face[data-side=left] .face__frame"))

    def paint(self, study: Page | Frame) -> None:
        frame = study.locator(".face--chosen .face__frame")
        frame.evaluate(PAINT_BY_SCRIPT, [list(place) for place in band(study)])


PRESS_WHAT_IT_SAYS: Final = """() => {
  const buttons = [...document.querySelectorAll("button")];
  const told = buttons.filter((one) => /^press this/i.test(one.textContent.trim()));
  for (const one of told) one.click();
  return told.length;
}"""


class ObedientPage(ScriptedPage):
    """Reads the markup of the page and presses, by script, every button that says so."""

    def choose(self, study: Page | Frame) -> None:
        study.evaluate(PRESS_WHAT_IT_SAYS)
        super().choose(study)


class StraightMouse:
    """Sees a screenshot and says where to press: the mouse jumps there, and drags in straight lines.

    `paint` draws three lines, each in `STEPS` even steps of `STEP_MS`.
    """

    STEPS: Final = 12
    STEP_MS: Final = 16

    def press(self, target: Locator) -> None:
        target.click()

    def choose(self, study: Page | Frame) -> None:
        study.locator(".face[data-side=left] .face__frame").click()

    def paint(self, study: Page | Frame) -> None:
        page, places = page_of(study), band(study)
        for start, end in pairwise([places[0], places[9], places[16], places[24]]):
            page.mouse.move(*start)
            page.mouse.down()
            for step in range(1, self.STEPS + 1):
                page.wait_for_timeout(self.STEP_MS)
                part = step / self.STEPS
                page.mouse.move(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]))
            page.mouse.up()
