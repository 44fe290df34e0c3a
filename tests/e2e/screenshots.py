"""Pictures of every page, at the size of a desk and of a phone, with drawn faces: `make screenshots`.

python -m tests.e2e.screenshots OUT_DIR
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.demo.chain import STAFF
from tests.e2e.processes import Installation, chromium

SIZES = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}

STAFF_PAGES = {
    "home": "/staff",
    "images": "/staff/images",
    "studies": "/staff/studies",
    "new-study": "/staff/studies/new",
    "study": "/staff/studies/demo",
    "participants": "/staff/studies/demo/participants",
    "maps": "/staff/studies/demo/maps",
    "export": "/staff/studies/demo/export",
    "experiments": "/staff/experiments",
    "experiment": "/staff/experiments/1",
}


def staff_pages(page: Page, url: str) -> Iterator[str]:
    for name, path in STAFF_PAGES.items():
        page.goto(f"{url}{path}")
        yield name
    page.goto(f"{url}{STAFF_PAGES['maps']}")
    page.locator("a:has(img)").first.click()
    page.get_by_role("button", name="All").click()
    yield "map"
    page.goto(f"{url}{STAFF_PAGES['experiment']}")
    page.get_by_role("region", name="Runs").get_by_role("link").first.click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    yield "run"


def participant_pages(page: Page, url: str) -> Iterator[str]:
    """A visit in the arm that paints."""
    page.goto(f"{url}/s/demo")
    expect(page.get_by_label("I have read the text above")).to_be_visible()
    yield "consent"
    page.get_by_label("I have read the text above").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Start").wait_for()
    yield "instructions"
    page.get_by_role("button", name="Start").click()
    page.locator("#trial").wait_for()
    yield "question"
    page.locator(".face[data-side=left]").click()
    if page.get_by_role("toolbar").is_visible():
        scribble(page)
        yield "trial"


def scribble(page: Page) -> None:
    view = page.locator(".face[data-side=left] .face__view")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    assert box is not None
    for x, y in ((0.36, 0.45), (0.62, 0.45)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        for step in range(12):
            across = x + 0.006 * step
            down = y + (0.02 if step % 2 else 0)
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.mouse.up()


def photograph(browser: Browser, installation: Installation, login: str, out_dir: Path) -> None:
    desk = browser.new_context()
    log_in(desk.new_page(), f"{installation.url}{login}")
    for size, options in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(**options, color_scheme=scheme, storage_state=desk.storage_state())
            page = context.new_page()
            for name in staff_pages(page, installation.url):
                shoot(page, out_dir / f"staff-{name}-{size}-{scheme}.png")
            context.close()
        visit_until_painting(browser, installation, options, out_dir, size)


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button").first.click()
    page.wait_for_url(re.compile(r"/staff"))


def visit_until_painting(
    browser: Browser, installation: Installation, options: dict, out_dir: Path, size: str
) -> None:
    """Participants come until one is in the arm that paints; arms fill evenly, so the second is at most."""
    for _ in range(4):
        context = browser.new_context(**options)
        names = []
        for name in participant_pages(page := context.new_page(), installation.url):
            shoot(page, out_dir / f"participant-{name}-{size}.png")
            names.append(name)
        context.close()
        if "trial" in names:
            return


def shoot(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page="staff" in path.name)


def main() -> None:
    out_dir = Path(sys.argv[1])
    out_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="cyborg-pictures-"))
    folder.chmod(0o755)
    installation = Installation(folder / "data")
    installation.run("demo", "--no-serve", "--participants", "12", "--faces", "120")
    installation.serve()
    login = urlsplit(installation.run("staff", "link", STAFF).stdout.strip()).path
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**chromium())
            photograph(browser, installation, login, out_dir)
            browser.close()
    finally:
        installation.stop()


if __name__ == "__main__":
    main()
