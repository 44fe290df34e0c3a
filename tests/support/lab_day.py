"""A lab's whole day in a browser: design, preview, pilot, open, recruit, watch, judge, approve, pay.

Staff use pages alone. Some participants come in a browser, the others over the same API that its pages call;
all of them come from a local Prolific, which signs its events, and is visited by whatever `visit` does.
"""

import csv
import io
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.lab import DESK, Lab, browsing
from tests.support.local_prolific import TOKEN, LocalProlific, Refusal
from tests.support.people import StaffMember
from tests.support.visits import Mouse, Walk
from tests.support.worlds import Visitor

Conduct = Literal["finish", "hasty", "return", "time out", "screen out"]
REWARD, BONUS, SCREEN_OUT = 150, 125, 30
TRIALS: Final = 2
HASTE_MS: Final = 300.0
"""A median time to decide that the study's rule of exclusion meets."""
QUIZ: Final = [
    ("How many of the two faces are real?", "None\nOne\nBoth", 2),
    ("What do you paint?", "What made me choose that face\nThe whole face", 1),
]
ABOUT: Final = {
    "about.institution": "Example Lab",
    "about.minutes": 10,
    "about.pay": "£1.50",
    "about.contact": "Ada Example, ada@lab.example",
}
MORE_PLACES: Final = 20


