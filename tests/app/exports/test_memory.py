"""What an export holds in memory does not grow with the study, whatever is in it, however it is laid out."""

import gc
import tracemalloc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.exports.archives import ExportMember, archive
from app.exports.contents import Contents, Layout
from app.exports.service import members
from app.models import JobState, MapSet, Study
from saliency.maps.png import encode_map_png
from tests.support.factories import ArmFactory

FEW, MANY = 100, 400
SLACK = 250_000
"""Bytes: garbage that waits to be collected. Names and sums of the files alone were 1.3 MB more."""

ALL_OF_IT = {
    "plain": Contents.everything(),
    "psych-ds": Contents(layout=Layout.PSYCH_DS),
    "imagefolder": Contents(layout=Layout.IMAGE_FOLDER),
}

ROWS = (
    """INSERT INTO image (content_hash, display_hash, display_bytes, label, source, width, height,
           original_name, generated, split)
       SELECT 'memory-' || n, '', 1, CASE n % 2 WHEN 1 THEN 'real' ELSE 'fake' END, 'lab', 16, 16,
           n || '.png', false, CASE n % 4 WHEN 0 THEN 'test' END
       FROM generate_series(1, 2 * :count) n""",
    """INSERT INTO pair (study_id, real_image_id, fake_image_id, served_bytes)
       SELECT :study, id, id + 1, 4096 FROM image
       WHERE content_hash LIKE 'memory-%' AND label = 'real' ORDER BY id""",
    """INSERT INTO participant (id, study_id, arm_id, source, state, consent_version, consented_at,
           lease_expires_at, client, device, answers, answered_at)
       SELECT gen_random_uuid(), :study, :arm, 'link', 'finished', 'v1', now() + n * interval '1 second',
           now(), '{"screen": 1920}',
           '{"width": 1280, "height": 720, "pixel_ratio": 2, "pointer": "fine", "touch": false,
             "images_load": true, "passed": true}', '{"age": "31"}', now()
       FROM generate_series(1, :count) n""",
    """INSERT INTO trial (id, participant_id, pair_id, question, position, kind, state, left_image_id,
           right_image_id)
       SELECT gen_random_uuid(), person.id, pair.id, 'real', 0, 'main', 'decided',
           real_image_id, fake_image_id
       FROM (SELECT id, row_number() OVER (ORDER BY id) n FROM participant WHERE study_id = :study) person
       JOIN (SELECT *, row_number() OVER (ORDER BY id) n FROM pair WHERE study_id = :study) pair USING (n)""",
    "ANALYZE pair, participant, trial",  # or the plan of what follows is one for small tables
    """INSERT INTO decision (trial_id, choice, chosen_image_id, correct, decision_ms, events, body_hash)
       SELECT trial.id, 'left', left_image_id, true, 1500,
           '[{"kind": "loaded", "t_ms": 0, "load_ms": 310.5}]', ''
       FROM trial JOIN participant ON participant.id = participant_id WHERE study_id = :study""",
    """INSERT INTO annotation (decision_id, image_id)
       SELECT decision.id, chosen_image_id FROM decision JOIN trial ON trial.id = trial_id
       JOIN participant ON participant.id = participant_id WHERE study_id = :study""",
    """INSERT INTO stroke (annotation_id, position, tool, radius, points)
       SELECT annotation.id, 0, 'brush', 3, '[[4, 4, 0], [12, 12, 40]]' FROM annotation
       JOIN decision ON decision.id = decision_id JOIN trial ON trial.id = trial_id
       JOIN participant ON participant.id = participant_id WHERE study_id = :study""",
    """INSERT INTO quality_flag (participant_id, kind, detail)
       SELECT id, 'one_side', '{"share": 0.9}' FROM participant WHERE study_id = :study""",
    """INSERT INTO quiz_attempt (participant_id, number, answers, wrong)
       SELECT id, 1, '{"q1": 1}', '[]' FROM participant WHERE study_id = :study""",
    """INSERT INTO image_advice (study_id, image_id, score, map_hash, map_bytes)
       SELECT :study, real_image_id, 0.5, 'heat', 1 FROM pair WHERE study_id = :study""",
    """INSERT INTO region_check (study_id, image_id, prompt, region, min_iou, served_bytes)
       SELECT :study, real_image_id, 'The nose', '[[1, 1], [9, 1], [9, 9]]', 0.5, 4096
       FROM pair WHERE study_id = :study""",
    """INSERT INTO saliency_map (map_set_id, image_id, blob_hash, annotators, coverage, entropy)
       SELECT :map_set, real_image_id, 'map', 1, 0.1, 3 FROM pair WHERE study_id = :study""",
)
"""As many participants as pairs, each with a row in every table."""


