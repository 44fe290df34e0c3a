"""The loop, end to end: a study made in the browser, taken in the browser, down to a detector's AUC."""

import csv
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.db import database_url
from app.demo.faces import draw_faces
from app.models import Annotation, Arm, Decision, Image, Participant, Side, Stroke, Trial
from app.settings import Settings
from tests.support import people
from tests.support.processes import Installation

TRIALS = 6
WIDTHS_OF_PLOTS = "(plots) => plots.map((plot) => [plot.clientWidth, plot._fullLayout.width])"
WIDTH_WHEN_LOADED = "image => image.decode().then(() => image.naturalWidth)"

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def platform(installation: Installation) -> Installation:
    """Drawn faces imported, an editor with a password, a server and a worker."""
    manifest = draw_faces(installation.data_dir.parent / "faces", count=72, seed=3)
    installation.do("images", "import", str(manifest), "--size", "128")
    installation.do("staff", "add", people.StaffMember.email, "--password-stdin", text=people.PASSWORD)
    installation.serve()
    installation.start("worker")
    return installation


@pytest.fixture(scope="module")
def database(platform: Installation) -> Iterator[Session]:
    engine = create_engine(database_url(Settings(data_dir=platform.data_dir, _env_file=None)))
    with Session(engine, autoflush=False) as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="module")
def staff_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def staff(platform: Installation, staff_page: Page) -> people.StaffMember:
    return people.StaffMember(staff_page, platform.url)


@pytest.fixture(scope="module")
def study(staff: people.StaffMember) -> str:
    """An open study that staff made through the form."""
    staff.log_in()
    staff.create_study("loop", pairs=6, trials=TRIALS, judgements=4)
    staff.open_study()
    return f"{staff.url}/s/loop"


@pytest.fixture(scope="module")
def participants(study: str, browser: Browser, database: Session) -> dict[bool, people.Participant]:
    """Two visits from consent to code, one in each arm, by whether it paints."""
    visits = {}
    for _ in range(2):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        visitor = people.Participant(context.new_page(), lambda trial: answer(database, trial))
        visitor.consent(study)
        visitor.take_part(TRIALS)
        visits[any("strokes" in body and body["strokes"] for body in visitor.sent.values())] = visitor
        context.close()
    return visits


def answer(database: Session, trial_id: str) -> str:
    database.rollback()
    trial = database.get_one(Trial, trial_id)
    label = database.get_one(Image, trial.left_image_id).label
    return Side.LEFT if label.value == trial.question.value else Side.RIGHT


@pytest.fixture(scope="module")
def map_set(staff: people.StaffMember, participants) -> None:
    staff.build_maps("loop")


class TestParticipants:
    def test_one_is_in_each_arm(self, participants):
        assert set(participants) == {True, False}

    def test_every_decision_in_the_database_is_what_the_browser_sent(self, participants, database):
        database.rollback()
        for visitor in participants.values():
            for trial, body in visitor.sent.items():
                decision = database.scalars(select(Decision).where(Decision.trial_id == trial)).one()
                assert (decision.choice, decision.decision_ms) == (body["choice"], body["decision_ms"])
                assert decision.annotation_ms == body.get("annotation_ms")

    def test_every_stroke_in_the_database_is_what_the_browser_sent(self, participants, database):
        database.rollback()
        for trial, body in participants[True].sent.items():
            strokes = database.scalars(
                select(Stroke)
                .join(Annotation)
                .join(Decision)
                .where(Decision.trial_id == trial)
                .order_by(Stroke.position)
            )
            recorded = [
                {"tool": stroke.tool, "radius": stroke.radius, "points": stroke.points} for stroke in strokes
            ]
            assert recorded == body["strokes"]
            assert len(recorded) == 2

    def test_all_of_their_choices_were_right(self, participants, database):
        database.rollback()
        assert database.scalars(select(Decision.correct)).all() == [True] * 2 * TRIALS

    def test_the_control_arm_painted_nothing(self, participants, database):
        database.rollback()
        arms = database.scalars(
            select(Arm.annotate).join_from(Annotation, Decision).join(Trial).join(Participant).join(Arm)
        )
        assert set(arms) == {True}


class TestStaff:
    def test_progress_is_on_the_study_page(self, staff, participants):
        staff.page.goto(f"{staff.url}/staff/studies/loop")
        expect(staff.page.get_by_text(f"decided, of {6 * 3 * 2 * 2 * 4} judgements wanted")).to_be_visible()
        expect(staff.page.locator(".stat__value").first).to_have_text(str(2 * TRIALS))

    def test_decisions_are_downloaded(self, staff, participants, tmp_path):
        staff.page.goto(f"{staff.url}/staff/studies/loop/export")
        with staff.page.expect_download() as download:
            staff.page.get_by_role("link", name="Download decisions.csv").click()
        download.value.save_as(tmp_path / "decisions.csv")
        with (tmp_path / "decisions.csv").open(newline="") as lines:
            assert len(list(csv.DictReader(lines))) == 2 * TRIALS

    def test_maps_are_in_the_gallery(self, staff, map_set):
        staff.page.goto(f"{staff.url}/staff/studies/loop/maps")
        card = staff.page.locator(".gallery .figure").first
        widths = [image.evaluate(WIDTH_WHEN_LOADED) for image in card.locator("img").all()]
        assert len(widths) == 2
        assert min(widths) > 0

    def test_an_image_shows_its_annotations_and_its_map(self, staff, map_set):
        staff.page.goto(f"{staff.url}/staff/studies/loop/maps")
        staff.page.locator("main a:has(img)").first.click()
        expect(staff.page.get_by_role("slider")).to_be_visible()
        expect(staff.page.locator("main")).to_contain_text("Annotations")


@pytest.fixture(scope="module")
def experiment(staff: people.StaffMember, map_set) -> Page:
    """A smoke experiment on the frozen maps, when both of its runs have ended."""
    staff.freeze_dataset()
    staff.start_experiment()
    expect(staff.page.get_by_text("succeeded")).to_have_count(3, timeout=240_000)  # two runs and their sum
    return staff.page


class TestDetector:
    def test_the_auc_of_each_objective_appears(self, experiment):
        cells = experiment.get_by_role("region", name="Results").locator("td strong")
        aucs = [float(text) for text in cells.all_inner_texts()]
        assert len(aucs) == 2
        assert all(0 <= auc <= 1 for auc in aucs)

    def test_every_figure_fills_its_frame(self, experiment):
        experiment.get_by_role("link", name="Figures", exact=True).click()
        plots = experiment.locator("#figure-list .js-plotly-plot")
        expect(plots.nth(1)).to_be_visible(timeout=60_000)
        for frame, drawn in plots.evaluate_all(WIDTHS_OF_PLOTS):
            assert drawn == pytest.approx(frame, abs=2)

    def test_a_run_shows_its_curves(self, experiment, staff):
        experiment.get_by_role("link", name="Runs and detectors").click()
        experiment.get_by_role("region", name="Runs").get_by_role("link").first.click()
        expect(staff.page.locator(".js-plotly-plot").first).to_be_visible(timeout=20_000)
