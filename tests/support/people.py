"""Staff and participants, as they use the pages: keyboards, mice, and nothing behind the curtain."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Page, Request, Response, expect

PASSWORD = "correct horse battery staple"


@dataclass
class StaffMember:
    page: Page
    url: str
    email: str = "editor@lab.example"

    def log_in(self) -> None:
        self.page.goto(f"{self.url}/login")
        self.page.get_by_label("E-mail").fill(self.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page).to_have_url(f"{self.url}/staff")

    def create_study(self, slug: str, *, pairs: int, trials: int, judgements: int) -> None:
        self.page.goto(f"{self.url}/staff/studies/new")
        self.page.get_by_label("Title").fill("Which face is real?")
        self.page.get_by_label("Name in addresses").fill(slug)
        self.page.get_by_label("Pairs that one participant judges").fill(str(trials))
        self.page.get_by_label("Judgements wanted").fill(str(judgements))
        self.page.get_by_role("link", name="Next: Faces").click()
        self.page.get_by_label("Random pairs per generator").fill(str(pairs))
        self.page.get_by_role("button", name="Make the draft").first.click()
        expect(self.page).to_have_url(f"{self.url}/staff/studies/{slug}")

    def open_study(self) -> None:
        self.page.wait_for_load_state("load")  # before its script runs, a page asks in place of a dialog
        self.page.get_by_role("button", name="Open").first.click()
        self.page.get_by_role("dialog").get_by_role("button", name="Open").click()
        expect(self.page.get_by_role("button", name="Pause")).to_be_visible()

    def build_maps(self, slug: str) -> None:
        self.page.goto(f"{self.url}/staff/studies/{slug}/maps")
        self.page.get_by_role("button", name="Build").click()
        expect(self.page.locator(".gallery img").first).to_be_visible(timeout=60_000)

    def freeze_dataset(self) -> None:
        self.page.goto(f"{self.url}/staff/experiments")
        self.page.get_by_label("Side in pixels").fill("96")
        self.page.get_by_role("button", name="Freeze").click()
        frozen = self.page.get_by_role("region", name="Datasets").get_by_role("link", name="Train on it")
        expect(frozen.first).to_be_visible(timeout=60_000)
        frozen.first.click()
        expect(self.page.get_by_role("heading", name="New experiment")).to_be_visible()

    def start_experiment(self) -> None:
        self.page.get_by_text("smoke", exact=True).click()
        self.page.get_by_role("button", name="Check what it would run").click()
        self.page.get_by_role("button", name=re.compile("Start 2 runs")).click()
        expect(self.page).to_have_url(re.compile("/staff/experiments/[0-9]+$"))


@dataclass
class Participant:
    page: Page
    answer: Callable[[str], str]
    """The side that answers a trial's question."""
    shown: str = ""
    """Id of the trial on the page."""
    sent: dict[str, dict] = field(default_factory=dict)
    """Trial id to the decision that left the browser."""

    def __post_init__(self) -> None:
        self.page.on("request", self._note_what_is_sent)
        self.page.on("response", self._note_what_is_shown)

    def _note_what_is_sent(self, request: Request) -> None:
        if request.url.endswith("/decision"):
            self.sent[request.url.split("/")[-2]] = json.loads(request.post_data or "")

    def _note_what_is_shown(self, response: Response) -> None:
        if response.url.endswith("/api/participant/next"):
            self.shown = response.json().get("trial", {}).get("id", "")

    def consent(self, address: str) -> None:
        self.page.goto(address)
        self.page.get_by_label("I have read the text above").check()
        self.page.get_by_role("button", name="Continue").click()
        self.page.get_by_role("button", name="Start").click()

    @property
    def paints(self) -> bool:
        return self.page.get_by_role("button", name="Brush").is_visible()

    def take_part(self, trials: int) -> str:
        """Decide every trial, painting where asked; returns the completion code."""
        for done in range(trials):
            with self.page.expect_response(lambda answer: answer.url.endswith("/decision")):
                self._decide(done)
        code = self.page.locator("#completion-code")
        expect(code).to_have_text(re.compile("[A-Z2-9]{5}-[A-Z2-9]{5}"))
        return code.inner_text()

    def _decide(self, done: int) -> None:
        expect(self.page.locator("#progress-text")).to_have_text(re.compile(rf"^\D*{done + 1}\b"))
        expect(self.page.locator("#trial")).to_be_visible()
        side = self.answer(self.shown)
        self.page.locator(f".face[data-side={side}] .face__choice").click()
        if self.paints:
            self._scribble(side)
        self.page.get_by_role("button", name="Next").click()

    def _scribble(self, side: str) -> None:
        box = self.page.locator(f".face[data-side={side}] .face__view").bounding_box()
        mouse = self.page.mouse
        for row in (0.35, 0.5):
            mouse.move(box["x"] + 0.3 * box["width"], box["y"] + row * box["height"])
            mouse.down()
            for step in range(1, 9):
                mouse.move(
                    box["x"] + (0.3 + 0.05 * step) * box["width"], box["y"] + row * box["height"] + step
                )
            mouse.up()
