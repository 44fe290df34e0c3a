"""What the page counts of the input: of people by finger and keyboard, and of programs, in Chromium."""

from typing import Any

import pytest
from sqlalchemy import select

from app.models import Participant, QualityFlag
from app.quality.service import check_participant
from tests.support.agents import UNSEEN, ObedientPage, ScriptedPage, StraightMouse
from tests.support.lab import DESK, PHONE, browsing
from tests.support.visits import Finger, Hands, Keyboard, Walk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

KINDS = ("controlled", "trap", "scripted", "mouse", "touched", "keys")


@pytest.fixture(scope="module")
def address(lab) -> str:
    return lab.plain("counted")


@pytest.fixture(scope="module")
def trapped(lab) -> str:
    return lab.plain("trapped", further="[checks]\ntraps = 2")


def inputs(
    browser, address: str, hands: Hands, *, device: dict[str, Any] = DESK, script: str = UNSEEN
) -> list[dict[str, dict[str, Any]]]:
    """Of each decision of a visit, the events that sum up the input, by kind."""
    with browsing(browser, device, script=script) as context:
        walk = Walk(context.new_page(), hands)
        walk.page.goto(address)
        walk.go()
    return [{one["kind"]: one for one in sent["events"] if one["kind"] in KINDS} for sent in walk.sent]


def flags(lab) -> list[str]:
    """Of whoever came last."""
    with lab.session() as session, session.begin():
        newest = session.scalars(select(Participant).order_by(Participant.consented_at.desc()).limit(1)).one()
        check_participant(session, newest.id)
        kinds = select(QualityFlag.kind).where(QualityFlag.participant_id == newest.id)
        return sorted(session.scalars(kinds))


def evidence(lab) -> list[str]:
    """The names of the pieces behind the flag of whoever came last."""
    flags(lab)
    with lab.session() as session:
        is_automation = QualityFlag.kind == "automation"
        newest = select(QualityFlag.detail).where(is_automation).order_by(QualityFlag.id.desc()).limit(1)
        return [one["name"] for one in session.scalars(newest).one()["evidence"]]


class TestInput:
    def test_a_script_that_works_the_page_is_counted_as_one(self, browser, lab, address):
        for trial in inputs(browser, address, ScriptedPage()):
            assert set(trial) == {"scripted"}
            assert trial["scripted"]["presses"] == 1
            assert trial["scripted"]["moves"] == 24
            assert trial["scripted"]["clicks"] >= 2
        assert "automation" in flags(lab)

    def test_a_mouse_that_jumps_goes_straight_and_in_few_moves(self, browser, lab, address):
        first, *later = inputs(browser, address, StraightMouse())
        assert set(first) == {"mouse"}
        for trial in later:
            mouse = trial["mouse"]
            assert mouse["presses"] == 5
            assert mouse["moves"] <= 2 * mouse["presses"]
            assert 300 < mouse["straight"] <= mouse["path"] <= mouse["straight"] + 1
        assert "automation" in flags(lab)

    def test_a_browser_under_control_says_so(self, browser, lab, address):
        for trial in inputs(browser, address, StraightMouse(), script=""):
            assert trial["controlled"]["webdriver"] == 1

    def test_somebody_without_a_pointer_has_keys_and_nothing_else(self, browser, lab, address):
        for trial in inputs(browser, address, Keyboard()):
            assert set(trial) == {"keys"}
            assert trial["keys"]["count"] > 20
        assert "automation" not in flags(lab)

    def test_fingers_have_presses_and_no_way(self, browser, lab, address):
        for trial in inputs(browser, address, Finger(), device=PHONE):
            assert set(trial) == {"touched"}
            assert trial["touched"]["touch"] >= 3
        assert "automation" not in flags(lab)


REACHED = """() => {
  window.reached = [];
  addEventListener("focusin", (event) => window.reached.push(event.target.textContent.trim()));
}"""

UNDER_POINTER = """() => {
  const trap = document.querySelector(".unmet button")?.getBoundingClientRect();
  if (!trap) return false;
  const places = [[trap.x + 0.5, trap.y + 0.5], [trap.x + trap.width / 2, trap.y + trap.height / 2]];
  return places.some(([x, y]) => document.elementFromPoint(x, y)?.closest(".unmet"));
}"""


class TestTraps:
    def test_a_program_that_obeys_the_markup_is_flagged(self, browser, lab, trapped):
        traps = [trial["trap"] for trial in inputs(browser, trapped, ObedientPage()) if "trap" in trial]
        assert [(trap["shown"], trap["presses"]) for trap in traps] == [(1, 1), (1, 1)]
        assert "trap" in evidence(lab)

    def test_neither_tab_nor_a_screen_reader_nor_a_pointer_meets_it(self, browser, lab, trapped):
        """On every page of a visit by keyboard alone; two of them have a trap."""
        met, there = [], []

        def look(page, name):
            if name == "trial":
                there.append(page.get_by_text("Press this button").count())
                met.append("Press this" in page.locator("body").aria_snapshot())
                met.append(page.evaluate(UNDER_POINTER))

        with browsing(browser, DESK, script=f"{UNSEEN}; ({REACHED})()") as context:
            walk = Walk(context.new_page(), Keyboard(), on_page=look)
            walk.page.goto(trapped)
            walk.go()
            reached = walk.page.evaluate("() => window.reached")
        assert sum(map(bool, there)) == 2
        assert not any(met)
        assert reached
        assert not [text for text in reached if "Press this" in text]
        assert "automation" not in flags(lab)
