"""Recruit 200 people on a local Prolific while visits to it are killed with -9, and count the money.

    python benchmarks/recruiting_kills.py [--people 200] [--kills 20]

Some finish, some return their submission, run out of time or are screened out. Signed events go to a real
web server twice and in a random order. Approvals and bonuses are asked for while visits are killed at one
request after the other, before its work and after it. At the end each person was paid exactly once, the
ledger is equal to what the platform took, and there were never more people than places.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no installed package

import httpx2
from sqlalchemy import func, select

from app.db import connect as connect_database
from app.db import factory
from app.models import Listing, Payment, Source, Submission
from app.recruitment import listings, review
from app.recruitment.accounts import check_token, keep_token
from app.settings import Settings
from tests.support import factories
from tests.support.local_prolific import TOKEN, LocalProlific, Refusal, serving
from tests.support.processes import Installation
from tests.support.recruiting import MortalLab
from tests.support.worlds import make_study

SLUG = "faces"
TERMS = listings.Terms(
    places=160,
    reward=150,
    minutes=10,
    description="Judge pairs of faces.",
    screen_out_reward=30,
    screen_out_places=100,
)
BONUS = 125
ORDER = UUID(int=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serving(platform := LocalProlific()) as platform.url:
        Path(folder).chmod(0o755)
        lab, installation = set_up(Path(folder) / "data", platform)
        try:
            run(lab, installation, people=asked.people, kills=asked.kills)
        finally:
            installation.stop()
    print(f"{time.monotonic() - began:.0f} s")


def set_up(data_dir: Path, platform: LocalProlific) -> tuple[MortalLab, Installation]:
    data_dir.mkdir()
    extra = {"CYBORG_PROLIFIC_URL": platform.url, "CYBORG_BONUSES_SETTLE": "PT0.2S"}
    installation = Installation(data_dir, extra=extra)
    installation.serve()
    settings = Settings(data_dir=data_dir, prolific_url=platform.url, _env_file=None)
    sessions = factory(connect_database(settings))
    with sessions() as db:
        factories.SESSION_HOLDER["session"] = db
        study = make_study(db, slug=SLUG)
        keep_token(db, Source.PROLIFIC, TOKEN, check_token(Source.PROLIFIC, TOKEN, settings), settings)
        listings.make_listing(db, study, Source.PROLIFIC, TERMS, by=None)
        db.commit()
    environment = installation.environment
    return MortalLab(sessions, platform, SLUG, environment, data_dir.parent / "visits.log"), installation


def run(lab: MortalLab, installation: Installation, *, people: int, kills: int) -> None:
    chance = random.Random(7)
    a_quarter = max(1, kills // 4)
    while lab.listing.state is None or lab.listing.asked:  # publish, dying on the way
        if lab.die_everywhere(a_quarter) < a_quarter:
            break
        lab.visit()
    arrive(lab, people, chance)
    send_events(lab, installation, chance)
    lab.die_everywhere(a_quarter)
    lab.visit()
    with lab.sessions.begin() as session:
        clean = review.clean_ones(session, lab.listing)
        approved = review.approve(session, lab.listing, clean, by=None)
    lab.die_at(path="/bulk-approve/", after=True)
    lab.die_everywhere(a_quarter - 1)
    lab.visit()
    with lab.sessions.begin() as session:
        lines = [review.BonusLine(one, BONUS) for one in clean]
        review.ask_for_bonuses(session, lab.listing, lines, order=ORDER, reason="Thank you.", by=None)
    lab.die_at(path="/pay/", after=True)
    lab.die_at(path="/pay/", after=False)
    lab.die_everywhere(max(0, kills - len(lab.deaths)))
    send_events(lab, installation, chance)
    lab.visit()
    lab.visit()
    report(lab, approved=approved)


def arrive(lab: MortalLab, people: int, chance: random.Random) -> None:
    """Everybody takes a place, and does with it what people do."""
    codes, most = lab.listing.codes, 0
    for number in range(people):
        try:
            submission = lab.prolific.join(lab.listed)
        except Refusal:
            print(f"full after {number} people; 20 places more")
            with lab.sessions.begin() as session:
                listing = session.get_one(Listing, lab.listing.id)
                listings.raise_places(listing, listing.places_wanted + 20)
            lab.visit()
            submission = lab.prolific.join(lab.listed)
        match chance.choices(("finish", "return", "time out", "screen out"), (75, 9, 6, 10))[0]:
            case "finish":
                lab.finish(submission)
            case "return":
                lab.prolific.leave(submission)
            case "time out":
                lab.prolific.leave(submission, "TIMED-OUT")
            case _:
                lab.prolific.complete(submission, codes["screened_out"])
        most = max(most, lab.prolific._taken(lab.listed))
    assert most <= lab.prolific.studies[lab.listed]["total_available_places"]


def send_events(lab: MortalLab, installation: Installation, chance: random.Random) -> None:
    """Each twice, in any order; every one is taken."""
    told = lab.prolific.events * 2
    chance.shuffle(told)
    with httpx2.Client(base_url=installation.url) as client:
        for event in told:
            body, headers = lab.prolific.signed(event)
            answer = client.post("/api/marketplaces/prolific/events", content=body, headers=headers)
            assert answer.status_code == 204, answer.text
    print(f"{len(told)} events")


def report(lab: MortalLab, *, approved: int) -> None:
    platform, listed = lab.prolific, lab.listed
    people = [one for one in platform.submissions.values() if one["study_id"] == listed]
    print(dict(Counter(one["status"] for one in people)))
    print(
        f"{len(lab.deaths)} visits killed, {sum(after for *_, after in lab.deaths)} after the work was done:"
    )
    for (method, path, after), times in Counter(
        (method, path.replace(listed, "ID"), after) for method, path, after in lab.deaths
    ).items():
        print(f"  {times} × {method} {path}, {'after' if after else 'before'}")
    for one in people:
        wanted = {"APPROVED": ([150], [float(BONUS)]), "SCREENED OUT": ([30], [])}
        assert (one["rewards"], one["bonus_payments"]) == wanted.get(one["status"], ([], [])), one
    assert len(platform.studies) == 1
    assert approved == sum(one["status"] == "APPROVED" for one in people)
    study = platform.studies[listed]
    assert study["total_available_places"] == lab.listing.places
    found, paid = lab.balance(), platform.paid(listed)
    with lab.sessions() as session:
        rows = session.scalar(select(func.count()).select_from(Payment))
        known = session.scalar(select(func.count()).select_from(Submission))
    print(f"platform {sum(paid.values())}, ledger {found.paid.minor} in {rows} rows, open {found.open.minor}")
    assert found.paid.minor == sum(paid.values())
    assert found.open.minor == 0
    assert known == len(people)
    print("each was paid exactly once")


if __name__ == "__main__":
    main()
