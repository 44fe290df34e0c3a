"""How quickly a participant gets the next pair: fetch + submit, against a bare server on the same database.

The reference is the least that could be called a study server: FastAPI with psycopg, one SELECT for the
next trial and one INSERT for the decision, pictures in memory, no accounts, no checks, no leases. Both run as
one process on one embedded PostgreSQL with its disk flushes on; each round measures both, so that a busy
machine slows both. CPU is the server process's own.

    python benchmarks/participant_loop.py [--rounds 3] [--pictures] [--crowds 1 16 64]
    python benchmarks/participant_loop.py --places 2 4 6 8 20 --crowds 16 [--pictures]

`--pictures`: each loop fetches both faces, too, JPEG files of 512 pixels. `--places`: servers with so many
requests of participants at work at once (CYBORG_PARTICIPANT_REQUESTS) stand beside each other, on one
database, and each round measures all of them.
"""

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import numpy as np
import psutil
from PIL import Image
from scipy.ndimage import gaussian_filter
from sqlalchemy import create_engine, text, update
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.db import conninfo, database_url
from app.demo.children import free_port
from app.models import Label, Pair
from app.settings import Settings
from app.storage import BlobStore
from app.studies.padding import served_bytes
from tests.support.factories import SESSION_HOLDER, ImageFactory
from tests.support.processes import Installation
from tests.support.worlds import STROKES, Visitor, make_study

LOOPS = {1: 60, 16: 25, 64: 10}  # participants at once: loops of each
PAIRS = 200
FACES = 20
SIDE = 512

BARE = """
import json, os
from pathlib import Path
from typing import Any
from fastapi import Body, FastAPI, Response
from psycopg_pool import ConnectionPool
pool = ConnectionPool(os.environ["BARE_URL"], min_size=20, max_size=20)
app = FastAPI()
picture_of = [path.read_bytes() for path in sorted(Path("faces").iterdir())]

@app.get("/picture/{number}")
async def picture(number: int) -> Response:
    return Response(picture_of[number % len(picture_of)], media_type="image/jpeg")

@app.get("/next")
def next_trial() -> dict[str, Any]:
    with pool.connection() as c:
        row = c.execute("SELECT id, left_token, right_token FROM trial ORDER BY id LIMIT 1").fetchone()
    return {"trial": {"id": str(row[0]), "left": row[1], "right": row[2]}}

@app.put("/decision")
def decide(body: dict[str, Any] = Body()) -> dict[str, bool]:
    with pool.connection() as c:
        c.execute("INSERT INTO bare (body) VALUES (%s)", (json.dumps(body),))
    return {"saved": True}
"""


def faces() -> list[bytes]:
    """JPEG files as long as those of photographs, and all of one length."""
    random = np.random.default_rng(1)
    files = [jpeg(gaussian_filter(random.normal(128, 90, (SIDE, SIDE, 3)), (1, 1, 0))) for _ in range(FACES)]
    longest = max(map(len, files))
    return [file.ljust(longest, b"\0") for file in files]


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def product_loop(client: httpx2.Client, *, pictures: bool) -> Callable[[], None]:
    visitor = Visitor(client, "bench")
    visitor.consent()

    def loop() -> None:
        trial = visitor.next().raise_for_status().json()["trial"]
        for side in ("left", "right") if pictures else ():
            client.get(trial[side]["url"]).raise_for_status()
        visitor.decide(trial["id"]).raise_for_status()

    return loop


def bare_loop(client: httpx2.Client, *, pictures: bool) -> Callable[[], None]:
    numbers = iter(range(10**9))

    def loop() -> None:
        client.get("/next").raise_for_status()
        for _ in range(2 if pictures else 0):
            client.get(f"/picture/{next(numbers)}").raise_for_status()
        client.put("/decision", json={"choice": "left", "strokes": STROKES}).raise_for_status()

    return loop


def measure(url: str, process: psutil.Process, start: Callable, crowd: int) -> dict[str, float]:
    """Closed loop, no thinking time: `crowd` clients, each with its own connection."""
    times: list[float] = []
    ready = threading.Barrier(crowd + 1)

    def work(_: int) -> None:
        with httpx2.Client(base_url=url, timeout=60) as client:
            loop = start(client)
            ready.wait()
            for _ in range(LOOPS[crowd]):
                began = time.perf_counter()
                loop()
                times.append(1e3 * (time.perf_counter() - began))

    with ThreadPoolExecutor(crowd) as pool:
        done = pool.map(work, range(crowd))
        ready.wait()
        cpu, wall = sum(process.cpu_times()[:2]), time.perf_counter()
        list(done)
        cpu, wall = sum(process.cpu_times()[:2]) - cpu, time.perf_counter() - wall
    times.sort()
    return {
        "loops/s": len(times) / wall,
        "p50 ms": statistics.median(times),
        "p95 ms": times[int(0.95 * len(times))],
        "CPU ms/loop": 1e3 * cpu / len(times),
    }


