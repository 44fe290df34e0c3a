"""Building a map set from the database, and the gallery of a large one.

    python benchmarks/map_sets.py [--images 1821] [--annotations 10750] [--jobs 2] [--gallery 10000]

Makes a study of 512 x 512 images in an embedded PostgreSQL of its own, with as many annotations as the study
of CYBORG, and builds its map set as a worker does: reading strokes, building, encoding, writing files and
rows. Then it builds again after one annotation has changed, when all maps but one are taken over. CPU is that
of all processes of the build; the machine may have other work, so it stands beside the wall time. Peak memory
is that of the largest process, for once and twice the images. `--gallery` measures the pages of a set with so
many maps.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

import numpy as np
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.orm import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from app import embedded, models
from app.db import connect, factory, upgrade
from app.maps.building import build_map_set
from app.maps.rendering import sketch, thumb_png
from app.maps.service import request_map_set
from app.settings import Settings
from app.storage import BlobStore
from benchmarks.memory import resident
from saliency.maps.png import encode_map_png
from saliency.parameters import MapParameters

SIZE = 512
IMAGES_OF_A_PARTICIPANT = 30
ROWS_AT_A_TIME = 2000


@contextmanager
def fresh_database() -> Iterator[tuple[Settings, Engine, BlobStore]]:
    folder = Path(tempfile.mkdtemp(prefix="cyborg-benchmark-"))
    folder.chmod(0o755)
    settings = Settings(data_dir=folder / "data", database_url=None, storage_url=None, _env_file=None)
    engine = connect(settings)
    upgrade(engine)
    try:
        yield settings, engine, BlobStore(settings.blobs_url)
    finally:
        engine.dispose()
        embedded.leave(settings.data_dir)
        shutil.rmtree(folder, ignore_errors=True)


def add(session: Session, table: type, rows: Iterator[dict]) -> None:
    while part := list(islice(rows, ROWS_AT_A_TIME)):
        session.execute(insert(table), part)


def make_study(session: Session, slug: str, *, images: int, annotations: int, seed: int) -> None:
    """As many images and annotations, spread evenly; strokes wander over the middle of the image."""
    rng = np.random.default_rng(seed)
    study = models.Study(
        slug=slug,
        title=slug,
        state=models.StudyState.OPEN,
        trials_per_participant=IMAGES_OF_A_PARTICIPANT,
        judgements=2,
        lease=timedelta(hours=1),
        consent="",
        consent_version="v1",
        instructions="",
        spec={},
    )
    session.add(study)
    session.flush()
    arm = models.Arm(study_id=study.id, name="annotate", annotate=True)
    session.add(arm)
    session.flush()
    image_ids = _images(session, images, seed)
    pair_ids = _pairs(session, study.id, image_ids)
    crowd = -(-images // IMAGES_OF_A_PARTICIPANT)
    people = [UUID(int=seed * 10**9 + n) for n in range(crowd * -(-annotations // images))]
    add(session, models.Participant, (_participant(one, study.id, arm.id) for one in people))
    trials = [_trial(n, people, image_ids, pair_ids, seed) for n in range(annotations)]
    add(session, models.Trial, (trial for trial, _ in trials))
    decisions = (_decision(trial, chosen) for trial, chosen in trials)
    add(session, models.Decision, decisions)
    known = select(models.Decision.id, models.Decision.chosen_image_id).join(models.Trial)
    known = known.join(models.Participant).where(models.Participant.study_id == study.id)
    decided = session.execute(known.order_by(models.Decision.id)).all()
    add(session, models.Annotation, ({"decision_id": a, "image_id": b} for a, b in decided))
    painted = select(models.Annotation.id).join(models.Decision).join(models.Trial).join(models.Participant)
    ids = session.scalars(painted.where(models.Participant.study_id == study.id)).all()
    add(session, models.Stroke, (row for one in ids for row in _strokes(one, rng)))


def _images(session: Session, count: int, seed: int) -> list[int]:
    rows = (
        {
            "content_hash": f"content-{seed}-{n}",
            "display_hash": f"display-{seed}-{n}",
            "display_bytes": 1,
            "label": models.Label.FAKE if n % 2 else models.Label.REAL,
            "source": f"generator {n % 10 // 2}" if n % 2 else "camera",
            "width": SIZE,
            "height": SIZE,
            "face_x": 120.0,
            "face_y": 140.0,
            "face_width": 270.0,
            "face_height": 300.0,
            "original_name": f"{n}.png",
        }
        for n in range(count)
    )
    add(session, models.Image, rows)
    mine = select(models.Image.id).where(models.Image.content_hash.like(f"content-{seed}-%"))
    return list(session.scalars(mine.order_by(models.Image.id)))


def _pairs(session: Session, study_id: int, image_ids: list[int]) -> list[int]:
    couples = zip(image_ids[::2], image_ids[1::2], strict=False)
    add(
        session,
        models.Pair,
        (
            {"study_id": study_id, "real_image_id": real, "fake_image_id": fake, "served_bytes": 1}
            for real, fake in couples
        ),
    )
    mine = select(models.Pair.id).where(models.Pair.study_id == study_id).order_by(models.Pair.id)
    return list(session.scalars(mine))


def _participant(identity: UUID, study_id: int, arm_id: int) -> dict:
    return {
        "id": identity,
        "study_id": study_id,
        "arm_id": arm_id,
        "source": models.Source.SIMULATED,
        "state": models.ParticipantState.FINISHED,
        "consent_version": "v1",
        "lease_expires_at": datetime.now(UTC),
        "client": {},
    }


def _trial(n: int, people: list, image_ids: list, pair_ids: list, seed: int) -> tuple[dict, int]:
    """Trial `n`, and the image that is chosen in it.

    All images come in turn, round after round; each round is shared out to a crowd of its own, so that nobody
    meets two neighbours, which are of one pair.
    """
    turn, place = divmod(n, len(image_ids))
    crowd = -(-len(image_ids) // IMAGES_OF_A_PARTICIPANT)
    pair = min(place // 2, len(pair_ids) - 1)
    real, fake = image_ids[2 * pair], image_ids[2 * pair + 1]
    return {
        "id": UUID(int=10**20 + seed * 10**9 + n),
        "participant_id": people[turn * crowd + place % crowd],
        "pair_id": pair_ids[pair],
        "question": models.Question.REAL,
        "position": place // crowd,
        "state": models.TrialState.DECIDED,
        "left_image_id": real,
        "right_image_id": fake,
        "left_token": f"l{seed}-{n}",
        "right_token": f"r{seed}-{n}",
    }, image_ids[place]


def _decision(trial: dict, chosen: int) -> dict:
    return {
        "trial_id": trial["id"],
        "choice": models.Side.LEFT,
        "chosen_image_id": chosen,
        "correct": True,
        "decision_ms": 4000.0,
        "events": [],
        "body_hash": str(trial["id"]),
    }


def _strokes(annotation_id: int, rng: np.random.Generator) -> Iterator[dict]:
    """Three to five strokes of 60 points, 12 px a millisecond apart, as a person paints them."""
    for position in range(int(rng.integers(3, 6))):
        centre = SIZE * (0.5 + 0.3 * rng.uniform(-0.8, 0.8, 2))
        turns = np.cumsum(rng.normal(0, 0.35, 60))
        path = centre + np.cumsum(3.0 * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
        yield {
            "annotation_id": annotation_id,
            "position": position,
            "tool": models.Tool.BRUSH,
            "radius": float(rng.choice([10, 15, 20, 25])),
            "points": [[round(x, 1), round(y, 1), 16.0 * n] for n, (x, y) in enumerate(path.tolist())],
        }


def used(who: int) -> tuple[float, float]:
    """CPU seconds and peak MB of this process, or of its children that have ended (the largest of them)."""
    one = resource.getrusage(who)
    peak_mb = resident(peak=True) / 2**20 if who == resource.RUSAGE_SELF else one.ru_maxrss / 1024
    return one.ru_utime + one.ru_stime, peak_mb


def build(data_dir: Path, slug: str, *, jobs: int) -> dict[str, float]:
    """Ask for the study's map set and build it; what it took, stage by stage."""
    settings = Settings(data_dir=data_dir, database_url=None, storage_url=None, _env_file=None)
    engine = connect(settings)
    sessions = factory(engine)
    start, cpu = time.perf_counter(), used(resource.RUSAGE_SELF)[0]
    with sessions.begin() as session:
        study = session.scalars(select(models.Study).where(models.Study.slug == slug)).one()
        map_set_id = request_map_set(session, study, MapParameters(), queued=False).id
    asked = time.perf_counter()
    first: list[float] = []
    build_map_set(
        sessions,
        BlobStore(settings.blobs_url),
        map_set_id,
        jobs=jobs,
        on_progress=lambda _done, _total: first.append(time.perf_counter()) if not first else None,
    )
    end = time.perf_counter()
    (own_cpu, own_mb), (pool_cpu, pool_mb) = used(resource.RUSAGE_SELF), used(resource.RUSAGE_CHILDREN)
    with sessions() as session:
        made = session.get_one(models.MapSet, map_set_id)
        numbers = {"annotations": made.annotations, "taken over": made.reused}
    engine.dispose()
    return numbers | {
        "wall s": end - start,
        "CPU s": own_cpu - cpu + pool_cpu,
        "hash the inputs, s": asked - start,
        "until the first map, s": first[0] - asked,
        "maps, files and rows, s": end - first[0],
        "CPU of reading and writing, s": own_cpu - cpu,
        "CPU of the pool, s": pool_cpu,
        "peak MB": max(own_mb, pool_mb),
    }


