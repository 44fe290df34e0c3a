"""How quickly a participant gets the next pair: fetch + submit, against a bare server on the same database.

The reference is the least that could be called a study server: FastAPI with psycopg, one SELECT for the
next trial and one INSERT for the decision, no accounts, no checks, no leases. Both run as one process on
one embedded PostgreSQL with its disk flushes on; each round measures both, so that a busy machine slows
both. CPU is the server process's own.

    python benchmarks/participant_loop.py [--rounds 3]
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.db import conninfo, database_url
from app.demo.children import free_port
from app.settings import Settings
from tests.app.factories import SESSION_HOLDER
from tests.app.worlds import STROKES, Visitor, make_study
from tests.e2e.processes import Installation

LOOPS = {1: 60, 16: 25, 64: 10}  # participants at once: loops of each

BARE = """
import json, os
from typing import Any
from fastapi import Body, FastAPI
from psycopg_pool import ConnectionPool
pool = ConnectionPool(os.environ["BARE_URL"], min_size=20, max_size=20)
app = FastAPI()

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


def product_loop(client: httpx2.Client) -> Callable[[], None]:
    visitor = Visitor(client, "bench")
    visitor.consent()

    def loop() -> None:
        visitor.decide(visitor.next().json()["trial"]["id"]).raise_for_status()

    return loop


def bare_loop(client: httpx2.Client) -> Callable[[], None]:
    def loop() -> None:
        client.get("/next").raise_for_status()
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="cyborg-bench-"))
    folder.chmod(0o755)
    installation = Installation(folder / "data")
    installation.run("db", "upgrade")
    engine = create_engine(database_url(Settings(data_dir=installation.data_dir, _env_file=None)))
    with Session(engine) as session:
        SESSION_HOLDER["session"] = session
        make_study(session, slug="bench", pairs=200, judgements=1000, trials=60, arms=(True,))
        session.execute(text("CREATE TABLE bare (id bigserial PRIMARY KEY, body jsonb)"))
        session.commit()
    server = psutil.Process(installation.serve().pid)
    with httpx2.Client(base_url=installation.url) as client:
        Visitor(client, "bench").consent()  # so that the bare server has a trial to select
    bare, bare_url = start_bare(folder, conninfo(engine))
    try:
        print(f"{'crowd':>5}  {'':14}{'product':>10}{'bare':>10}{'ratio':>8}   medians of {rounds} rounds")
        for crowd in LOOPS:
            pairs = [
                (
                    measure(installation.url, server, product_loop, crowd),
                    measure(bare_url, psutil.Process(bare.pid), bare_loop, crowd),
                )
                for _ in range(rounds)
            ]
            for name in pairs[0][0]:
                ours, theirs = (statistics.median(pair[side][name] for pair in pairs) for side in (0, 1))
                print(f"{crowd:>5}  {name:<14}{ours:>10.1f}{theirs:>10.1f}{ours / theirs:>8.2f}")
        print(f"memory of the server process: {server.memory_info().rss / 1e6:.0f} MB")
    finally:
        bare.kill()
        bare.wait()
        engine.dispose()
        installation.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
