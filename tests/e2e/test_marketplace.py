"""Where participants come from: MTurk's preview and frame, Prolific's address, and the way back."""

import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, BrowserContext, Frame, Playwright, expect
from sqlalchemy import func, select

from app.models import Participant, Study
from app.recruitment.service import find_by_id, return_link
from app.studies.service import find_study
from tests.support.lab import DESK, Lab, browsing
from tests.support.processes import chromium
from tests.support.visits import Mouse, Walk

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]

MTURK = "worker.mturk.com"
QUIZ = """\
[quiz]
attempts = 1
[[quiz.questions]]
text = "How many of the two faces are real?"
options = ["None", "One", "Both"]
answer = 2
"""
STORAGE = """async () => {
  const tried = {};
  for (const name of ["localStorage", "sessionStorage"]) {
    try { window[name].setItem("x", "1"); tried[name] = "works"; } catch (error) { tried[name] = error.name; }
  }
  tried.indexedDB = await new Promise((resolve) => {
    try {
      const request = indexedDB.open("x");
      request.onsuccess = () => resolve("works");
      request.onerror = () => resolve("refused");
    } catch (error) { resolve(error.name); }
  });
  document.cookie = "x=1; SameSite=None; Secure";
  tried.cookies = document.cookie ? "works" : "refused";
  return tried;
}"""


def people(lab: Lab) -> int:
    with lab.session() as session:
        return session.scalar(select(func.count()).select_from(Participant)) or 0


@dataclass
class Marketplace:
    """A page on https://worker.mturk.com that shows a task in a frame, and takes its form."""

    server: ThreadingHTTPServer
    task: str = ""
    submitted: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


def certificate(folder: Path) -> Path:
    """A key and a certificate for the marketplace's name, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, MTURK)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(MTURK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "marketplace.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory) -> Iterator[Marketplace]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(
                f'<title>MTurk</title><iframe src="{market.task}" width="1200" height="700"></iframe>'
            )

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            market.submitted.append(parse_qs(self.rfile.read(length).decode()) | {"path": [self.path]})
            self._answer("<p>Submitted</p>")

        def _answer(self, html: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path_factory.mktemp("marketplace")))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    market = Marketplace(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield market
    server.shutdown()
    server.server_close()


@pytest.fixture
def blocking(
    playwright: Playwright, marketplace: Marketplace, lab: Lab, tmp_path
) -> Iterator[BrowserContext]:
    """A Chromium of its own whose user refuses all storage to `lab`, as privacy settings do in a frame.

    The name worker.mturk.com leads to this machine: only so is the frame one that the page's own
    Content-Security-Policy admits.
    """
    refuse = {f"{lab.url},*": {"setting": 2}}
    preferences = {"profile": {"content_settings": {"exceptions": {"cookies": refuse}}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(preferences), encoding="utf-8")
    options = chromium(whole=True)
    rule = f"--host-resolver-rules=MAP {MTURK}:443 127.0.0.1:{marketplace.port}"
    options["args"] = [*options["args"], rule]
    context = playwright.chromium.launch_persistent_context(
        tmp_path, **options, **DESK, ignore_https_errors=True
    )
    yield context
    context.close()


def let_in(lab: Lab, study: str, worker: str) -> str:
    """What `cyborg study let-in` prints."""
    with lab.sessions.begin() as session:
        person = find_by_id(session, find_study(session, study), worker)
        return lab.url + return_link(session, person)


def task_frame(context: BrowserContext, marketplace: Marketplace, task: str) -> Frame:
    """The task, in the marketplace's page."""
    marketplace.task = task
    page = context.pages[0]
    page.goto(f"https://{MTURK}/")
    frame = page.frames[1]
    frame.wait_for_load_state()
    return frame


