"""What staff do on pages that no form alone can do, in a real Chromium."""

import re
import tomllib
import zipfile
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app.accounts.service import add_staff
from app.dashboard.studies.live import INTERVAL_S
from app.models import Image, Role, Study, StudyState
from tests.support.lab import DESK, SIDE, Lab, browsing
from tests.support.people import PASSWORD, StaffMember
from tests.support.pictures import draw
from tests.support.worlds import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DONE = "Done: what was imported is stored."


@pytest.fixture
def page(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Of somebody who may see everything."""
    email = f"{request.node.name[:20].lower()}@lab.example"
    with lab.sessions.begin() as session:
        add_staff(session, email=email, name="Ada", role=Role.ADMIN, password=PASSWORD)
    with browsing(browser, DESK) as context:
        page = context.new_page()
        StaffMember(page, lab.url, email).log_in()
        yield page


def open_an_image(page, lab):
    """The page of an image, with its script at work."""
    page.goto(f"{lab.url}/staff/images")
    page.locator("main a[href^='/staff/images/']:has(img)").first.click()
    page.wait_for_url("**/staff/images/*", wait_until="load")


class TestConfirmation:
    def test_a_press_before_the_script_runs_is_asked_by_a_page(self, page, lab):
        lab.plain("unscripted")
        page.route("**/staff/page.js*", lambda _route: None)  # it never arrives
        page.goto(f"{lab.url}/staff/studies/unscripted", wait_until="commit")
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.locator("main")).to_contain_text("nobody new comes in")
        assert state_of(lab, "unscripted") is StudyState.OPEN
        page.get_by_role("link", name="Cancel").click(no_wait_after=True)
        page.wait_for_url("**/staff/studies/unscripted", wait_until="commit")
        page.get_by_role("button", name="Pause", exact=True).click()
        page.locator("main").get_by_role("button", name="Pause", exact=True).click(no_wait_after=True)
        page.get_by_role("button", name="Open", exact=True).wait_for(state="attached")
        assert state_of(lab, "unscripted") is StudyState.PAUSED

    def test_the_script_asks_in_a_dialog_each_time(self, page, lab):
        lab.plain("scripted")
        page.goto(f"{lab.url}/staff/studies/scripted")
        pause = page.get_by_role("button", name="Pause", exact=True)
        pause.click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        pause.click()
        expect(page.get_by_role("dialog")).to_contain_text("nobody new comes in")
        assert state_of(lab, "scripted") is StudyState.OPEN
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Open", exact=True)).to_be_visible()
        assert state_of(lab, "scripted") is StudyState.PAUSED


def state_of(lab: Lab, slug: str) -> StudyState:
    with lab.session() as session:
        return session.scalars(select(Study.state).where(Study.slug == slug)).one()


class TestRegion:
    def test_corners_are_drawn_moved_and_taken_back(self, page, lab):
        open_an_image(page, lab)
        page.set_viewport_size({"width": 1280, "height": 1600})  # the picture and its buttons at once
        drawing, text = page.locator("#region"), page.locator("#region-text")

        def at(x: float, y: float) -> tuple[float, float]:
            box = drawing.bounding_box()
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        for corner in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.1, 0.9)):
            page.mouse.click(*at(*corner))
        page.get_by_role("button", name="Take back a corner").click()
        page.mouse.move(*at(0.75, 0.75))
        page.mouse.down()
        page.mouse.move(*at(0.5, 1))
        page.mouse.up()
        (region,) = tomllib.loads(text.input_value())["checks"]["regions"]
        wanted = [[SIDE / 4, SIDE / 4], [3 * SIDE / 4, SIDE / 4], [SIDE / 2, SIDE]]
        for corner, (x, y) in zip(region["region"], wanted, strict=True):
            assert corner == [pytest.approx(x, abs=2), pytest.approx(y, abs=2)]
        assert lab.plain("with-region", further=text.input_value())  # as it stands

    def test_a_corner_moves_with_its_button_alone(self, page, lab):
        open_an_image(page, lab)
        drawing, text = page.locator("#region"), page.locator("#region-text")
        drawing.click(position={"x": 40, "y": 40})
        before = text.input_value()
        drawing.click(position={"x": 90, "y": 90}, button="right")
        box, session = drawing.bounding_box(), page.context.new_cdp_session(page)
        for kind, buttons, far in (("mousePressed", 1, 40), ("mouseMoved", 0, 80)):
            place = {"x": box["x"] + far, "y": box["y"] + far}
            button = "left" if buttons else "none"
            event = {"type": kind, "button": button, "buttons": buttons, "clickCount": 1}
            session.send("Input.dispatchMouseEvent", event | place)
        assert text.input_value() == before

    def test_what_is_typed_is_drawn(self, page, lab):
        open_an_image(page, lab)
        page.locator("#region-text").fill("region = [[0, 0], [80, 0], [80, 80]]")
        expect(page.locator("#region polygon")).to_have_attribute("points", "0,0 80,0 80,80")
        page.get_by_role("button", name="Start over").click()
        expect(page.locator("#region-text")).to_have_value("region = []")


class TestNarrowScreens:
    def test_a_row_is_a_card_that_names_its_columns(self, page, lab):
        lab.plain("narrow")
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{lab.url}/staff/studies")
        row = page.locator(".table tbody tr").first
        state = row.locator("td", has=page.locator(".badge")).first
        assert state.evaluate("cell => getComputedStyle(cell, '::before').content") == '"State"'
        expect(page.get_by_role("cell").first).to_be_visible()  # still a table to whoever hears it
        box = state.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390


class TestUpload:
    def test_sixty_thousand_files_are_looked_at(self, page, lab, tmp_path):
        with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
            for number in range(60_000):
                archive.writestr(f"real/portraits/session-{number // 1000}/face-{number:06}.png", b"x")
        page.goto(f"{lab.url}/staff/images/new")
        page.get_by_label("Files, or a ZIP archive").set_input_files(tmp_path / "many.zip")
        page.get_by_role("button", name="Show what will be imported").click()
        words = page.locator("#report-words")
        expect(words).to_have_text("60,000 images to import. Nothing is stored yet.", timeout=120_000)
        expect(page.locator("#report-go")).to_have_text("Import 60,000 images")

    def test_files_a_folder_and_an_archive_are_imported_and_a_damaged_one_is_refused(
        self, page, lab, tmp_path
    ):
        """Pictures of a size of their own, so that they are in no pair of another test."""
        pictures = [draw(tmp_path / f"one-{seed}.png", seed, width=40, height=40) for seed in (901, 902)]
        draw(tmp_path / "shoot/real/two.png", 903, width=40, height=40)
        draw(tmp_path / "three.png", 904, width=40, height=40)
        with zipfile.ZipFile(tmp_path / "four.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / "three.png", "real/three.png")
            archive.writestr("real/notes.png", b"no picture")
        (tmp_path / "cut.zip").write_bytes((tmp_path / "four.zip").read_bytes()[:200])
        page.goto(f"{lab.url}/staff/images/new")
        words, files = page.locator("#report-words"), page.get_by_label("Files, or a ZIP archive")

        look, go = page.get_by_role("button", name="Show what will be imported"), page.locator("#report-go")
        files.set_input_files(pictures)
        look.click()
        expect(words).to_contain_text("0 images to import, 2 chosen files left out.")
        expect(page.locator("#report-lines li").first).to_contain_text("neither in real/ nor in fake/")
        expect(go).to_be_hidden()
        page.get_by_label("They are").select_option("real")
        look.click()
        expect(page.locator("#report-kinds tbody tr")).to_have_text("realrealnone2")
        go.click()
        expect(words).to_have_text(f"2 imported, 0 already there, 0 refused, 0 to come. {DONE}")

        files.set_input_files(tmp_path / "four.zip")
        look.click()
        expect(words).to_have_text("2 images to import. Nothing is stored yet.")
        go.click()
        expect(words).to_have_text(f"1 imported, 0 already there, 1 refused, 0 to come. {DONE}")
        expect(page.locator("#report-lines li")).to_contain_text("real/notes.png")

        files.set_input_files(tmp_path / "cut.zip")
        look.click()
        expect(words).to_have_text(
            "cut.zip: This is no ZIP archive, or its end is missing. Nothing was sent."
        )

        files.set_input_files([])
        page.get_by_label("Or a folder").set_input_files(tmp_path / "shoot")
        look.click()
        go.click()
        expect(words).to_have_text(f"1 imported, 0 already there, 0 refused, 0 to come. {DONE}")
        with lab.session() as session:
            small = session.scalars(
                select(Image.original_name).where(Image.width == 40).order_by(Image.original_name)
            ).all()
        assert [name.rsplit("/")[-1] for name in small] == [
            "one-901.png",
            "one-902.png",
            "three.png",
            "two.png",
        ]

    def test_a_manifest_in_an_archive_is_shown_with_its_faults_before_anything_is_stored(
        self, page, lab, tmp_path
    ):
        draw(tmp_path / "a.png", 911, width=44, height=44)
        draw(tmp_path / "b.png", 912, width=44, height=44)
        page.goto(f"{lab.url}/staff/images/new")
        words, lines = page.locator("#report-words"), page.locator("#report-lines li")
        look, go = page.get_by_role("button", name="Show what will be imported"), page.locator("#report-go")

        def choose(*rows):
            with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
                archive.writestr("set/list.csv", "\n".join(("path,label,source,split,group", *rows)))
                for name in ("a.png", "b.png"):
                    archive.write(tmp_path / name, f"set/faces/{name}")
            page.get_by_label("Files, or a ZIP archive").set_input_files(tmp_path / "set.zip")
            look.click()

        choose("faces/a.png,reel,camera,,", "faces/b.png,fake,,,")
        expect(words).to_have_text("Nothing can be imported: list.csv has 2 faults.")
        expect(lines.last).to_have_text("list.csv, line 3: the source is empty; a fake needs its generator.")
        expect(go).to_be_hidden()

        choose("faces/a.png,fake,manifest-gan,test,twins", "faces/c.png,real,,,")
        expect(words).to_contain_text("1 image named by list.csv to import, 1 group, 1 line of list.csv")
        expect(page.locator("#report-kinds tbody tr")).to_have_text("fakemanifest-gantest1")
        expect(lines).to_have_text(
            [
                "list.csv, line 3: faces/c.png is not among the chosen files.",
                "faces/b.png: is left out: list.csv does not name it.",
            ]
        )
        page.route("**/api/images", lambda route: route.fulfill(status=401, json={"detail": "…"}))
        go.click()
        expect(words).to_contain_text("You are logged out: log in again in another tab. What was imported")
        page.unroute("**/api/images")
        page.get_by_role("button", name="Send the others").click()
        expect(words).to_have_text(f"1 imported, 0 already there, 0 refused, 0 to come. {DONE}")
        with lab.session() as session:
            (image,) = session.scalars(select(Image).where(Image.source == "manifest-gan"))
        assert (image.original_name, image.split, image.group) == ("faces/a.png", "test", "twins")


class TestLiveNumbers:
    def test_a_decision_changes_a_number_without_a_reload_with_a_stream_and_without_one(self, page, lab):
        lab.plain("live", annotate="false")
        decided, said = page.locator(".stat__value").first, page.locator("#live-state")
        with httpx2.Client(base_url=lab.url) as client:
            visitor = Visitor(client, "live")
            visitor.consent(consent_version=visitor.page()["consent_version"])

            page.goto(f"{lab.url}/staff/studies/live")
            page.evaluate("document.body.dataset.kept = 'yes'")
            expect(said).to_have_text(re.compile("^Live"))
            expect(decided).to_have_text("0")
            visitor.decide(visitor.next().json()["trial"]["id"])
            expect(decided).to_have_text("1")
            expect(page.locator("body")).to_have_attribute("data-kept", "yes")

            stream = re.compile("/live")
            page.clock.install()
            page.route(
                stream,
                lambda route: (
                    route.fulfill(status=503)
                    if route.request.resource_type == "eventsource"
                    else route.continue_()
                ),
            )
            page.reload()
            expect(said).to_have_text(re.compile("^Asked every ten seconds"))
            page.evaluate("document.body.dataset.kept = 'yes'")
            visitor.decide(visitor.next().json()["trial"]["id"])
            page.wait_for_timeout(1000 * INTERVAL_S)  # for as long, everybody gets what was counted last
            page.clock.run_for(10_000)
            expect(decided).to_have_text("2")
            expect(page.locator("body")).to_have_attribute("data-kept", "yes")
