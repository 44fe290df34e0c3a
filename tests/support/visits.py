"""Whole visits, by hand: with a mouse, with a finger, or with a keyboard alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from playwright.sync_api import BrowserContext, Frame, Locator, Page, Request, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

PATIENCE_MS: Final = 15_000
FRONT: Final = """() => {
  const page = document.querySelector("[data-page]:not([hidden])")?.dataset.page;
  if (!page || ["loading", "device"].includes(page) || document.querySelector("[aria-busy=true]")) return "";
  const name = document.querySelector(".trial--feedback") ? "feedback" : page;
  return `${name} ${page === "trial" ? document.querySelector("#progress-text").textContent : ""}`;
}"""
PAINT: Final = """() => {
  const canvas = document.querySelector(".face--chosen canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? "1" : "0")).join("");
}"""
STEPS: Final[dict[str, list[tuple[Any, str]]]] = {
    "consent": [("checkbox", "I have read the text above and agree to take part."), ("button", "Continue")],
    "instructions": [("button", "Start")],
    "quiz": [
        ("radio", "One"),
        ("radio", "What made me choose that face"),
        ("button", "Check my answers"),
    ],
    "feedback": [("button", "Continue")],
    "break": [("button", "Continue")],
    "questions": [("radio", "30 to 49"), ("button", "Send")],
    "debrief": [("button", "Continue")],
}
"""What is pressed on each page of the study that has every step."""
TWO_FRAMES: Final = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
)


class Hands(Protocol):
    def press(self, target: Locator) -> None:
        """A button, a box or an option."""

    def choose(self, study: Page | Frame) -> None:
        """The left face."""

    def paint(self, study: Page | Frame) -> None:
        """A band over the upper half of the chosen face."""


class Mouse:
    def press(self, target: Locator) -> None:
        target.click()

    def choose(self, study: Page | Frame) -> None:
        study.locator(".face[data-side=left] .face__frame").click()

    def paint(self, study: Page | Frame) -> None:
        first, *others = band(study)
        mouse = page_of(study).mouse
        mouse.move(*first)
        mouse.down()
        for place in others:
            mouse.move(*place)
        mouse.up()


class Finger:
    def press(self, target: Locator) -> None:
        target.tap()

    def choose(self, study: Page | Frame) -> None:
        study.locator(".face[data-side=left] .face__frame").tap()

    def paint(self, study: Page | Frame) -> None:
        page = page_of(study)
        touch(page.context, page, [[place] for place in band(study)])


class Keyboard:
    """Tab, Enter, Space and the arrow keys; nothing is ever pointed at."""

    def press(self, target: Locator) -> None:
        is_option = target.evaluate("(element) => element.matches('input')")
        if target.evaluate("(element) => element.matches('input[type=radio]')"):
            self._option(target)
        else:
            press_on(target.page, target, "Space" if is_option else "Enter")

    def _option(self, target: Locator) -> None:
        """A group of options is one stop of Tab; the arrow keys go through it."""
        page = target.page
        group = page.locator(f"input[name='{target.get_attribute('name')}']")
        press_on(page, group, "Space")
        for _ in range(group.count()):
            if target.is_checked():
                return
            page.keyboard.press("ArrowDown")
        raise AssertionError("The option cannot be reached with the arrow keys")

    def choose(self, study: Page | Frame) -> None:
        page_of(study).keyboard.press("ArrowLeft")

    def paint(self, study: Page | Frame) -> None:
        frame = study.locator(".face--chosen .face__frame")
        across, back = (["Shift+ArrowRight"] * 6, ["Shift+ArrowLeft"] * 6)
        press_on(
            page_of(study),
            frame,
            *["Shift+ArrowUp"] * 5,
            "Space",
            *across,
            "ArrowUp",
            "ArrowUp",
            *back,
            "Space",
        )


@dataclass
class Walk:
    """One participant on a page, what their browser sent, and the pages that they saw."""

    page: Page
    hands: Hands
    on_page: Callable[[Page, str], None] = lambda page, name: None
    sent: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    frame: Frame | None = None
    """Where the study is, when it is not the page itself."""

    def __post_init__(self) -> None:
        self.page.on("request", self._note)

    @property
    def study(self) -> Page | Frame:
        return self.frame or self.page

    def _note(self, request: Request) -> None:
        if request.url.endswith("/decision"):
            self.sent.append(request.post_data_json)

    def front(self, after: str = "") -> str:
        """The page in front, once it is another one than `after` and at rest."""
        handle = self.study.wait_for_function(
            f"(after) => {{ const now = ({FRONT})(); return now && now !== after && now; }}",
            arg=after,
            timeout=PATIENCE_MS,
        )
        return str(handle.json_value())

    def go(self, *, until: str = "finished") -> None:
        """Do what each page asks for, up to the page `until`, which is seen and left alone."""
        now = ""
        while True:
            now = self.front(after=now)
            name = now.split()[0]
            self.seen.append(name)
            self.on_page(self.page, name)
            if name in (until, "finished", "ended"):
                assert name == until, f"{name} instead of {until}: {self.page.locator('main').inner_text()}"
                return
            self.step(name)
            if name == "trial" and self.is_still_on(now):
                self.step(name)

    def is_still_on(self, now: str) -> bool:
        """Whether nothing came of a press.

        One in the frame before the pair is ready counts for nothing, and a person presses again.
        """
        try:
            self.front(after=now)
        except PlaywrightTimeout:
            return True
        return False

    def step(self, name: str) -> None:
        """What a page asks for."""
        if name == "trial":
            self.judge()
        for role, text in STEPS.get(name, ()):
            self.hands.press(self.study.get_by_role(role, name=text, exact=True))

    def judge(self) -> None:
        study = self.study
        if not study.locator(".trial--region").count():
            self.hands.choose(study)
            expect(study.locator(".face--chosen")).to_be_visible()
        if study.get_by_role("button", name="Brush").is_visible():
            self.hands.paint(study)
        self.hands.press(study.locator("#next"))

    @property
    def code(self) -> str:
        expect(self.page.locator("#completion-code")).to_be_visible()
        return self.page.locator("#completion-code").inner_text()


def painted(page: Page) -> str:
    """The canvas of the chosen face, one character a pixel, after the frame that shows it."""
    page.evaluate(TWO_FRAMES)
    return str(page.evaluate(PAINT))


def page_of(study: Page | Frame) -> Page:
    return study if isinstance(study, Page) else study.page


def band(study: Page | Frame) -> list[tuple[float, float]]:
    """A path over the upper half of the chosen face, in CSS px."""
    study.locator(".face--chosen .face__frame").scroll_into_view_if_needed()
    box = study.locator(".face--chosen .face__frame").bounding_box()
    assert box is not None
    places = [(0.1 + 0.8 * step / 24, 0.15 + 0.25 * (step % 2)) for step in range(25)]
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]


def press_on(page: Page, target: Locator, *keys: str) -> None:
    """Go there with Tab, as somebody without a mouse does, and press."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if target.evaluate_all("(found) => found.includes(document.activeElement)"):
            break
    else:
        raise AssertionError(f"{target} cannot be reached with Tab")
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
    session.detach()