class TestMturk:
    def test_a_preview_records_nothing(self, browser: Browser, lab: Lab):
        address = lab.plain("preview")
        before = people(lab)
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(f"{address}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h")
            expect(page.get_by_text("This is a preview")).to_be_visible()
            expect(page.locator("#agree")).to_be_hidden()
            assert page.evaluate("[localStorage.length, location.hash]") == [0, ""]
        assert people(lab) == before

    def test_a_preview_in_the_frame_records_nothing(self, blocking, marketplace, lab):
        before = people(lab)
        address = lab.plain("framed-preview")
        frame = task_frame(
            blocking, marketplace, f"{address}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&amp;hitId=h"
        )
        expect(frame.get_by_text("This is a preview")).to_be_visible()
        assert people(lab) == before

    def test_a_whole_visit_in_the_frame_with_every_storage_refused(self, blocking, marketplace, lab):
        address = lab.plain("framed", further="breaks = {every = 2}")
        query = f"assignmentId=A1&amp;hitId=h&amp;workerId=W1&amp;turkSubmitTo=https%3A%2F%2F{MTURK}"
        frame = task_frame(blocking, marketplace, f"{address}?{query}")
        assert frame.url.startswith("http://127.0.0.1")
        walk = Walk(blocking.pages[0], Mouse(), frame=frame)
        walk.go(until="trial")
        assert frame.evaluate(STORAGE) == {
            "localStorage": "SecurityError",
            "sessionStorage": "SecurityError",
            "indexedDB": "refused",
            "cookies": "refused",
        }
        walk.judge()
        expect(frame.locator("#progress-text")).to_have_text("2 of 4")
        frame.evaluate("location.reload()")
        expect(frame.locator("#progress-text")).to_have_text("2 of 4")
        walk.go()
        code = frame.locator("#completion-code").inner_text()
        frame.get_by_role("button", name="Submit the HIT").click()
        expect(frame.get_by_text("Submitted")).to_be_visible()
        assert marketplace.submitted == [
            {"path": ["/mturk/externalSubmit"], "assignmentId": ["A1"], "completionCode": [code]}
        ]

    def test_no_other_site_may_show_the_page(self, blocking, marketplace, lab):
        page = blocking.pages[0]
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.set_content(f'<iframe src="{lab.plain("elsewhere")}"></iframe>')

    def test_the_same_worker_returns_to_the_same_trial(self, browser, lab):
        address = f"{lab.plain('worker')}?assignmentId=a1&hitId=h1&workerId=w1"
        for number in (1, 2):
            with browsing(browser, DESK) as context:
                walk = Walk(context.new_page(), Mouse())
                walk.page.goto(address)
                walk.go(until="trial")
                expect(walk.page.locator("#progress-text")).to_have_text(f"{number} of 4")
                with walk.page.expect_response(lambda answer: answer.url.endswith("/decision")):
                    walk.judge()


