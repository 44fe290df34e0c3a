"""What an export costs at a million decisions, and whether its memory grows with the study.

    python benchmarks/export_scale.py [--decisions 1000000] [--annotations 100000] [--pairs 2000]

Fills two studies by COPY, each in an embedded PostgreSQL of its own: one of a tenth of that size, one of all
of it. Each archive is made once, in a process of its own that throws the bytes away. Printed is for every
file in it, for all masks together and for the archive: the wall time, the CPU of that process and of the
server's processes, the bytes before they are packed, and the peak of the process's resident memory while the
file was made, above what the process had before the first byte. The last column is the peak of the whole
study over that of the tenth: flat is 1.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import Engine, select, text

sys.path.insert(0, str(Path(__file__).parents[1]))

from app import models
from app.db import connect, factory, snapshot
from app.exports.archives import Chunks, ExportMember, archive
from app.exports.contents import Contents, Layout
from app.exports.service import members
from app.settings import Settings
from app.storage import BlobStore
from app.studies.service import find_study
from app.studies.tallies import recount
from benchmarks.map_sets import fresh_database
from benchmarks.memory import resident
from benchmarks.staff_pages import copy, make_study

STROKES, POINTS, SIDE = 2, 40, 512
SEED = 7
SLUG = "big"


def fill(engine: Engine, *, decisions: int, annotations: int, pairs: int) -> float:
    """Make the study; the seconds that it took."""
    began = time.perf_counter()
    with factory(engine).begin() as session:
        session.execute(text("ALTER TABLE decision DISABLE TRIGGER tally_decided"))
        make_study(session, SLUG, pairs=pairs, decisions=decisions)
        session.execute(text("ALTER TABLE decision ENABLE TRIGGER tally_decided"))
        session.execute(
            text("""
            INSERT INTO annotation (decision_id, image_id)
            SELECT decision.id, decision.chosen_image_id
            FROM decision JOIN trial ON trial.id = trial_id
            JOIN participant ON participant.id = participant_id
            JOIN arm ON arm.id = participant.arm_id
            WHERE arm.annotate ORDER BY decision.id LIMIT :count
            """),
            {"count": annotations},
        )
        ids = session.scalars(select(models.Annotation.id).order_by(models.Annotation.id)).all()
        copy(session, models.Stroke, ("annotation_id", "position", "tool", "radius", "points"), _strokes(ids))
        recount(session)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return time.perf_counter() - began


def _strokes(ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Strokes that wander over the middle of the image."""
    rng = np.random.default_rng(SEED)
    for annotation in ids:
        for position in range(STROKES):
            steps = rng.normal(0, 6, (POINTS, 2)).cumsum(axis=0) + rng.uniform(SIDE * 0.3, SIDE * 0.7, 2)
            x, y = np.clip(steps, 0, SIDE).round(1).T.tolist()
            points = [[a, b, 16 * n] for n, (a, b) in enumerate(zip(x, y, strict=True))]
            yield annotation, position, "brush", 12.0, json.dumps(points)


@dataclass(slots=True)
class Cost:
    """What some files took. `memory` is the largest, all else is summed."""

    seconds: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    memory: float = 0.0

    def add(self, other: "Cost") -> None:
        self.seconds += other.seconds
        self.cpu += other.cpu
        self.megabytes += other.megabytes
        self.memory = max(self.memory, other.memory)


class Meter:
    """Time, CPU and peak memory since it was last read."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self._at_rest = resident()
        self._restart()

    def _restart(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak is now what there is
        self._began, self._cpu = time.perf_counter(), cpu(self._server)

    def read(self) -> Cost:
        seconds, used = time.perf_counter() - self._began, cpu(self._server) - self._cpu
        memory = (resident(peak=True) - self._at_rest) / 1e6
        self._restart()
        return Cost(seconds, used, memory=memory)


ARCHIVES = {
    "export.zip": Contents(parquet=True, masks=True, coco=True),
    "export.zip, Psych-DS": Contents(layout=Layout.PSYCH_DS),
}


def measure(settings: Settings, name: str) -> dict[str, Cost]:
    """One archive in this process: each of its files, and the whole."""
    engine = connect(settings, connections=1)
    blobs = BlobStore(settings.blobs_url)
    postmaster = (settings.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
    with snapshot(factory(engine)) as session:
        study = find_study(session, SLUG)
        meter = Meter(psutil.Process(int(postmaster)))
        files: defaultdict[str, Cost] = defaultdict(Cost)
        made = members(session, blobs, study, ARCHIVES[name])
        packed = sum(map(len, archive(metered(made, meter, files), folder=SLUG)))
        files["directory of the archive"].add(meter.read())
    engine.dispose()
    whole = Cost()
    for one in files.values():
        whole.add(one)
    whole.megabytes = packed / 1e6
    return files | {name: whole}


def metered(made: Iterator[ExportMember], meter: Meter, files: dict[str, Cost]) -> Iterator[ExportMember]:
    """The files; each is measured when the next one is asked for, all masks together."""
    for kind, alike in groupby(made, key=kind_of):
        for member in alike:
            yield ExportMember(member.name, counted(member.chunks, files[kind]))
        files[kind].add(meter.read())


def kind_of(member: ExportMember) -> str:
    return f"{Path(member.name).parent}/*.png" if member.name.endswith(".png") else Path(member.name).name


def counted(chunks: Chunks, cost: Cost) -> Chunks:
    for chunk in chunks:
        cost.megabytes += len(chunk) / 1e6
        yield chunk


def cpu(server: psutil.Process) -> float:
    """Seconds of this process and of the server's."""
    return sum(sum(one.cpu_times()[:2]) for one in (psutil.Process(), *server.children()))


def in_child(settings: Settings, name: str) -> dict[str, Cost]:
    command = [sys.executable, __file__, "--measure", name, "--data", str(settings.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {file: Cost(**cost) for file, cost in json.loads(done.stdout).items()}


def show(costs: dict[str, Cost], tenth: dict[str, Cost]) -> None:
    print(f"{'':50}{'s':>8}{'CPU s':>8}{'MB':>8}{'memory MB':>11}{'ratio':>7}")
    for name, one in costs.items():
        numbers = f"{one.seconds:>8.1f}{one.cpu:>8.1f}{one.megabytes:>8.1f}{one.memory:>11.1f}"
        ratio = f"{one.memory / max(tenth[name].memory, 1):>7.2f}" if tenth else ""
        print(f"{name:50}{numbers}{ratio}", flush=True)


Costs = dict[str, dict[str, Cost]]
"""By archive, then by file."""


def measure_all(tenth: Costs, *, decisions: int, annotations: int, pairs: int) -> Costs:
    with fresh_database() as (settings, engine, _):
        seconds = fill(engine, decisions=decisions, annotations=annotations, pairs=pairs)
        print(f"{decisions:,} decisions, {annotations:,} annotations, filled in {seconds:.0f} s", flush=True)
        costs: Costs = {}
        for name in ARCHIVES:
            costs[name] = in_child(settings, name)
            show(costs[name], tenth.get(name, {}))
        return costs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--measure", choices=ARCHIVES, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        settings = Settings(data_dir=options.data, database_url=None, storage_url=None, _env_file=None)
        print(json.dumps({name: asdict(cost) for name, cost in measure(settings, options.measure).items()}))
        return
    tenth: Costs = {}
    for part in (10, 1):
        sizes = {"decisions": options.decisions // part, "annotations": options.annotations // part}
        tenth = measure_all(tenth, **sizes, pairs=options.pairs)


if __name__ == "__main__":
    main()
