"""Pictures of every page, at the size of a desk and of a phone, with drawn faces: `make screenshots`.

python -m tests.e2e.screenshots OUT_DIR [--pages staff] [--sizes phone] [--schemes dark]
"""

import argparse
import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from app.demo.chain import STAFF
from tests.support.lab import Lab
from tests.support.processes import chromium
from tests.support.visits import Finger, Hands, Mouse, Walk

TOUR = "tour"
"""The study that has every step."""
CONTROL = "control"
SIZES = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
    "narrow": {
        "viewport": {"width": 360, "height": 640},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}

SCHEMES = ("light", "dark")
"""Of staff pages; a participant's page has one for everybody."""

STAFF_PAGES = {
    "home": "/staff",
    "images": "/staff/images",
    "studies": "/staff/studies",
    "new-study": "/staff/studies/new",
    "study": "/staff/studies/demo",
    "participants": "/staff/studies/demo/participants",
    "maps": "/staff/studies/demo/maps",
    "maps-agreement": "/staff/studies/demo/maps/agreement",
    "maps-sets": "/staff/studies/demo/maps/sets",
    "export": "/staff/studies/demo/export",
    "analysis": "/staff/studies/demo/analysis",
    "new-experiment": "/staff/experiments/new",
    "people": "/staff/people",
    "account": "/staff/account",
    "experiments": "/staff/experiments",
    "experiment": "/staff/experiments/1",
}


def staff_pages(page: Page, url: str) -> Iterator[str]:
    for name, path in STAFF_PAGES.items():
        page.goto(f"{url}{path}")
        yield name
    page.goto(f"{url}{STAFF_PAGES['maps']}")
    page.locator("a:has(img)").first.click()
    page.get_by_role("button", name="Annotations").click()
    yield "map"
    page.goto(f"{url}{STAFF_PAGES['images']}")
    page.locator("main a[href^='/staff/images/']:has(img)").first.click()
    for corner in ((60, 60), (120, 60), (120, 110), (60, 110)):
        page.locator("#region").click(position={"x": corner[0], "y": corner[1]})
    yield "image"
    page.goto(f"{url}{STAFF_PAGES['participants']}")
    page.locator("main table a").first.click()
    yield "participant"
    page.goto(f"{url}{STAFF_PAGES['experiment']}")
    page.get_by_role("link", name="Runs and detectors").click()
    page.get_by_role("region", name="Runs").get_by_role("link").first.click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    yield "run"
    page.goto(f"{page.url}/model")
    yield "model"


def participant_pages(page: Page, url: str, hands: Hands) -> Iterator[str]:
    """A visit to the study that has every step, and each of its ends."""
    walk = Walk(page, hands)
    page.goto(f"{url}/s/{TOUR}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE")
    expect(page.get_by_text("This is a preview")).to_be_visible()
    yield "preview"
    page.goto(f"{url}/s/{TOUR}")
    before, count = "", 0
    while (name := (before := walk.front(after=before)).split()[0]) != "finished":
        count += 1
        yield f"{count:02d}-{name}"
        if name == "trial":
            yield from judging(page, walk, count)
        else:
            walk.step(name)
    yield f"{count + 1:02d}-finished"


def judging(page: Page, walk: Walk, count: int) -> Iterator[str]:
    """A trial with paint on it, and on to the next."""
    if page.locator(".trial--region").count() == 0:
        walk.hands.choose(page)
    if page.get_by_role("button", name="Brush").is_visible():
        walk.hands.paint(page)
        yield f"{count:02d}-painted"
    walk.hands.press(page.locator("#next"))


ENDINGS = ("quota_full", "already_took_part", "study_not_open", "closed", "internal")


def refuse(code: str, route: Route) -> None:
    said = {"error": code, "detail": "", "reference": "4f2a9c1e"}
    route.fulfill(status=409, content_type="application/json", body=json.dumps(said))