@dataclass
class LabDay:
    """One study, from its draft to the accountants' file."""

    lab: Lab
    prolific: LocalProlific
    browser: Browser
    page: Page
    """Of an admin who is logged in."""
    visit: Callable[[str], None]
    """Looks at the marketplace; it is told at which path most is at stake."""
    see: Callable[[Page, str], None] = lambda page, name: None
    """What is done with each page that is worth a look."""
    slug: str = "day"
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    # ---- design ----

    def design(self) -> None:
        page = self.page
        self._go("/staff/studies/new")
        self._fill(title="Which face is real?", slug=self.slug, trials_per_participant=TRIALS, judgements=200)
        self._next("design-1-study", "Faces", {"pairs.per_source": 4})
        self._next("design-2-faces", "Arms", {})
        self._next("design-3-arms", "Texts", ABOUT)
        self._next("design-4-texts", "Before the pairs", {"quiz.attempts": 1})
        for number, (text, options, answer) in enumerate(QUIZ):
            if number:
                page.locator("[data-adds='quiz.questions']").click()
            row = f"quiz.questions.{number}"
            self._fill({f"{row}.text": text, f"{row}.options": options, f"{row}.answer": answer})
        self._next("design-5-before", "During", {"exclusions.median_decision_ms": "600"})
        self._next("design-6-during", "After", {})
        self._next("design-7-after", "Plan", {})
        self.see(page, "design-8-plan")
        page.get_by_role("button", name="Make the draft").first.click()
        expect(page).to_have_url(f"{self.lab.url}/staff/studies/{self.slug}")
        self.see(page, "draft")

    def preview(self) -> None:
        self._go(f"{self._base}/preview")
        self.page.get_by_label("Step").select_option(label="Trial 1")
        self.page.get_by_role("button", name="Show", exact=True).click()
        expect(self.page.locator("#trial")).to_be_visible()
        self.see(self.page, "preview")

    def pilot(self) -> None:
        """Somebody tries the draft out, in a browser."""
        self._go(f"{self._base}/design")
        self.page.get_by_role("button", name="Open a pilot").click()
        self._confirm("Open the pilot")
        with browsing(self.browser, DESK) as context:
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(f"{self.lab.url}/s/{self.slug}-pilot")
            walk.go()
        self._go(f"{self._base}/design")
        expect(self.page.get_by_role("region", name="Pilots").get_by_role("row").nth(1)).to_contain_text("1")
        self.see(self.page, "pilot")

    def open(self) -> None:
        self._go(self._base)
        StaffMember(self.page, self.lab.url).open_study()

    # ---- recruit ----

    def publish(self, places: int) -> None:
        page = self.page
        self._go(f"{self._base}/recruit")
        self.see(page, "recruit-connect")
        page.get_by_label("API token").fill(TOKEN)
        page.get_by_role("button", name="Connect").click()
        page.get_by_text("Pay people who are screened out").click()
        self._fill(places=places, reward="1.50", minutes=10, description="Judge pairs of faces.")
        self._fill(screen_out_reward="0.30", screen_out_places=100)
        self.see(page, "recruit-terms")
        page.get_by_role("button", name="Show the cost").click()
        self.see(page, "recruit-cost")
        assert not self.prolific.studies  # a dry run
        self._send(page.get_by_role("button", name="Publish for"))
        self.visit("/transition/")
        self._go(f"{self._base}/recruit")
        self.see(page, "recruit-published")

    @property
    def listed(self) -> str:
        """The study's id on the marketplace."""
        (only,) = self.prolific.studies
        return only

    def arrive(self, conducts: Sequence[Conduct], *, in_browser: int = 1) -> None:
        """Each takes a place and does with it what it says. The first come in a browser, and finish."""
        with httpx2.Client(base_url=self.lab.url) as client:
            for number, conduct in enumerate(conducts):
                submission = self._take_a_place()
                if number < in_browser:
                    self._finish_in_browser(submission)
                else:
                    self._behave(client, submission, conduct)
                assert self.prolific._taken(self.listed) <= self._study["total_available_places"]

    def _take_a_place(self) -> str:
        try:
            return self.prolific.join(self.listed)
        except Refusal:
            self._go(f"{self._base}/recruit")
            self._fill(total=self._study["total_available_places"] + MORE_PLACES)
            self._send(self.page.get_by_role("button", name="Raise"))
            self.visit(f"/studies/{self.listed}/")
            return self.prolific.join(self.listed)

    def _finish_in_browser(self, submission: str) -> None:
        with browsing(self.browser, DESK) as context:
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(f"{self.lab.url}/s/{self.slug}?{self._query(submission)}")
            walk.go()
            way_back = walk.page.get_by_role("link", name="Return and finish").get_attribute("href")
        self.prolific.complete(submission, code_in(way_back))

    def _behave(self, client: httpx2.Client, submission: str, conduct: Conduct) -> None:
        client.cookies.clear()
        visitor = Visitor(client, self.slug)
        page = visitor.page(f"?{self._query(submission)}")
        known = {name: page[name] for name in ("source", "external_id", "assignment_id", "consent_version")}
        assert visitor.consent(**known).is_success
        match conduct:
            case "return":
                self.prolific.leave(submission)
            case "time out":
                self.prolific.leave(submission, "TIMED-OUT")
            case "screen out":
                self._answer_quiz(visitor, right=False)
                self.prolific.complete(submission, visitor.next().json()["completion"]["code"])
            case _:
                self._answer_quiz(visitor, right=True)
                done = self._judge_all(visitor, HASTE_MS if conduct == "hasty" else 4 * HASTE_MS)
                self.prolific.complete(submission, done["completion"]["code"])

    def _answer_quiz(self, visitor: Visitor, *, right: bool) -> None:
        asked = visitor.next().json()["step"]["questions"]
        answers = {
            one["id"]: answer if right else answer % 2 + 1
            for one, (_, _, answer) in zip(asked, QUIZ, strict=True)
        }
        told = visitor.client.post(
            "/api/participant/quiz", json={"answers": answers}, headers=visitor.headers
        )
        assert told.json()["passed"] is right, told.text

    def _judge_all(self, visitor: Visitor, decision_ms: float) -> dict[str, Any]:
        while "trial" in (answer := visitor.next().json()):
            made = visitor.decide(answer["trial"]["id"], decision_ms=decision_ms)
            assert made.is_success, made.text
        return dict(answer)

    def send_events(self) -> int:
        """Each twice, in any order; every one is taken."""
        told = self.prolific.events * 2
        self.chance.shuffle(told)
        with httpx2.Client(base_url=self.lab.url) as client:
            for event in told:
                body, headers = self.prolific.signed(event)
                answer = client.post("/api/marketplaces/prolific/events", content=body, headers=headers)
                assert answer.status_code == 204, answer.text
        return len(told)

    # ---- watch and judge ----

    def look_around(self) -> None:
        """The pages on which staff follow and judge, with their first participant."""
        self.visit("/submissions/")
        for name, path in {"overview": "", "participants": "/participants", "recruit": "/recruit"}.items():
            self._go(f"{self._base}{path}")
            self.see(self.page, name)
        self._go(f"{self._base}/participants?state=finished&sort=oldest")
        self.page.get_by_role("region", name="Participants").get_by_role("link").first.click()
        self.page.wait_for_url("**/participants/*")
        self.see(self.page, "participant")
        self.page.get_by_role("link", name="Replay the visit").click()
        self.page.wait_for_url("**/replay*")
        self.see(self.page, "replay")

    def exclude(self, at_least: int) -> None:
        """Whom the rule meets; whoever drives a browser here may be as fast as the hasty ones."""
        self._go(f"{self._base}/exclusions")
        self.see(self.page, "exclusions")
        button = self.page.get_by_role("button", name=re.compile("^Exclude [0-9]+$"))
        number = int(button.inner_text().split()[-1])
        assert number >= at_least
        button.click()
        self._confirm("Exclude")
        expect(self.page.get_by_role("heading", name=f"{number} excluded")).to_be_visible()
        self.see(self.page, "excluded")

    def approve(self) -> None:
        """Those without a remark at once, the others after a look."""
        page = self.page
        self._go(f"{self._base}/recruit")
        page.get_by_role("button", name=re.compile("^Approve .* without a remark")).click()
        self.see(page, "approve-dialog")
        self._confirm(re.compile("^Approve"))
        self.visit("/bulk-approve/")
        self._go(f"{self._base}/recruit?state=awaiting_review")
        while (marks := page.get_by_role("checkbox")).count():
            for mark in marks.all():
                mark.check()
            page.get_by_role("button", name="Review the marked ones").click()
            self.see(page, "review")
            self._send(page.get_by_role("button", name="Approve", exact=True))
            self.visit("/bulk-approve/")
            self._go(f"{self._base}/recruit?state=awaiting_review")

    def pay_bonuses(self, most: int) -> None:
        """To the first on the page of those who are approved."""
        page = self.page
        self._go(f"{self._base}/recruit?state=approved&sorting=oldest")
        rows = page.get_by_role("region", name="Submissions").locator("tbody tr")
        references = [row.get_by_role("link").first.inner_text() for row in rows.all()[:most]]
        self._fill(lines="\n".join(f"{one}, 1.25" for one in references), reason="Careful work")
        page.get_by_role("button", name="Show what would be paid").click()
        self.see(page, "bonuses")
        self._send(page.get_by_role("button", name=re.compile("^Pay ")))
        self.visit("/pay/")
        self.visit("")

    def close_the_books(self) -> dict[str, int]:
        """The ledger of the page, the accountants' file and the marketplace, which have to agree."""
        self._go(f"{self._base}/recruit")
        expect(self.page.get_by_text("The ledger is equal to the penny.")).to_be_visible()
        self.see(self.page, "ledger")
        for name, path in {
            "export": f"{self._base}/export",
            "upload": "/staff/images/new",
            "audit": "/staff/audit",
            "home": "/staff",
        }.items():
            self._go(path)
            self.see(self.page, name)
        paid = self.prolific.paid(self.listed)
        file = self.page.request.get(f"{self.lab.url}{self._base}/recruit/payments.csv").text()
        assert in_minor_units(file) == sum(paid.values())
        for one in self.prolific.submissions.values():
            wanted = {"APPROVED": [REWARD], "SCREENED OUT": [SCREEN_OUT]}.get(one["status"], [])
            assert one["rewards"] == wanted, one
            assert one["bonus_payments"] in ([], [BONUS]), one
        return paid

    # ---- hands ----

    @property
    def _base(self) -> str:
        return f"/staff/studies/{self.slug}"

    @property
    def _study(self) -> dict[str, Any]:
        return self.prolific.studies[self.listed]

    def _query(self, submission: str) -> str:
        """What the marketplace puts into the study's address."""
        worker = self.prolific.submissions[submission]["participant_id"]
        return f"PROLIFIC_PID={worker}&STUDY_ID={self.listed}&SESSION_ID={submission}"

    def _go(self, path: str) -> None:
        self.page.goto(f"{self.lab.url}{path}")

    def _fill(self, values: dict[str, Any] | None = None, **more: Any) -> None:
        for name, value in ((values or {}) | more).items():
            self.page.locator(f"[name='{name}']").fill(str(value))

    def _next(self, seen: str, step: str, values: dict[str, Any]) -> None:
        """On to a step of the form."""
        self.see(self.page, seen)
        self.page.get_by_role("link", name=f"Next: {step}", exact=True).click()
        self._fill(values)

    def _confirm(self, words: str | re.Pattern[str]) -> None:
        self._send(self.page.get_by_role("dialog").get_by_role("button", name=words))

    def _send(self, button: Locator) -> None:
        """Press a button that sends a form, and wait for its answer: what comes next is elsewhere."""
        with self.page.expect_navigation():
            button.click()
        self.page.wait_for_load_state()


def code_in(address: str | None) -> str:
    """The completion code of a way back to Prolific."""
    (code,) = parse_qs(urlsplit(address or "").query)["cc"]
    return code


def in_minor_units(payments: str) -> int:
    """What payments.csv adds up to, in pence."""
    amounts = [Decimal(line["amount"]) for line in csv.DictReader(io.StringIO(payments))]
    return int(100 * sum(amounts))
