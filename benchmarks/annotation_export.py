"""What exports cost: `annotations.jsonl` against a plain way to write it, other formats against that.

    python benchmarks/annotation_export.py [--annotations 20000] [--rounds 3]

The reference asks PostgreSQL for each annotation with its strokes as one JSON value, reads it into Python and
writes it again, line by line. Both read the same snapshot through a cursor of the server; rounds alternate.
CPU is of this process and of the server's processes together. The two outputs are compared, line by line, as
data. Then each other format of the same annotations and decisions is written once; its ratios are to
`annotations.jsonl` as it is written, and `peak MB` is the largest memory of this process until then, so a
format that held the study in memory would show.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.db import factory, snapshot, streamed
from app.exports import dictionary, masks, parquet, queries
from app.exports.annotations import annotation_lines
from app.exports.cells import time_text
from app.exports.service import table
from app.maps.queries import exported_rows
from app.models import Study, strokes_json
from benchmarks.map_sets import fresh_database, make_study
from benchmarks.memory import resident

NAMES = dictionary.ANNOTATIONS.names


def decoded_and_encoded(session: Session, study_id: int) -> Iterator[bytes]:
    query = exported_rows(study_id, counting=True).add_columns(strokes_json().label("strokes"))
    for row in streamed(session, query):
        fields = dict(row._mapping) | {"decided_at": time_text(row.decided_at)}
        fields |= {"participant": str(row.participant)}
        fields["strokes"] = [
            {"tool": stroke["tool"], "radius": float(stroke["radius"]), "points": stroke["points"]}
            for stroke in row.strokes or ()
        ]
        told = json.dumps({name: fields[name] for name in NAMES}, ensure_ascii=False, separators=(",", ":"))
        yield (told + "\n").encode()


def written(session: Session, study_id: int) -> Iterator[bytes]:
    return annotation_lines(session, study_id, file=dictionary.ANNOTATIONS, counting=True)


def mask_pngs(session: Session, study_id: int) -> Iterator[bytes]:
    return (chunk for member in masks.mask_files(session, study_id) for chunk in member.chunks)


def coco(session: Session, study_id: int) -> Iterator[bytes]:
    return masks.coco_chunks(session, study_id, session.execute(queries.images(study_id)))


def annotations_parquet(session: Session, study_id: int) -> Iterator[bytes]:
    return parquet.annotations(session, study_id, file=dictionary.ANNOTATIONS, counting=True)


def decisions_csv(session: Session, study_id: int) -> Iterator[bytes]:
    return table(session, dictionary.DECISIONS, queries.decisions(study_id))


def decisions_parquet(session: Session, study_id: int) -> Iterator[bytes]:
    return parquet.table(session, dictionary.DECISIONS, queries.decisions(study_id))


FORMATS = {
    "annotations.jsonl": written,
    "annotations.parquet": annotations_parquet,
    "decisions.csv": decisions_csv,
    "decisions.parquet": decisions_parquet,
    "masks.coco.json": coco,
    "masks/*.png": mask_pngs,
}


def compare_formats(sessions, study_id: int, server: psutil.Process) -> None:
    print(f"{'':20}{'s':>8}{'CPU s':>8}{'MB':>8}{'CPU ratio':>11}{'size ratio':>11}{'peak MB':>9}")
    found: dict[str, dict[str, float]] = {}
    for name, make in FORMATS.items():
        found[name] = one = measure(sessions, study_id, server, make)
        reference = found["annotations.jsonl"]
        ratios = [one[key] / reference[key] for key in ("CPU s", "MB")]
        sizes = f"{one['s']:>8.1f}{one['CPU s']:>8.1f}{one['MB']:>8.1f}"
        print(f"{name:20}{sizes}{ratios[0]:>11.2f}{ratios[1]:>11.2f}{peak_mb():>9.0f}")


def peak_mb() -> float:
    return resident(peak=True) / 1e6


def cpu(server: psutil.Process) -> float:
    """Seconds of this process and of the server's."""
    theirs = sum(sum(one.cpu_times()[:2]) for one in server.children())
    return sum(psutil.Process().cpu_times()[:2]) + theirs


def measure(sessions, study_id: int, server: psutil.Process, make: Callable) -> dict[str, float]:
    with snapshot(sessions) as session:
        before, began = cpu(server), time.perf_counter()
        size = sum(len(chunk) for chunk in make(session, study_id))
        return {"s": time.perf_counter() - began, "CPU s": cpu(server) - before, "MB": size / 1e6}


def check_equal(sessions, study_id: int) -> None:
    with snapshot(sessions) as one, snapshot(sessions) as other:
        theirs = iter(b"".join(decoded_and_encoded(one, study_id)).splitlines())
        ours = iter(b"".join(written(other, study_id)).splitlines())
        same = sum(a == b for a, b in zip(theirs, ours, strict=True))
    print(f"{same} lines equal, byte for byte")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--annotations", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with fresh_database() as (settings, engine, _):
        sessions = factory(engine)
        with sessions.begin() as session:
            make_study(session, "export", images=400, annotations=options.annotations, seed=1)
        with sessions.begin() as session:
            study_id = session.query(Study.id).scalar()
            session.execute(text("ANALYZE"))  # as PostgreSQL does of itself within a minute
        postmaster = (settings.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
        server = psutil.Process(int(postmaster))
        rounds = [
            (
                measure(sessions, study_id, server, decoded_and_encoded),
                measure(sessions, study_id, server, written),
            )
            for _ in range(options.rounds)
        ]
        print(f"{options.annotations} annotations, medians of {options.rounds} rounds")
        print(f"{'':8}{'decoded':>10}{'written':>10}{'ratio':>8}")
        for name in rounds[0][0]:
            theirs, ours = (statistics.median(one[side][name] for one in rounds) for side in (0, 1))
            print(f"{name:8}{theirs:>10.2f}{ours:>10.2f}{ours / theirs:>8.2f}")
        print(f"largest memory of this process: {peak_mb():.0f} MB")
        compare_formats(sessions, study_id, server)
        check_equal(sessions, study_id)


if __name__ == "__main__":
    main()