def endings(page: Page, url: str) -> Iterator[str]:
    """The ends that are not the last answer."""
    for code in ENDINGS:
        page.route("**/participants", partial(refuse, code))
        page.goto(f"{url}/s/{TOUR}")
        page.get_by_label("I have read the text above").check()
        page.get_by_role("button", name="Continue").click()
        page.locator("#ending-title").wait_for()
        yield f"ending-{code}"
        page.unroute("**/participants")
    yield from refusals(page, url)


def dialogs(page: Page, url: str) -> Iterator[str]:
    """What lies over a trial, a trial of the arm that does not paint, and a trial without network."""
    walk = Walk(page, Mouse())
    page.goto(f"{url}/s/{CONTROL}")
    walk.go(until="trial")
    yield "control-trial"
    walk.hands.choose(page)
    yield "control-chosen"
    page.get_by_role("button", name="Help").click()
    yield "help"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Leave").click()
    yield "leave"
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    page.locator("#next").click()
    expect(page.locator("#banner")).to_be_visible()
    yield "offline"
    page.context.set_offline(False)


def refusals(page: Page, url: str) -> Iterator[str]:
    page.goto(f"{url}/s/{TOUR}")
    page.get_by_role("button", name="I do not want to take part").click()
    yield "ending-declined"
    page.goto(f"{url}/s/nowhere")
    yield "ending-nowhere"
    walk = Walk(page, Mouse())
    page.goto(f"{url}/s/{TOUR}")
    walk.go(until="quiz")
    for option in ("None", "Both"):
        page.get_by_role("radio", name=option).check()
        page.get_by_role("radio", name="The whole face").check()
        page.get_by_role("button", name="Check my answers").click()
        page.wait_for_load_state("networkidle")
        if option == "None":
            yield "quiz-wrong"
    page.get_by_role("button", name="Continue").click()
    yield "ending-screened-out"


def photograph(browser: Browser, installation: Lab, login: str, options: argparse.Namespace) -> None:
    if "staff" in options.pages:
        photograph_staff(browser, installation.url, login, options)
    for size in options.sizes if "participants" in options.pages else ():
        photograph_visits(browser, installation.url, options.out_dir, size)


def photograph_staff(browser: Browser, url: str, login: str, options: argparse.Namespace) -> None:
    desk = browser.new_context()
    log_in(desk.new_page(), f"{url}{login}")
    for size, scheme in itertools.product(options.sizes, options.schemes):
        context = browser.new_context(**SIZES[size], color_scheme=scheme, storage_state=desk.storage_state())
        page = context.new_page()
        for name in staff_pages(page, url):
            shoot(page, options.out_dir / f"staff-{name}-{size}-{scheme}.png")
        context.clear_cookies()
        page.goto(f"{url}/login")
        shoot(page, options.out_dir / f"staff-login-{size}-{scheme}.png")
        context.close()


def photograph_visits(browser: Browser, url: str, out_dir: Path, size: str) -> None:
    hands = Mouse() if size == "desk" else Finger()
    for pages in (partial(participant_pages, hands=hands), endings, dialogs):
        context = browser.new_context(**SIZES[size])
        for name in pages(page := context.new_page(), url):
            shoot(page, out_dir / f"participant-{name}-{size}.png")
        context.close()


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button").first.click()
    page.wait_for_url(re.compile(r"/staff"))


def shoot(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page="staff" in path.name)


def asked() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("out_dir", type=Path)
    for name, choices in {
        "pages": ("staff", "participants"),
        "sizes": tuple(SIZES),
        "schemes": SCHEMES,
    }.items():
        arguments.add_argument(f"--{name}", nargs="+", choices=choices, default=choices)
    return arguments.parse_args()


def main() -> None:
    options = asked()
    options.out_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="cyborg-pictures-"))
    folder.chmod(0o755)
    installation = Lab(folder / "data")
    installation.run("demo", "--no-serve", "--participants", "12", "--faces", "120")
    installation.serve()
    installation.everything(TOUR, advice="both")
    installation.plain(CONTROL, annotate="false")
    login = urlsplit(installation.run("staff", "link", STAFF).stdout.strip()).path
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**chromium())
            photograph(browser, installation, login, options)
            browser.close()
    finally:
        installation.stop()


if __name__ == "__main__":
    main()