def built_apart(settings: Settings, slug: str, *, jobs: int) -> dict[str, float]:
    """Build in a process of its own, so that its memory is that of the build."""
    command = [sys.executable, __file__, "--build", str(settings.data_dir), slug, "--jobs", str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def change_one(engine: Engine) -> None:
    """As if one decision had come with other strokes."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE decision SET body_hash = 'other' WHERE id = (SELECT min(id) FROM decision)")
        )


def show(title: str, numbers: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, value in numbers.items():
        print(f"  {name:<32}{value:10.1f}" if isinstance(value, float) else f"  {name:<32}{value:10}")


def measure_gallery(settings: Settings, engine: Engine, blobs: BlobStore, maps: int) -> None:
    """Pages of a set with so many maps: median time of 7, CPU of the server alone, and number of queries."""
    # Here, because the processes of a build import this file too.
    from fastapi.testclient import TestClient

    from app.accounts.service import open_session
    from app.deps import SESSION_COOKIE
    from app.main import create_app

    with factory(engine).begin() as session:
        make_gallery(session, blobs, maps)
        token = open_session(session, _staff(session), lifetime=timedelta(hours=1))
    queries: list[str] = []
    event.listen(
        engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: queries.append(statement)
    )
    application = create_app(settings, session_factory=factory(engine))
    with TestClient(application, base_url="http://127.0.0.1:8000") as client:
        client.cookies[SESSION_COOKIE] = token
        client.headers["accept"] = "text/html"
        print(f"\nPages of a map set with {maps} maps{'':<10}ms  CPU ms  queries")
        for name, path in gallery_pages(engine):
            times, cpu = [], time.process_time()
            for _ in range(7):
                queries.clear()
                start = time.perf_counter()
                client.get(path).raise_for_status()
                times.append(1e3 * (time.perf_counter() - start))
            cpu = 1e3 * (time.process_time() - cpu) / len(times)
            print(f"  {name:<46}{statistics.median(times):8.1f}{cpu:8.1f}{len(queries):6}")


def _staff(session: Session) -> models.Staff:
    staff = models.Staff(email="bench@lab.example", name="Bench", role=models.Role.VIEWER)
    session.add(staff)
    session.flush()
    return staff


def make_gallery(session: Session, blobs: BlobStore, maps: int) -> None:
    """A study with two built map sets whose rows are made up; every second map differs."""
    make_study(session, "gallery", images=maps, annotations=maps // 10, seed=77)
    study_id = session.scalars(select(models.Study.id).where(models.Study.slug == "gallery")).one()
    image_ids = session.scalars(
        select(models.Image.id).where(models.Image.content_hash.like("content-77-%"))
    ).all()
    rng = np.random.default_rng(0)
    whole = [np.asarray(rng.random((SIZE, SIZE)), dtype=np.float32) for _ in range(2)]
    stored = [(blobs.put(encode_map_png(one)), blobs.put(thumb_png(one)), sketch(one)) for one in whole]
    for version in (1, 2):
        map_set = models.MapSet(
            study_id=study_id,
            version=version,
            parameters=MapParameters().to_dict(),
            state=models.JobState.SUCCEEDED,
            annotations=6 * maps,
        )
        session.add(map_set)
        session.flush()
        rows = (_made_up(map_set.id, image_id, stored[image_id % version], rng) for image_id in image_ids)
        add(session, models.SaliencyMap, rows)
    session.execute(text("ANALYZE"))


def _made_up(
    map_set_id: int, image_id: int, stored: tuple[str, str, bytes], rng: np.random.Generator
) -> dict:
    blob, thumb, sketched = stored
    return {
        "map_set_id": map_set_id,
        "image_id": image_id,
        "blob_hash": blob,
        "thumb_hash": thumb,
        "sketch": sketched,
        "inputs_hash": f"{map_set_id}-{image_id}",
        "annotators": int(rng.integers(1, 12)),
        "coverage": float(rng.random()),
        "entropy": float(12 * rng.random()),
        "agreement": float(rng.random()),
        "reliability": {"curve": [0.3, 0.5], "iou": 0.2, "projected": 0.6},
        "accuracy": float(rng.random()),
    }


def gallery_pages(engine: Engine) -> Iterator[tuple[str, str]]:
    base = "/staff/studies/gallery/maps"
    yield "first page", base
    for sort in ("annotators", "agreement", "inaccuracy"):
        yield f"sorted by {sort}", f"{base}?sort={sort}"
    yield (
        "fakes of a source, accuracy 20-40 %",
        f"{base}?label=fake&source=generator+2&accuracy=20&accuracy_to=40",
    )
    with engine.connect() as connection:
        middle = connection.scalar(
            text("SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY image_id) FROM saliency_map")
        )
        a_map = connection.execute(text("SELECT map_set_id, image_id FROM saliency_map LIMIT 1")).one()
    yield "a page near the end", f"{base}?after=0.0_{middle}"
    yield "one map", f"{base}/{a_map.image_id}"
    yield "what changed, half of the maps", f"{base}/diff?old=1&new=2"
    yield "a map of the grid (picture)", f"/staff/maps/{a_map.map_set_id}/{a_map.image_id}.png?format=thumb"
    yield "list as CSV", f"{base}/list.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1821)
    parser.add_argument("--annotations", type=int, default=10_750)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--gallery", type=int, metavar="MAPS", help="only the pages of a set with so many maps"
    )
    parser.add_argument("--build", nargs=2, metavar=("DATA_DIR", "STUDY"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        print(json.dumps(build(Path(asked.build[0]), asked.build[1], jobs=asked.jobs)))
        return
    with fresh_database() as (settings, engine, blobs):
        if asked.gallery:
            measure_gallery(settings, engine, blobs, asked.gallery)
            return
        for times in (1, 2):
            slug, counts = f"times-{times}", (times * asked.images, times * asked.annotations)
            with factory(engine).begin() as session:
                make_study(session, slug, images=counts[0], annotations=counts[1], seed=times)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
            title = (
                f"{counts[0]} maps from {counts[1]} annotations at {SIZE} x {SIZE}, {asked.jobs} processes"
            )
            show(title, built_apart(settings, slug, jobs=asked.jobs))
            if times == 1:
                change_one(engine)
                show("again after one annotation changed", built_apart(settings, slug, jobs=asked.jobs))


if __name__ == "__main__":
    main()
