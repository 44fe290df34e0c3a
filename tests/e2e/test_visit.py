"""Whole visits to a study that has every step, in a real Chromium; and each of its steps at its worst."""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select, update

from app.models import Arm, Participant, QuizAttempt, Quota
from app.studies.service import close_study, find_study
from tests.support.lab import DESK, PHONE, SIDE, Lab, browsing
from tests.support.visits import Finger, Hands, Keyboard, Mouse, Walk, painted, press_on

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

WIDTHS = "(place) => [...document.querySelectorAll(`.face__${place} img`)].map((image) => image.naturalWidth)"
TO_THE_BOX = """() => {
  window.scrollTo(0, document.body.scrollHeight);
  const box = document.querySelector("#agree").getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""
EVERY_PAGE = ["consent", "instructions", "quiz", *["trial", "feedback"] * 2]
END = ["questions", "debrief", "finished"]


@pytest.fixture(scope="module")
def everything(lab: Lab) -> str:
    return lab.everything("everything")


@pytest.fixture(scope="module")
def advised(lab: Lab) -> str:
    return lab.everything("advised", advice="both")


def newest(lab: Lab) -> Participant:
    with lab.session() as session:
        return session.scalars(select(Participant).order_by(Participant.consented_at.desc()).limit(1)).one()


def no_error(page: Page) -> Page:
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return page


def expect_no_scroll_sideways(page: Page, name: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


class TestFromConsentToTheCode:
    @pytest.mark.parametrize(
        ("hands", "screen"),
        [(Mouse(), DESK), (Finger(), PHONE), (Keyboard(), DESK)],
        ids=["mouse", "touch", "keyboard"],
    )
    def test_with(self, browser: Browser, lab: Lab, everything: str, hands: Hands, screen: dict):
        with browsing(browser, screen) as context:
            walk = Walk(no_error(context.new_page()), hands, expect_no_scroll_sideways)
            walk.page.goto(everything)
            walk.go()
            code = walk.code
        middle = [name for name in walk.seen if name not in ("trial", "feedback")]
        assert walk.seen[: len(EVERY_PAGE)] == EVERY_PAGE
        assert middle == ["consent", "instructions", "quiz", "break", *END]
        assert len(walk.sent) == 2 + 3 + 1  # practice, main, one region
        participant = newest(lab)
        assert (code, participant.answers) == ("C0FFEE", {"age": "30 to 49"})
        assert participant.device["passed"] is True
        assert participant.device["touch"] is (screen is PHONE)
        rests = [event for one in walk.sent for event in one["events"] if event["kind"] == "break"]
        assert [rest["pause_ms"] >= 0 for rest in rests] == [True]

    def test_the_arm_without_paint_has_the_same_page(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(lab.plain("control", annotate="false"))
            walk.go()
            assert walk.code
        assert all("strokes" not in one for one in walk.sent)


class TestConsent:
    def test_wants_the_text_read_to_its_end(self, browser, everything):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            page.locator("#agree").evaluate("(box) => box.click()")  # without going there
            expect(page.get_by_text("Please read the text to the end first")).to_be_visible()
            expect(page.locator("#agree")).not_to_be_checked()
            page.get_by_role("link", name="To the end of the text").click()
            expect(page.get_by_role("link", name="To the end of the text")).to_be_hidden()
            page.locator("#agree").check()
            expect(page.locator("#agree-error")).to_be_hidden()

    def test_nothing_moves_while_a_hand_ticks_the_box(self, browser, lab):
        address = lab.plain("long", further='''consent = """''' + "\\n\\n".join(["A line."] * 25) + '''"""''')
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(address)
            expect(page.locator("#agree")).to_be_visible()
            place = page.evaluate(TO_THE_BOX)
            page.mouse.move(*place)
            page.mouse.down()
            expect(page.get_by_role("link", name="To the end of the text")).to_be_hidden()
            page.mouse.up()
            expect(page.locator("#agree")).to_be_checked()

    def test_is_read_by_keyboard_too(self, browser, everything):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            press_on(page, page.locator("#agree"), "Space")
            expect(page.locator("#agree")).to_be_checked()

    def test_a_text_that_fits_counts_as_read(self, browser, lab):
        address = lab.plain("short", further='consent = "You may stop at any time."')
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(address)
            expect(page.get_by_role("link", name="To the end of the text")).to_be_hidden()
            page.locator("#agree").evaluate("(box) => box.click()")
            expect(page.locator("#agree")).to_be_checked()

    def test_the_trap_for_programs_is_for_nobody_else(self, browser, everything):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            trap = page.locator("input[name=website]")
            assert trap.evaluate("(field) => [field.tabIndex, field.ariaHidden, field.autocomplete]") == [
                -1,
                "true",
                "off",
            ]
            box = trap.bounding_box()
            assert box is not None
            assert box["width"] <= 1


class TestDevice:
    def test_a_small_window_is_explained_and_looked_at_again(self, browser, lab):
        address = lab.plain("large", further="device = {min_width = 900, min_height = 500}")
        with browsing(browser, {"viewport": {"width": 800, "height": 700}}) as context:
            page = context.new_page()
            page.goto(address)
            page.get_by_label("I have read").check()
            with page.expect_response("**/api/participant/device"):
                page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("The window is too small")).to_be_visible()
            expect(
                page.get_by_text("Your window is 800 × 700. The study needs at least 900 × 500.")
            ).to_be_visible()
            expect(page.get_by_text("If you have zoomed in, zoom out")).to_be_visible()
            expect(page.locator("#device-leave")).to_contain_text("The same link brings you back")
            assert newest(lab).device["passed"] is False
            with page.expect_response("**/api/participant/device"):
                page.set_viewport_size({"width": 1000, "height": 700})
            expect(page.get_by_role("button", name="Start")).to_be_visible()
        assert newest(lab).device["passed"] is True

    def test_a_zoom_of_200_percent_keeps_nobody_out(self, browser, lab):
        address = lab.plain("zoomed")
        screens = ({"width": 683, "height": 316}, {"width": 720, "height": 382})  # 1366 × 768, 1440 × 900
        with browsing(browser, DESK) as context:
            page = context.new_page()
            for screen in screens:
                page.set_viewport_size(screen)
                page.goto(address)
                page.evaluate("localStorage.clear()")
                page.goto(address)
                page.get_by_label("I have read").check()
                page.get_by_role("button", name="Continue").click()
                expect(page.get_by_role("button", name="Start")).to_be_visible()

    def test_a_study_that_needs_a_mouse_says_so_on_a_phone(self, browser, lab):
        address = lab.plain("mouse", further="device = {touch = false}")
        with browsing(browser, PHONE) as context:
            page = context.new_page()
            page.add_init_script(
                "const real = matchMedia; window.matchMedia = (query) =>"
                " query.includes('any-pointer: fine') ? Object.assign(new EventTarget(), { matches: false })"
                " : real.call(window, query);"
            )
            page.goto(address)
            page.get_by_label("I have read").check()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("You need a mouse, a pen or a touchpad")).to_be_visible()

    def test_pictures_that_do_not_load_are_waited_for(self, browser, everything):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            page.route("**/static/icon.svg", lambda route: route.abort())
            page.get_by_label("I have read").check()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("Pictures do not load")).to_be_visible()
            page.unroute("**/static/icon.svg")
            expect(page.get_by_role("button", name="Start")).to_be_visible()


class TestSteps:
    def test_a_quiz_failed_for_good_ends_the_visit_with_a_way_back(self, browser, lab, everything):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            page = walk.page
            page.goto(everything)
            walk.go(until="quiz")
            page.get_by_role("button", name="Check my answers").click()
            expect(page.get_by_text("Please answer this question.")).to_have_count(2)
            page.get_by_role("radio", name="None").check()
            page.get_by_role("radio", name="The whole face").check()
            page.get_by_role("button", name="Check my answers").click()
            expect(page.get_by_text("This answer is wrong")).to_have_count(2)
            expect(page.get_by_text("You have 1 attempt left")).to_be_visible()
            page.reload()
            expect(page.get_by_role("radio", name="None")).to_be_checked()
            page.get_by_role("radio", name="Both").check()
            page.get_by_role("button", name="Check my answers").click()
            page.get_by_role("button", name="Continue").click()  # the debriefing
            expect(page.get_by_role("heading", name="You cannot continue this study")).to_be_visible()
            expect(page.get_by_text(newest(lab).reference)).to_be_visible()
            expect(page.get_by_text("Some of your answers about the instructions were wrong")).to_be_visible()
            expect(page.locator("#ending-code")).to_have_text("SORRY")
            assert page.get_by_role("link", name="Return").get_attribute("href").endswith("cc=SORRY")
        with lab.session() as session:
            made = session.scalars(
                select(QuizAttempt).where(QuizAttempt.participant_id == newest(lab).id)
            ).all()
        assert len(made) == 2

    def test_every_step_outlives_a_reload(self, browser, everything):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            page = walk.page

            def reload(_: Page, name: str) -> None:
                if name in ("instructions", "trial", "break", "questions", "debrief"):
                    page.reload()
                    walk.front()

            walk.on_page = reload
            page.goto(everything)
            walk.go()
            assert walk.code

    def test_last_answers_and_what_was_pasted_outlive_a_reload(self, browser, lab, everything):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            page = walk.page
            page.goto(everything)
            walk.go(until="questions")
            page.get_by_role("button", name="Send").click()
            expect(page.get_by_text("Please answer this question.")).to_be_visible()
            page.get_by_role("textbox").fill("Nothing.")
            for keys in ("Control+a", "Control+c", "Control+v"):
                page.get_by_role("textbox").press(keys)
            page.get_by_role("radio", name="50 or more").check()
            page.reload()
            expect(page.get_by_role("textbox")).to_have_value("Nothing.")
            page.get_by_role("button", name="Send").click()
            expect(page.get_by_role("heading", name="What this study was about")).to_be_visible()
        assert (newest(lab).pastes, newest(lab).drops) == (1, 0)

    def test_a_second_device_with_the_same_link_goes_on_at_the_same_pair(self, browser, lab):
        address = lab.plain("devices")
        with browsing(browser, DESK) as first:
            walk = Walk(no_error(first.new_page()), Mouse())
            walk.page.goto(address)
            walk.go(until="trial")
            with walk.page.expect_response(lambda answer: answer.url.endswith("/decision")):
                walk.judge()
            link = walk.page.url
        assert "link=" in link
        with browsing(browser, PHONE) as second:
            page = second.new_page()
            page.goto(link)
            expect(page.locator("#progress-text")).to_have_text("2 of 4")
        with browsing(browser, DESK) as third:  # the link without the token: a bookmark, a message to oneself
            walk = Walk(no_error(third.new_page()), Mouse())
            walk.page.goto(link.partition("#")[0])
            walk.go(until="trial")
            expect(walk.page.locator("#progress-text")).to_have_text("2 of 4")
        with lab.session() as session:
            study = find_study(session, "devices")
            count = len(session.scalars(select(Participant).where(Participant.study_id == study.id)).all())
        assert count == 1

    def test_two_people_at_one_computer_are_two(self, browser, lab):
        address = lab.plain("computer", annotate="false")
        codes = []
        with browsing(browser, DESK) as context:
            for _ in range(2):
                walk = Walk(no_error(context.new_page()), Mouse())
                walk.page.goto(address)
                walk.go()
                codes.append(walk.code)
                walk.page.reload()
                walk.page.get_by_role("button", name="Start as a new participant").click()
                expect(walk.page.locator("#agree")).to_be_visible()
                walk.page.close()
        assert codes[0] != codes[1]


class TestPractice:
    def test_what_it_says_is_there_until_it_is_read(self, browser, everything):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(everything)
            walk.go(until="feedback")
            said = walk.page.locator("#verdict").inner_text()
            assert re.match("Correct. You chose the|Wrong. The face you chose is", said)
            walk.page.reload()
            expect(walk.page.locator(".trial--feedback")).to_be_visible()
            expect(walk.page.locator("#verdict")).to_have_text(said)
            walk.page.get_by_role("button", name="Continue").click()
            expect(walk.page.locator("#progress-text")).to_have_text("Practice 2 of 2")


class TestTrials:
    def test_advice_is_there_all_the_time_and_is_logged(self, browser, advised):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            page = walk.page
            page.goto(advised)
            walk.go(until="trial")
            said = page.locator("#advice")
            expect(said).to_have_text(
                re.compile(r"An AI model thinks the (left|right) face is fake \(\d+% sure\)\.")
            )
            side = re.search("left|right", said.inner_text())[0]
            for _ in ("before the choice", "after it"):
                expect(page.locator(f".face[data-side={side}] .face__tag")).to_have_text("AI model: fake")
                assert page.evaluate(WIDTHS, "view") == 2 * [SIDE], "nothing lies over the faces themselves"
                assert page.evaluate(WIDTHS, "map") == 4 * [SIDE], "a copy and a map beside each"
                Mouse().choose(page)
            Mouse().paint(page)
            page.locator("#next").click()
            expect(page.locator(".trial--feedback")).to_be_visible()
            kinds = [event["kind"] for event in walk.sent[0]["events"]]
            assert kinds.count("advice_shown") == 1

    def test_a_small_phone_shows_both_faces_with_the_verdict_and_advice_by_upper_and_lower(
        self, browser, advised
    ):
        with browsing(browser, {**PHONE, "viewport": {"width": 360, "height": 640}}) as context:
            walk = Walk(no_error(context.new_page()), Finger())
            page = walk.page
            page.goto(advised)
            walk.go(until="trial")
            expect(page.locator("#advice")).to_contain_text(
                re.compile("thinks the (upper|lower) face is fake")
            )
            walk.judge()
            walk.front(after="trial 1 of 2")
            question = page.locator("#question").bounding_box()
            expect(page.locator("#question")).to_have_text(
                re.compile("^(Correct. You chose the|Wrong. The face you chose is)"), use_inner_text=True
            )
            faces = [frame.bounding_box() for frame in page.locator(".face__frame").all()]
            assert faces[0]["width"] == faces[1]["width"] > 150
            assert page.evaluate("document.documentElement.scrollHeight") == 640
            assert question["height"] < 50

    def test_too_little_and_too_much_paint_is_a_hint_before_it_is_a_refusal(self, browser, lab):
        rule = "annotation = {min_strokes = 1, min_area = 0.03, max_area = 0.5}"
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            page = walk.page
            page.goto(lab.plain("rule", further=rule))
            walk.go(until="trial")
            Mouse().choose(page)
            box = page.locator(".face--chosen .face__frame").bounding_box()
            page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.5 * box["height"])
            page.mouse.up()
            expect(page.locator("#hint")).to_contain_text("You painted very little")
            page.keyboard.press("Enter")
            expect(page.locator(".actions__hint--urgent")).to_contain_text("You painted very little")
            page.keyboard.press("l")
            page.mouse.move(box["x"] + 3, box["y"] + 3)
            page.mouse.down()
            for x, y in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98)):
                page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.mouse.up()
            expect(page.locator("#hint")).to_contain_text("You painted almost the whole face")
            page.keyboard.press("Enter")
            assert walk.sent == []
            page.keyboard.press("Control+z")
            page.keyboard.press("b")
            Mouse().paint(page)
            assert painted(page).count("1") >= 0.03 * 160 * 160
            page.keyboard.press("Enter")
            expect(page.locator("#progress-text")).to_have_text("2 of 4")


class TestEndings:
    def test_a_study_closed_in_the_middle(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(lab.plain("closing"))
            walk.go(until="trial")
            with lab.sessions.begin() as session:
                close_study(session, find_study(session, "closing"))
            walk.judge()
            expect(walk.page.get_by_role("heading", name="This study is closed")).to_be_visible()
            expect(walk.page.get_by_text(newest(lab).reference)).to_be_visible()

    def test_a_study_closed_afterwards_still_shows_the_code(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(lab.plain("closed-later"))
            walk.go()
            with lab.sessions.begin() as session:
                close_study(session, find_study(session, "closed-later"))
            walk.page.reload()
            expect(walk.page.locator("#completion-code")).to_have_text(walk.code)

    @pytest.mark.parametrize(
        ("state", "title"),
        [
            ("closed", "This study is closed"),
            ("paused", "This study is not taking participants now"),
            ("full", "All places are taken"),
        ],
    )
    def test_a_newcomer_who_cannot_take_part_is_told_before_consent(self, browser, lab, state, title):
        address = lab.plain(f"{state}-before")
        with lab.sessions.begin() as session:
            study = find_study(session, f"{state}-before")
            if state == "full":
                arms = select(Arm.id).where(Arm.study_id == study.id)
                session.execute(update(Quota).where(Quota.arm_id.in_(arms)).values(taken=Quota.wanted))
            else:
                study.state = state
        with browsing(browser, DESK) as context:
            page = no_error(context.new_page())
            page.goto(f"{address}?PROLIFIC_PID=5f4&SESSION_ID=x4")
            expect(page.get_by_role("heading", name=title)).to_be_visible()
            expect(page.locator("#agree")).to_be_hidden()
            expect(page.locator("#ending-next")).to_contain_text("choose “Cancel participation”")

    def test_a_worker_of_mturk_is_paid_for_what_they_did_before_it_closed(self, browser, lab):
        query = "assignmentId=A9&workerId=W9&hitId=h&turkSubmitTo=https%3A%2F%2Fworker.mturk.com"
        address = f"{lab.plain('closing-task')}?{query}"
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(address)
            walk.go(until="trial")
            walk.judge()
            expect(walk.page.locator("#progress-text")).to_have_text("2 of 4")
            with lab.sessions.begin() as session:
                close_study(session, find_study(session, "closing-task"))
            walk.judge()
            expect(walk.page.get_by_role("button", name="Submit the HIT")).to_be_visible()
            expect(walk.page.get_by_text("return the HIT")).to_be_hidden()
        with browsing(browser, DESK) as context:  # elsewhere, days later
            page = no_error(context.new_page())
            page.goto(address)
            expect(page.get_by_role("button", name="Submit the HIT")).to_be_visible()

    def test_one_browser_is_one_person_in_every_study(self, browser, lab):
        first = lab.plain("first-of-two")
        second = lab.plain("second-of-two", further='exclude_studies = ["first-of-two"]')
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(first)
            walk.go(until="trial")
            walk.page.goto(second)
            walk.page.locator("#agree").check()
            walk.page.get_by_role("button", name="Continue").click()
            expect(walk.page.get_by_role("heading", name="You have already taken part")).to_be_visible()

    def test_leaving(self, browser, lab):
        with browsing(browser, DESK) as context:
            walk = Walk(no_error(context.new_page()), Mouse())
            walk.page.goto(lab.plain("leaving"))
            walk.go(until="trial")
            walk.page.get_by_role("button", name="Leave").click()
            walk.page.get_by_role("button", name="Withdraw and delete my answers").click()
            expect(walk.page.get_by_role("heading", name="You have left the study")).to_be_visible()
            expect(walk.page.get_by_text(newest(lab).reference)).to_be_visible()
            assert "link=" not in walk.page.url
            assert "#p=" not in walk.page.url

    @pytest.mark.parametrize(
        ("code", "title"),
        [
            ("quota_full", "All places are taken"),
            ("already_took_part", "You have already taken part"),
            ("study_not_open", "This study is not taking participants now"),
            ("internal", "Something went wrong"),
        ],
    )
    def test_before_it_began(self, browser, everything, code, title):
        def refuse(route: Route) -> None:
            said = {
                "error": code,
                "detail": "No.",
                "reference": "r3f",
                "redirect_url": "https://lab.example/back",
            }
            route.fulfill(status=409, content_type="application/json", body=json.dumps(said))

        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            page.route("**/participants", refuse)
            page.get_by_label("I have read").check()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_role("heading", name=title)).to_be_visible()
            expect(page.get_by_text("r3f")).to_be_visible()
            assert page.get_by_role("link", name="Return").get_attribute("href") == "https://lab.example/back"

    def test_without_agreeing_nothing_is_stored(self, browser, everything):
        with browsing(browser, DESK) as context:
            page = context.new_page()
            page.goto(everything)
            page.get_by_role("button", name="I do not want to take part").click()
            expect(page.get_by_role("heading", name="You have not taken part")).to_be_visible()
            assert page.evaluate("[localStorage.length, location.search, location.hash]") == [0, "", ""]
