"""What exports cost at a million decisions, and whether their memory grows with the study.

    python benchmarks/export_scale.py [--decisions 1000000] [--annotations 100000] [--pairs 2000]
        [--format NAME]…

Fills two studies by COPY, each in an embedded PostgreSQL of its own: one of a tenth of that size, one of all
of it. Each format is written once, in a process of its own that throws the bytes away as a slow reader would
take them: piece by piece. Printed are the wall time, the CPU of that process and of the server's processes,
the bytes, and the peak of the process's resident memory above what it had before the first byte. The last
column is the peak of the whole study over that of the tenth: flat is 1.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app import models
from app.db import connect, factory, snapshot
from app.exports import dictionary, masks, parquet, queries
from app.exports.annotations import annotation_lines
from app.exports.contents import Contents, Layout
from app.exports.service import table, zipped
from app.models import Study
from app.settings import Settings
from app.storage import BlobStore
from app.studies.service import find_study
from app.studies.tallies import recount
from benchmarks.map_sets import fresh_database
from benchmarks.staff_pages import copy, make_study

STROKES, POINTS, SIDE = 2, 40, 512
SEED = 7
SLUG = "big"

Chunks = Iterator[bytes]


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


def _strokes(ids: Sequence[int]) -> Iterator[tuple]:
    """Strokes that wander over the middle of the image."""
    rng = np.random.default_rng(SEED)
    for annotation in ids:
        for position in range(STROKES):
            steps = rng.normal(0, 6, (POINTS, 2)).cumsum(axis=0) + rng.uniform(SIDE * 0.3, SIDE * 0.7, 2)
            x, y = np.clip(steps, 0, SIDE).round(1).T.tolist()
            points = [[a, b, 16 * n] for n, (a, b) in enumerate(zip(x, y, strict=True))]
            yield annotation, position, "brush", 12.0, json.dumps(points)


def lines(session: Session, _blobs: BlobStore, study: Study) -> Chunks:
    return annotation_lines(session, study.id, file=dictionary.ANNOTATIONS, counting=True)


def annotations_parquet(session: Session, _blobs: BlobStore, study: Study) -> Chunks:
    return parquet.annotations(session, study.id, file=dictionary.ANNOTATIONS, counting=True)


def decisions_csv(session: Session, _blobs: BlobStore, study: Study) -> Chunks:
    return table(session, dictionary.DECISIONS, queries.decisions(study.id))


def decisions_parquet(session: Session, _blobs: BlobStore, study: Study) -> Chunks:
    return parquet.table(session, dictionary.DECISIONS, queries.decisions(study.id))


def coco(session: Session, _blobs: BlobStore, study: Study) -> Chunks:
    return masks.coco_chunks(session, study.id, session.execute(queries.images(study.id)))


def archive_of(**options: object) -> Callable[[Session, BlobStore, Study], Chunks]:
    return lambda session, blobs, study: zipped(session, blobs, study, Contents(**options))


FORMATS: dict[str, Callable[[Session, BlobStore, Study], Chunks]] = {
    "decisions.csv": decisions_csv,
    "decisions.parquet": decisions_parquet,
    "annotations.jsonl": lines,
    "annotations.parquet": annotations_parquet,
    "masks.coco.json": coco,
    "export.zip": archive_of(),
    "export.zip, Parquet": archive_of(parquet=True),
    "export.zip, Psych-DS": archive_of(layout=Layout.PSYCH_DS),
    "export.zip, masks as PNG": archive_of(masks=True),
}


def measure(settings: Settings, name: str) -> dict[str, float]:
    """One format in this process."""
    engine = connect(settings, connections=1)
    blobs = BlobStore(settings.blobs_url)
    with snapshot(factory(engine)) as session:
        study = find_study(session, SLUG)
        postmaster = (settings.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
        server, own = psutil.Process(int(postmaster)), psutil.Process()
        before, at_rest, began = cpu(own, server), own.memory_info().rss, time.perf_counter()
        size = sum(len(chunk) for chunk in FORMATS[name](session, blobs, study))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found = {"s": time.perf_counter() - began, "CPU s": cpu(own, server) - before, "MB": size / 1e6}
    engine.dispose()
    return found | {"memory MB": (peak - at_rest) / 1e6}


def cpu(own: psutil.Process, server: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in (own, *server.children()))


def in_child(settings: Settings, name: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", name, "--data", str(settings.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_all(
    decisions: int, annotations: int, pairs: int, formats: list[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    with fresh_database() as (settings, engine, _):
        seconds = fill(engine, decisions=decisions, annotations=annotations, pairs=pairs)
        print(f"{decisions:,} decisions, {annotations:,} annotations, filled in {seconds:.0f} s", flush=True)
        for name in formats:
            yield name, in_child(settings, name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--format", action="append", choices=FORMATS, help="only these; repeatable")
    parser.add_argument("--measure", choices=FORMATS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        settings = Settings(data_dir=options.data, database_url=None, storage_url=None, _env_file=None)
        print(json.dumps(measure(settings, options.measure)))
        return
    formats = options.format or list(FORMATS)
    tenth = dict(measure_all(options.decisions // 10, options.annotations // 10, options.pairs, formats))
    print(f"{'':26}{'s':>8}{'CPU s':>8}{'MB':>8}{'memory MB, tenth':>18}{'whole':>8}{'ratio':>7}")
    for name, one in measure_all(options.decisions, options.annotations, options.pairs, formats):
        small, large = tenth[name]["memory MB"], one["memory MB"]
        cost = f"{one['s']:>8.1f}{one['CPU s']:>8.1f}{one['MB']:>8.1f}"
        print(f"{name:26}{cost}{small:>18.0f}{large:>8.0f}{large / max(small, 1):>7.1f}", flush=True)


if __name__ == "__main__":
    main()