def start_bare(folder: Path, url: str) -> tuple[subprocess.Popen, str]:
    (folder / "bare.py").write_text(BARE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=folder, env={"BARE_URL": url, "PATH": ""})
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            httpx2.get(f"{address}/next")
            break
        except httpx2.TransportError:
            time.sleep(0.1)
    return process, address


def make_world(session: Session, blobs: BlobStore, folder: Path) -> None:
    """A study whose pictures are in the store, and in a folder for the bare server."""
    SESSION_HOLDER["session"] = session
    (folder / "faces").mkdir()
    drawn = faces()
    for number, face in enumerate(drawn):
        (folder / "faces" / f"{number:03}.jpg").write_bytes(face)

    def shown(number: int, label: Label) -> int:
        face = drawn[number % FACES]
        return ImageFactory(label=label, display_hash=blobs.put(face), display_bytes=len(face)).id

    pairs = [(shown(2 * n, Label.REAL), shown(2 * n + 1, Label.FAKE)) for n in range(PAIRS)]
    make_study(session, slug="bench", images=pairs, judgements=2000, trials=60, arms=(True,))
    session.execute(update(Pair).values(served_bytes=served_bytes(len(drawn[0]))))
    session.execute(text("CREATE TABLE bare (id bigserial PRIMARY KEY, body jsonb)"))
    session.commit()


def servers(first: Installation, places: list[int]) -> dict[str, Installation]:
    """One server for each number of places; without any, the product as it is."""
    named = (
        {"product": {}} if not places else {str(n): {"CYBORG_PARTICIPANT_REQUESTS": str(n)} for n in places}
    )
    return {name: Installation(first.data_dir, extra=extra) for name, extra in named.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--pictures", action="store_true")
    arguments.add_argument("--crowds", type=int, nargs="+", default=list(LOOPS), choices=list(LOOPS))
    arguments.add_argument("--places", type=int, nargs="+", default=[])
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cyborg-bench-"))
    folder.chmod(0o755)
    installation = Installation(folder / "data")
    installation.run("db", "upgrade")
    settings = Settings(data_dir=installation.data_dir, _env_file=None)
    engine = create_engine(database_url(settings))
    with Session(engine) as session:
        make_world(session, BlobStore(settings.blobs_url), folder)
    ours = servers(installation, options.places)
    sides = {name: (one.serve().pid, one.url, product_loop) for name, one in ours.items()}
    with httpx2.Client(base_url=next(iter(ours.values())).url) as client:
        Visitor(client, "bench").consent()  # so that the bare server has a trial to select
    bare, bare_url = start_bare(folder, conninfo(engine))
    sides["bare"] = (bare.pid, bare_url, bare_loop)
    try:
        compare(sides, options)
        for name, one in ours.items():
            print(f"memory of {name}: {psutil.Process(one.processes[0].pid).memory_info().rss / 1e6:.0f} MB")
    finally:
        bare.kill()
        bare.wait()
        engine.dispose()
        for one in (*ours.values(), installation):
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compare(sides: dict[str, tuple[int, str, Callable]], options: argparse.Namespace) -> None:
    """Medians of each side, and of its ratio to the bare server's within a round."""
    print(f"{'crowd':>5}  {'':14}" + "".join(f"{name:>16}" for name in sides))
    for crowd in options.crowds:
        rounds = [
            {
                name: measure(url, psutil.Process(pid), partial(start, pictures=options.pictures), crowd)
                for name, (pid, url, start) in sides.items()
            }
            for _ in range(options.rounds)
        ]
        for what in rounds[0]["bare"]:
            cells = [
                (
                    statistics.median(one[name][what] for one in rounds),
                    statistics.median(one[name][what] / one["bare"][what] for one in rounds),
                )
                for name in sides
            ]
            told = "".join(f"{value:>9.1f} ({ratio:4.2f})" for value, ratio in cells)
            print(f"{crowd:>5}  {what:<14}{told}", flush=True)


if __name__ == "__main__":
    main()
