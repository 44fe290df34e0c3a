"""What the staff pages cost when a study has a million decisions.

    python benchmarks/staff_pages.py [--decisions 1000000] [--pairs 2000] [--data FOLDER]

Fills a study by COPY in an embedded PostgreSQL of its own: two arms, four generators, people and a few
programs, most of whom finished, some at work, away, screened out or withdrawn, spread over four weeks. Beside
it stand twenty small studies. Then each page is asked for several times. Printed are the median of the
clock, the mean CPU of the web process and of its database connection, and the number of statements. With
`--data` the folder is kept and used again, so that another version of the program can be measured on the
same rows.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import psutil
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app import embedded, models
from app.accounts.service import add_staff, open_session
from app.db import connect, factory, upgrade
from app.deps import SESSION_COOKIE
from app.main import create_app
from app.settings import Settings
from app.studies.service import find_study
from app.studies.tallies import recount

TRIALS = 30
GENERATORS = ("progan", "stylegan", "stylegan2", "diffusion")
SPAN = timedelta(days=28)
BEGAN = datetime(2026, 10, 1, 8, tzinfo=UTC)
TIMES = 10
SMALL_STUDIES = 20
SEED = 7


def copy(session: Session, table: type[models.Base], columns: tuple[str, ...], rows: Iterator[tuple]) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    cursor = session.connection().connection.cursor()
    with cursor.copy(f"COPY {table.__tablename__} ({names}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def make_study(session: Session, slug: str, *, pairs: int, decisions: int) -> None:
    """A study with its images, pairs, places, participants, trials and decisions."""
    rng = np.random.default_rng(SEED)
    study = models.Study(
        slug=slug,
        title=f"Study {slug}",
        state=models.StudyState.OPEN,
        trials_per_participant=TRIALS,
        judgements=max(1, -(-decisions // (pairs * 4))) + 5,
        lease=timedelta(hours=1),
        consent="",
        consent_version="v1",
        instructions="",
        spec={},
        accepts_simulated=True,
    )
    arms = [models.Arm(name=name, annotate=name == "annotate") for name in ("annotate", "control")]
    session.add(study)
    session.flush()
    for arm in arms:
        arm.study_id = study.id
    session.add_all(arms)
    session.flush()
    shown = list(_pairs(session, study, pairs))
    people = list(_people(study, [arm.id for arm in arms], decisions, rng))
    copy(session, models.Participant, PERSON, (one[:-1] for one in people))
    copy(session, models.Trial, TRIAL, (row for row, _ in _trials(people, shown, len(arms))))
    copy(session, models.Decision, DECISION, _decisions(_trials(people, shown, len(arms)), rng))
    flagged = (one[0] for number, one in enumerate(people) if number % 20 == 0)
    copy(
        session,
        models.QualityFlag,
        ("participant_id", "kind", "detail"),
        ((one, KIND, "{}") for one in flagged),
    )
    _count_places(session, study)
    _pay(session, study, [one[0] for one in people if one[4] == "finished" and one[3] == "prolific"])


PERSON = (
    *("id", "study_id", "arm_id", "source", "state", "consent_version", "consented_at"),
    *("lease_expires_at", "client"),
)
TRIAL = (
    *("id", "participant_id", "pair_id", "question", "position", "kind", "state"),
    *("left_image_id", "right_image_id", "left_token", "right_token"),
)
DECISION = (
    *("trial_id", "choice", "chosen_image_id", "correct", "decision_ms", "annotation_ms"),
    *("events", "body_hash", "decided_at"),
)
NO_PICTURE = "0" * 64
KIND = "one_side"
STATES = ("finished",) * 92 + ("away",) * 4 + ("screened_out",) * 2 + ("withdrawn", "working")


def _pairs(session: Session, study: models.Study, count: int) -> Iterator[tuple[int, int, int]]:
    """(pair, real image, fake image)."""
    columns = ("content_hash", "display_hash", "display_bytes", "label", "source", "width", "height")
    rows = (
        (f"{study.slug}-{label}-{n}", NO_PICTURE, 1, label, source, 512, 512, f"{n}.png", False)
        for n in range(count)
        for label, source in (("real", "camera"), ("fake", GENERATORS[n % len(GENERATORS)]))
    )
    copy(session, models.Image, (*columns, "original_name", "generated"), rows)
    mine = models.Image.content_hash.startswith(f"{study.slug}-")
    ids = session.scalars(select(models.Image.id).where(mine).order_by(models.Image.id)).all()
    couples = list(zip(ids[::2], ids[1::2], strict=True))
    parts = ("study_id", "real_image_id", "fake_image_id", "served_bytes")
    copy(session, models.Pair, parts, ((study.id, *couple, 4096) for couple in couples))
    query = select(models.Pair.id).where(models.Pair.study_id == study.id).order_by(models.Pair.id)
    return ((pair, *couple) for pair, couple in zip(session.scalars(query), couples, strict=True))


def _people(
    study: models.Study, arms: list[int], decisions: int, rng: np.random.Generator
) -> Iterator[tuple]:
    """Rows of `PERSON`, and how many of their trials each has decided."""
    number, left = 0, decisions
    while left > 0:
        state = STATES[number % len(STATES)]
        decided = min(
            left, TRIALS if state in ("finished", "screened_out") else 0 if state == "withdrawn" else 15
        )
        at = BEGAN + SPAN * (1 - left / decisions)
        until = datetime.now(UTC) + timedelta(hours=1) if state == "working" else at + timedelta(hours=2)
        stored = "active" if state in ("away", "working") else state
        source = "simulated" if rng.random() < 0.02 else "prolific"
        identity = UUID(int=(study.id << 64) + (number << 32) + int(rng.integers(2**32)))
        yield identity, study.id, arms[number % 2], source, stored, "v1", at, until, "{}", (state, decided)
        left -= decided if state not in ("screened_out",) else 0
        number += 1


def _trials(
    people: list[tuple], shown: list[tuple[int, int, int]], arms: int
) -> Iterator[tuple[tuple, tuple]]:
    """Rows of `TRIAL`, each with its participant; the same ones whenever it is asked."""
    rng = np.random.default_rng(SEED + 1)
    for number, person in enumerate(people):
        state, decided = person[-1]
        first = number // arms * TRIALS
        for position in range(TRIALS if decided else 0):
            pair, real, fake = shown[(first + position) % len(shown)]
            question = ("real", "fake")[((first + position) // len(shown) + position) % 2]
            kept = "decided" if position < decided else "assigned" if state == "working" else "released"
            sides = (real, fake) if rng.random() < 0.5 else (fake, real)
            identity = UUID(int=person[0].int ^ (position + 1))
            token = f"{identity.hex}"
            row = (identity, person[0], pair, question, position + 1, "main", kept, *sides)
            yield (*row, f"l{token}", f"r{token}"), (person, position, real, fake)


def _decisions(trials: Iterator[tuple[tuple, tuple]], rng: np.random.Generator) -> Iterator[tuple]:
    for trial, (person, position, real, fake) in trials:
        if trial[6] != "decided":
            continue
        correct = bool(rng.random() < 0.66)
        wanted, other = (real, fake) if trial[3] == "real" else (fake, real)
        chosen = wanted if correct else other
        side = "left" if trial[7] == chosen else "right"
        decision_ms, painted_ms = rng.lognormal(8.3, 0.6), rng.lognormal(9, 0.5)
        paints = person[2] % 2
        at = person[6] + timedelta(seconds=20 * position)
        timed = (float(decision_ms), float(painted_ms) if paints else None)
        yield trial[0], side, chosen, correct, *timed, "[]", trial[0].hex, at


def _count_places(session: Session, study: models.Study) -> None:
    """Places as assigning and deciding would have left them."""
    session.execute(
        text("""
        INSERT INTO quota (arm_id, pair_id, question, wanted, taken)
        SELECT arm.id, pair.id, asked, greatest(:wanted, coalesce(taken, 0)), coalesce(taken, 0)
        FROM arm JOIN pair USING (study_id) CROSS JOIN unnest(ARRAY['real', 'fake']) asked
        LEFT JOIN (
            SELECT arm_id, pair_id, question, count(*) taken
            FROM trial JOIN participant ON participant.id = participant_id
            WHERE trial.state IN ('decided', 'assigned') AND participant.state IN ('active', 'finished')
            GROUP BY 1, 2, 3
        ) held ON held.arm_id = arm.id AND held.pair_id = pair.id AND held.question = asked
        WHERE arm.study_id = :study
        """),
        {"wanted": study.judgements, "study": study.id},
    )


def _pay(session: Session, study: models.Study, people: list[UUID]) -> None:
    """A listing on a marketplace, a submission and a reward of each."""
    listing = models.Listing(
        study_id=study.id,
        marketplace=models.Source.PROLIFIC,
        title=study.title,
        description="",
        minutes=10,
        reward=150,
        currency="GBP",
        codes={"finished": "DONE"},
        places_wanted=max(1, len(people)),
        state=models.ListingState.PUBLISHED,
    )
    session.add(listing)
    session.flush()
    sent = ("listing_id", "external_id", "worker_id", "participant_id", "state", "code", "started_at")
    rows = (
        (listing.id, f"{study.slug}-{one}", f"worker-{one}", one, "approved", "DONE", BEGAN) for one in people
    )
    copy(session, models.Submission, sent, rows)
    query = select(models.Submission.id).where(models.Submission.listing_id == listing.id)
    paid = ("listing_id", "submission_id", "key", "kind", "amount", "currency", "state")
    rewards = (
        (listing.id, one, f"reward:{one}", "reward", 150, "GBP", "confirmed")
        for one in session.scalars(query).all()
    )
    copy(session, models.Payment, paid, rewards)


def fill(engine: Engine, *, decisions: int, pairs: int) -> None:
    sessions = factory(engine)
    with sessions() as session:
        if session.scalar(select(func.count()).select_from(models.Study)):
            return
    began = time.perf_counter()
    with sessions.begin() as session:
        # Counted once at the end: the trigger's plan for a million rows of a new table takes an hour.
        session.execute(text("ALTER TABLE decision DISABLE TRIGGER tally_decided"))
        for slug, size, shown in [
            ("big", decisions, pairs),
            *((f"small-{n}", 2_000, 50) for n in range(SMALL_STUDIES)),
        ]:
            make_study(session, slug, pairs=shown, decisions=size)
        session.execute(text("ALTER TABLE decision ENABLE TRIGGER tally_decided"))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    with sessions.begin() as session:
        recount(session)
        add_staff(session, email="bench@lab.example", name="Bench", role=models.Role.ADMIN)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    print(f"filled {decisions:,} decisions in {time.perf_counter() - began:.0f} s")


class Meter:
    """Counts statements and what they take, and the CPU of this process and of its connection."""

    def __init__(self, engine: Engine) -> None:
        self.statements = 0
        event.listen(engine, "before_cursor_execute", self._count)
        with engine.connect() as connection:
            self.backend = psutil.Process(connection.scalar(text("SELECT pg_backend_pid()")))

    def _count(self, *_: object) -> None:
        self.statements += 1

    def cpu(self) -> tuple[float, float]:
        own, theirs = psutil.Process().cpu_times(), self.backend.cpu_times()
        return own.user + own.system, theirs.user + theirs.system


def addresses(session: Session) -> dict[str, str]:
    someone = select(models.Participant.id).where(
        models.Participant.study_id == find_study(session, "big").id
    )
    one = session.scalar(someone.limit(1))
    study = "/staff/studies/big"
    return {
        "home": "/staff",
        "studies": "/staff/studies",
        "overview": study,
        "participants": f"{study}/participants",
        "participants, flagged": f"{study}/participants?flag=any",
        "participants, screened out": f"{study}/participants?state=screened_out",
        "participant": f"{study}/participants/{one}",
        "maps, none built": f"{study}/maps",
        "accuracy, none computed": f"{study}/analysis",
        "overview, in the API": "/api/studies/big/overview",
        "overview, as it follows": f"{study}/live",
        "design": f"{study}/design",
        "preview": f"{study}/preview",
        "recruit": f"{study}/recruit",
        "export": f"{study}/export",
        "images": "/staff/images",
    }


def measure(settings: Settings, engine: Engine) -> dict[str, dict[str, float]]:
    sessions = factory(engine)
    with sessions.begin() as session:
        staff = session.scalars(select(models.Staff)).one()
        token = open_session(session, staff, lifetime=timedelta(hours=1))
        asked = addresses(session)
    meter = Meter(engine)
    found = {}
    client = TestClient(create_app(settings, session_factory=sessions), base_url="http://127.0.0.1:8000")
    client.cookies[SESSION_COOKIE] = token
    with client:
        for name, address in asked.items():
            walls: list[float] = []
            ask(client, address)  # compiles the statements and the template
            before, meter.statements = meter.cpu(), 0
            for _ in range(TIMES):
                began = time.perf_counter()
                ask(client, address)
                walls.append(time.perf_counter() - began)
            web, database = (1000 * (b - a) / TIMES for a, b in zip(before, meter.cpu(), strict=True))
            found[name] = {
                "wall_ms": 1000 * statistics.median(walls),
                "web_ms": web,
                "database_ms": database,
                "statements": meter.statements / TIMES,
            }
    return found


def ask(client: TestClient, address: str) -> None:
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code == 200, address


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.data or Path(tempfile.mkdtemp(prefix="cyborg-benchmark-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    settings = Settings(data_dir=folder / "data", database_url=None, storage_url=None, _env_file=None)
    engine = connect(settings, connections=1)
    try:
        upgrade(engine)
        fill(engine, decisions=options.decisions, pairs=options.pairs)
        found = measure(settings, engine)
    finally:
        engine.dispose()
        embedded.leave(settings.data_dir)
        if not options.data:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'page':<28}{'wall ms':>9}{'web CPU':>9}{'DB CPU':>9}{'queries':>9}")
    for name, one in found.items():
        numbers = "".join(f"{one[key]:9.1f}" for key in ("wall_ms", "web_ms", "database_ms"))
        print(f"{name:<28}{numbers}{one['statements']:9.0f}")


if __name__ == "__main__":
    main()