class OnePicture:
    """A store in which every blob is the same map."""

    def __init__(self) -> None:
        self._png = encode_map_png(np.zeros((16, 16), dtype=np.float32))

    def get(self, _hash: str) -> bytes:
        return self._png


@pytest.fixture(params=ALL_OF_IT)
def contents(request) -> Contents:
    return ALL_OF_IT[request.param]


BATCHES = {
    "app.db.ROWS_AT_A_TIME": 25,
    "app.exports.annotations.LINES_AT_A_TIME": 25,
    "app.exports.archives.HELD_BYTES": 10_000,
    "app.exports.archives.PIECE_BYTES": 10_000,
    "app.exports.cells.CHUNK_BYTES": 5_000,
    "app.exports.masks.MASKS_AT_A_TIME": 25,
    "app.exports.parquet.LINE_BYTES_IN_A_GROUP": 10_000,
    "app.exports.parquet.ROWS_IN_A_GROUP": 25,
}
"""What is held at once, much smaller than even the small study."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch) -> None:
    for name, value in BATCHES.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
def studies(db) -> tuple[Study, Study]:
    """A study, and one with four times as much of everything."""
    few, many = (study_of(db, count) for count in (FEW, MANY))
    return few, many


def study_of(session: Session, count: int) -> Study:
    arm = ArmFactory()
    map_set = MapSet(study_id=arm.study_id, version=1, parameters={}, state=JobState.SUCCEEDED)
    session.add(map_set)
    session.flush()
    asked = {"count": count, "study": arm.study_id, "arm": arm.id, "map_set": map_set.id}
    session.execute(text("UPDATE image SET content_hash = 'other-' || id WHERE content_hash LIKE 'memory-%'"))
    for rows in ROWS:
        session.execute(text(rows), asked)
    session.execute(text("ANALYZE"))
    return session.get_one(Study, arm.study_id)


def peaks(session: Session, study: Study, contents: Contents) -> dict[str, int]:
    """The most bytes that Python held while it made each kind of file, and the directory of their archive."""
    found: dict[str, int] = {}

    def metered() -> Iterator[ExportMember]:
        for kind, alike in groupby(members(session, OnePicture(), study, contents), kind_of):
            yield from alike
            found[kind.replace(study.slug.replace("-", ""), "")] = peak()

    with traced():
        exhaust(archive(metered(), folder="study"))
        return found | {"directory": peak()}


def grown(small: dict[str, int], large: dict[str, int]) -> dict[str, tuple[int, int]]:
    """What takes more for the large study than for the small one, and how much both took."""
    return {kind: (small[kind], most) for kind, most in large.items() if most > small[kind] + SLACK}


def kind_of(member: ExportMember) -> str:
    path = Path(member.name)
    return f"{path.parent}/*{path.suffix}" if path.stem.isdecimal() else member.name


def peak() -> int:
    """Bytes, since it was last asked for."""
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    return found


def exhaust(chunks: Iterator[bytes]) -> None:
    deque(chunks, maxlen=0)


@contextmanager
def traced() -> Iterator[None]:
    """Garbage in cycles is collected at once; otherwise much of it waits in a run that holds much else."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200, 1, 1)
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class TestMemory:
    def test_no_file_of_a_study_four_times_as_large_takes_more(self, db, studies, contents):
        few, many = studies
        for member in members(db, OnePicture(), few, contents):  # compiles statements, imports modules
            exhaust(member.chunks)
        small, large = (peaks(db, study, contents) for study in (few, many))
        if grown(small, large):
            # Once in the life of a process Python's table of strings grows to 15 MB, whoever runs then.
            large = peaks(db, many, contents)
        assert grown(small, large) == {}

    def test_the_driver_holds_no_more_rows_than_are_asked_for_at_once(self, db, studies, contents):
        held = [0]

        def count(_connection, cursor, *_rest) -> None:
            held.append(cursor.rowcount)  # -1 of a cursor that the server keeps

        event.listen(db.connection(), "after_cursor_execute", count)
        for member in members(db, OnePicture(), studies[1], contents):
            exhaust(member.chunks)
        assert max(held) <= BATCHES["app.db.ROWS_AT_A_TIME"]