class TestProlific:
    def test_the_way_back_is_on_the_last_page(self, browser, lab):
        address = lab.plain(
            "prolific", annotate="false", further='completion_url = "https://app.prolific.com/c?cc=1"'
        )
        with browsing(browser, DESK) as context:
            context.route("https://app.prolific.com/**", lambda route: route.fulfill(body="<p>Back</p>"))
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(f"{address}?PROLIFIC_PID=5f1&STUDY_ID=s1&SESSION_ID=x1")
            walk.go()
            expect(walk.page.locator("#completion-code")).to_have_text("1")
            walk.page.get_by_role("link", name="Return and finish").click()
            expect(walk.page).to_have_url("https://app.prolific.com/c?cc=1")

    def test_another_submission_goes_on_where_it_began_or_by_a_link_from_the_staff(self, browser, lab):
        address = f"{lab.plain('returned')}?PROLIFIC_PID=5f3&STUDY_ID=s1&SESSION_ID="
        with browsing(browser, DESK) as begun, browsing(browser, DESK) as elsewhere:
            walk = Walk(begun.new_page(), Mouse())
            walk.page.goto(f"{address}x1")
            walk.go(until="trial")
            with walk.page.expect_response(lambda answer: answer.url.endswith("/decision")):
                walk.judge()
            walk.page.goto(f"{address}x2")
            expect(walk.page.locator("#progress-text")).to_have_text("2 of 4")

            page = elsewhere.new_page()
            page.goto(f"{address}x3")
            Walk(page, Mouse()).go(until="ended")
            expect(page.get_by_role("heading", name="You have begun this study elsewhere")).to_be_visible()
            expect(page.get_by_text("They can send you a link that lets you back in")).to_be_visible()
            expect(page.locator("#ending-next")).to_be_hidden()

            link = let_in(lab, "returned", "5f3")
            for _ in range(2):  # a second time in one browser goes on where it led
                page.goto("about:blank")
                page.goto(link)
                Walk(page, Mouse()).go(until="trial")
                expect(page.locator("#progress-text")).to_have_text("2 of 4")
        with browsing(browser, DESK) as third:
            page = third.new_page()
            page.goto(link)
            expect(page.get_by_text("This link has been used or has lapsed")).to_be_visible()

    def test_without_a_session_in_the_address_a_reload_goes_on(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(f"{lab.plain('sessionless')}?PROLIFIC_PID=5f4")
            walk.go(until="trial")
            walk.page.evaluate("localStorage.removeItem('cyborg.sessionless.5f4.session')")
            walk.page.goto(f"{lab.url}/s/sessionless?PROLIFIC_PID=5f4")
            walk.go(until="trial")
            expect(walk.page.locator("#progress-text")).to_have_text("1 of 4")
        with lab.session() as session:
            study = session.scalars(select(Study).where(Study.slug == "sessionless")).one()
            assert session.scalar(select(func.count()).where(Participant.study_id == study.id)) == 1

    def test_a_placeholder_is_told_before_consent(self, browser, lab):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(f"{lab.plain('template')}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID=s1")
            expect(page.get_by_text("Please open the study again on Prolific")).to_be_visible()

    def test_an_ending_before_the_end_asks_to_return_the_submission(self, browser, lab):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(f"{lab.plain('declining')}?PROLIFIC_PID=5f2&STUDY_ID=s1&SESSION_ID=x1")
            page.get_by_role("button", name="I do not want to take part").click()
            expect(page.locator("#ending-next")).to_contain_text("Please return your submission")

    @pytest.mark.parametrize(
        ("query", "way"),
        [
            ("PROLIFIC_PID=5f3&STUDY_ID=s1&SESSION_ID=x3", "choose “Cancel participation”"),
            ("assignmentId=A3&hitId=h&workerId=W3", "Please return the HIT on MTurk"),
        ],
        ids=["prolific", "mturk"],
    )
    def test_who_is_screened_out_is_told_why_and_how_to_leave(self, browser, lab, query, way):
        address = lab.plain(f"quiz-{query[:2].lower()}", further=QUIZ)
        with browsing(browser, DESK) as context:
            walk = Walk(context.new_page(), Mouse())
            page = walk.page
            page.goto(f"{address}?{query}")
            walk.go(until="quiz")
            page.get_by_role("radio", name="None").check()
            page.get_by_role("button", name="Check my answers").click()
            expect(page.get_by_role("heading", name="You cannot continue this study")).to_be_visible()
            expect(page.get_by_text("Some of your answers about the instructions were wrong")).to_be_visible()
            expect(page.locator("#ending-next")).to_contain_text(way)
            for nothing in ("#ending-code", "#ending-link", "#turk-form"):
                expect(page.locator(nothing)).to_be_hidden()
            assert "Reference" in page.locator("main").inner_text()

    def test_who_finishes_without_a_code_is_told_how_to_finish(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(context.new_page(), Mouse())
            walk.page.goto(f"{lab.plain('codeless', annotate='false')}?PROLIFIC_PID=5f5&SESSION_ID=x5")
            walk.go()
            expect(walk.page.locator("#completion-code")).to_be_hidden()
            expect(walk.page.get_by_text("the researchers know your Prolific ID")).to_be_visible()
