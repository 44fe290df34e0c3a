"""A lab's whole day in Chromium, with 200 people from a local Prolific and visits to it killed with -9.

    python benchmarks/lab_day.py [FOLDER] [--people 200] [--kills 20]

Staff design, preview, try out, open, publish, watch, exclude, approve and pay on pages alone. Participants
come in a browser and over the API; some return their submission, run out of time, hurry or fail the quiz.
Signed events go to a real web server twice and in a random order. Visits to Prolific are killed at a request,
before its work or after it; at approvals and bonuses surely, elsewhere by chance. At the end each person was
paid exactly once, ledger and payments.csv are equal to what Prolific took, and there were never more people
than places. With a FOLDER, every page of the day is photographed there, at 1440 and 390 px, light and dark.
"""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no installed package

from playwright.sync_api import Page, ViewportSize, sync_playwright

from app.accounts.service import add_staff
from app.models import Role
from tests.support.lab import Lab
from tests.support.lab_day import Conduct, LabDay
from tests.support.local_prolific import LocalProlific, serving
from tests.support.people import PASSWORD, StaffMember
from tests.support.processes import chromium
from tests.support.recruiting import MortalLab

EMAIL = "ada@lab.example"
CONDUCTS: dict[Conduct, int] = {"finish": 70, "hasty": 5, "return": 9, "time out": 6, "screen out": 10}
"""What people do, in percent."""
MOST_REQUESTS = 8
"""A visit is killed at one of so many of its first requests, if it makes as many."""
MOST_DEATHS = 4
"""Of the visits for one thing that staff asked for."""
DESK: ViewportSize = {"width": 1440, "height": 900}
SIZES: dict[str, ViewportSize] = {"1440": DESK, "390": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serving(platform := LocalProlific()) as platform.url:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder) / "data", extra=platform.environment)
        try:
            lab.import_pictures()
            lab.serve()
            spend_day(lab, platform, asked)
        finally:
            lab.stop()
    print(f"{time.monotonic() - began:.0f} s")


def spend_day(lab: Lab, platform: LocalProlific, asked: argparse.Namespace) -> None:
    with lab.sessions.begin() as session:
        add_staff(session, email=EMAIL, name="Ada", role=Role.ADMIN, password=PASSWORD)
    mortal = MortalLab(lab.sessions, platform, "day", lab.environment, lab.data_dir.parent / "visits.log")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        page = browser.new_page(viewport=DESK)
        StaffMember(page, lab.url, EMAIL).log_in()
        day = LabDay(lab, platform, browser, page, visits(mortal, asked.kills))
        if asked.folder:
            day.see = partial(photograph, asked.folder)
        live(day, asked.people)
        report(day, mortal)
        browser.close()


def live(day: LabDay, people: int) -> None:
    conducts = [conduct for conduct, percent in CONDUCTS.items() for _ in range(-(-people * percent // 100))]
    day.chance.shuffle(conducts)
    day.design()
    day.preview()
    day.pilot()
    day.open()
    day.publish(places=max(1, people * 7 // 10))
    day.arrive(conducts, in_browser=3)
    print(f"{day.send_events()} events")
    day.look_around()
    day.exclude(at_least=conducts[3:].count("hasty"))
    day.approve()
    day.pay_bonuses(most=people)
    print(f"{day.send_events()} events")
    day.visit("")


def visits(mortal: MortalLab, kills: int) -> Callable[[str], None]:
    """Visits that die after and before the request to `path`, then at random ones; the last does not."""
    chance = random.Random(7)

    def visit(path: str) -> None:
        wanted = min(MOST_DEATHS, kills - len(mortal.deaths))
        places = [(1, after, path) for after in (True, False) if path]
        places += [(chance.randint(1, MOST_REQUESTS), chance.random() < 0.5, "") for _ in range(MOST_DEATHS)]
        before = len(mortal.deaths)
        for number, after, where in places:
            if len(mortal.deaths) - before < wanted:
                mortal.die_at(number, after=after, path=where)
        mortal.visit()

    return visit


def photograph(folder: Path, page: Page, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for (size, viewport), scheme in itertools.product(SIZES.items(), SCHEMES):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=True, animations="disabled")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")


def report(day: LabDay, mortal: MortalLab) -> None:
    paid = day.close_the_books()
    found = mortal.balance()
    print(dict(Counter(one["status"] for one in day.prolific.submissions.values())))
    died_after = sum(after for *_, after in mortal.deaths)
    print(f"{len(mortal.deaths)} visits killed, {died_after} after the work was done:")
    places = Counter((method, path.replace(day.listed, "ID"), after) for method, path, after in mortal.deaths)
    for (method, path, after), times in places.items():
        print(f"  {times} × {method} {path}, {'after' if after else 'before'}")
    print(f"platform {sum(paid.values())} ({paid}), ledger {found.paid.minor}, open {found.open.minor}")
    assert (found.paid.minor, found.open.minor) == (sum(paid.values()), 0)
    assert len(day.prolific.studies) == 1
    print("each was paid exactly once")


if __name__ == "__main__":
    main()
