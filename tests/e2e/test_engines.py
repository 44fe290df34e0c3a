"""Whole visits in a real Firefox and a real WebKit, Safari's engine: every step, and a server that dies."""

import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import select

from app.accounts.service import add_staff
from app.models import Annotation, Decision, Participant, Role, Stroke, StudyState, Trial
from tests.e2e.test_participant_page import mask
from tests.e2e.test_staff_pages import state_of
from tests.support.engines import CONTROL, Engine, Missing, Place, firefox, webkit
from tests.support.lab import SIDE, Lab
from tests.support.people import PASSWORD
from tests.support.slow_network import losing
from tests.support.visits import FRONT, PAINT, STEPS

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

IN_FRONT: Final = "//*[@data-page and not(@hidden)]"
LEFT_FACE: Final = f"{IN_FRONT}//*[@data-side='left']//*[contains(@class, 'face__frame')]"
NOW: Final = f"const now = ({FRONT})(); return now !== arguments[0] && now"
IS_REGION: Final = "return Boolean(document.querySelector('.trial--region'))"
MAY_PAINT: Final = "return Boolean(document.querySelector('.face--chosen canvas'))"
BOX: Final = """
const { x, y, width, height } = document.querySelector(arguments[0]).getBoundingClientRect();
return [x, y, width, height];
"""
DRAWN: Final = """
if (window.drawn === undefined) {
  window.drawn = false;
  requestAnimationFrame(() => requestAnimationFrame(() => (window.drawn = true)));
}
if (!window.drawn) return false;
delete window.drawn;
return true;
"""
SHOWN: Final = "return [...document.querySelectorAll('.face__view')].map((view) => view.style.transform)"
SAYS: Final = "const said = document.querySelector('#banner'); return !said.hidden && said.textContent"
IS_SILENT: Final = "return document.querySelector('#banner').hidden"
CODE: Final = "return document.querySelector('#completion-code').textContent"
TITLES: Final = """
return [...document.querySelectorAll("[data-page=questions] .question-card")].map((card) => {
  const title = card.querySelector("legend, label").getBoundingClientRect();
  return title.top - card.getBoundingClientRect().top;
});
"""
"""How far the title of each question is inside its card, CSS px."""

BAND: Final[tuple[Place, ...]] = ((0.1, 0.2), (0.3, 0.3), (0.5, 0.2), (0.7, 0.3), (0.9, 0.2))
LOOP: Final[tuple[Place, ...]] = ((0.3, 0.5), (0.6, 0.5), (0.6, 0.8), (0.4, 0.9), (0.3, 0.6))
DAB: Final[tuple[Place, ...]] = ((0.45, 0.6), (0.5, 0.7))


@dataclass
class Visitor:
    """One participant on the page of an engine."""

    engine: Engine
    seen: list[str] = field(default_factory=list)
    now: str = ""

    def move_on(self) -> str:
        """The next page in front, once it is at rest."""
        self.now = self.engine.wait_for(NOW, self.now)
        name = self.now.split()[0]
        self.seen.append(name)
        return name

    def step(self, name: str) -> None:
        for role, text in STEPS.get(name, ()):
            tag = "button" if role == "button" else "label"
            self.engine.click(f'{IN_FRONT}//{tag}[normalize-space(.)="{text}"]')

    def judge(self) -> None:
        if not self.engine.run(IS_REGION):
            self.engine.click(LEFT_FACE)
        self.engine.wait_for(MAY_PAINT)
        self.stroke(BAND)

    def stroke(self, path: tuple[Place, ...]) -> None:
        """Through places of the chosen face, as fractions of it."""
        x, y, width, height = self.engine.run(BOX, ".face--chosen .face__frame")
        self.engine.drag([(x + across * width, y + down * height) for across, down in path])

    def paint(self) -> str:
        """The canvas of the chosen face, one character a pixel, after the frames that show it."""
        self.engine.wait_for(DRAWN)
        return str(self.engine.run(f"return ({PAINT})()"))

    def next(self) -> None:
        self.engine.click("//*[@id='next']")


class TestAWholeVisit:
    def test_from_consent_to_the_code(self, visitor, lab, address):
        engine = visitor.engine
        engine.resize(1366, 632)
        engine.go(address)
        while (name := visitor.move_on()) != "finished":
            if name == "questions":
                assert [title > 8 for title in engine.run(TITLES)] == [True, True]
            if name == "trial":
                self.judge(visitor, lab)
            visitor.step(name)
        middle = [name for name in visitor.seen if name not in ("trial", "feedback")]
        assert middle == ["consent", "instructions", "quiz", "break", "questions", "debrief", "finished"]
        assert visitor.seen.count("feedback") == 2
        assert engine.run(CODE) == "C0FFEE"
        assert decided(lab) == [True] * 6  # practice, main, one region

    def judge(self, visitor: Visitor, lab: Lab) -> None:
        if visitor.now == "trial Practice 1 of 2":
            self.zoom(visitor.engine)
        visitor.judge()
        if visitor.now == "trial 1 of 4":
            self.use_every_tool(visitor)
            self.reload(visitor)
            seen = visitor.paint()
            visitor.next()
            visitor.engine.wait_for(NOW, visitor.now)
            assert stored(lab) == seen
        elif visitor.now == "trial 2 of 4":
            self.go_on_while_the_server_is_dead(visitor, lab)
        else:
            visitor.next()

    def zoom(self, engine: Engine) -> None:
        """Before the choice, which it leaves open."""
        engine.press("+")
        left, right = engine.run(SHOWN)
        assert left == right != ""
        engine.press("0")
        assert engine.run(SHOWN) == ["", ""]
        assert not engine.run(MAY_PAINT)

    def use_every_tool(self, visitor: Visitor) -> None:
        brush = visitor.paint().count("1")
        visitor.engine.press("l")
        visitor.stroke(LOOP)
        outline = visitor.paint().count("1")
        visitor.engine.press("e")
        visitor.stroke(DAB)
        erased = visitor.paint().count("1")
        visitor.engine.press(CONTROL, "z")
        assert visitor.paint().count("1") == outline > erased > brush > 0

    def reload(self, visitor: Visitor) -> None:
        before = visitor.paint()
        visitor.engine.reload()
        assert visitor.engine.wait_for(NOW, "") == visitor.now
        visitor.engine.wait_for(MAY_PAINT)
        assert visitor.paint() == before

    def go_on_while_the_server_is_dead(self, visitor: Visitor, lab: Lab) -> None:
        server = next(process for process in lab.processes if process.poll() is None)
        server.send_signal(signal.SIGKILL)
        server.wait()
        visitor.next()
        assert "Saved on this device" in visitor.engine.wait_for(SAYS)
        lab.serve()
        visitor.engine.wait_for(IS_SILENT)


def decided(lab: Lab) -> list[bool]:
    """Of every trial of the participant who was last to consent."""
    with lab.session() as session:
        trials = select(Trial.id, Decision.trial_id).outerjoin(Decision, Decision.trial_id == Trial.id)
        rows = session.execute(trials.where(Trial.participant_id == newest()))
        return [decision is not None for _, decision in rows]


def stored(lab: Lab) -> str:
    """The mask of their last annotation, one character a pixel."""
    with lab.session() as session:
        last = (
            select(Annotation.id)
            .join(Decision, Decision.id == Annotation.decision_id)
            .join(Trial, Trial.id == Decision.trial_id)
            .where(Trial.participant_id == newest())
            .order_by(Decision.id.desc())
            .limit(1)
        )
        strokes = (
            select(Stroke).where(Stroke.annotation_id == last.scalar_subquery()).order_by(Stroke.position)
        )
        drawn = [
            {"tool": stroke.tool, "radius": stroke.radius, "points": stroke.points}
            for stroke in session.scalars(strokes)
        ]
    return mask(drawn, side=SIDE)


def newest():
    return select(Participant.id).order_by(Participant.consented_at.desc()).limit(1).scalar_subquery()


@pytest.fixture(params=[firefox, webkit], ids=["firefox", "webkit"])
def engine(request) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="cyborg-engine-", ignore_cleanup_errors=True) as folder:
        try:
            with request.param(Path(folder)) as engine:
                yield engine
        except Missing as missing:
            pytest.skip(str(missing))


@pytest.fixture
def visitor(engine) -> Visitor:
    return Visitor(engine)


@pytest.fixture
def address(lab: Lab, request) -> str:
    return lab.everything(f"engine-{request.node.callspec.id}")


PRESS: Final = """
const buttons = [...document.querySelectorAll("form button")];
setTimeout(() => buttons.find((button) => button.textContent === arguments[0]).click());
"""
"""By a script: WebDriver's click waits until a page has loaded, and one whose script never comes has not."""
ASKED: Final = "return document.title.startsWith('Pause?') && document.querySelector('main p').textContent"


def log_in(engine: Engine, address: str, email: str) -> None:
    engine.go(f"{address}/login")
    script = (
        "for (const [name, value] of arguments[0]) document.querySelector(`[name=${name}]`).value = value"
    )
    engine.run(script, [["email", email], ["password", PASSWORD]])
    engine.run(PRESS, "Log in")
    engine.wait_for("return location.pathname === '/staff'")


# WebKit's driver runs no script in a page that has not loaded.
@pytest.mark.parametrize("engine", [firefox], indirect=True, ids=["firefox"])
def test_a_press_before_the_script_has_come_is_asked(engine, lab, request):
    slug, email = f"asked-{request.node.callspec.id}", f"{request.node.callspec.id}@lab.example"
    lab.plain(slug)
    with lab.sessions.begin() as session:
        add_staff(session, email=email, name="Ada", role=Role.EDITOR, password=PASSWORD)
    with losing(lab.url, lost="page.js") as address:
        log_in(engine, address, email)
        engine.run("location.assign(arguments[0])", f"{address}/staff/studies/{slug}")
        engine.wait_for("return document.querySelector('form[action$=pause]')")
        engine.run(PRESS, "Pause")
        assert "nobody new comes in" in engine.wait_for(ASKED)
        assert state_of(lab, slug) is StudyState.OPEN
        engine.run(PRESS, "Pause")
        engine.wait_for("return document.querySelector('form[action$=open]')")
        assert state_of(lab, slug) is StudyState.PAUSED
