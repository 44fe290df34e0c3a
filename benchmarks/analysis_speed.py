"""How long an analysis takes: a study of the paper's size, 363 participants and 10,890 decisions.

Half of the decisions are painted. Everything is simulated and labelled so.

    python benchmarks/analysis_speed.py [--keep FOLDER]
"""

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from accuracy.reporting.report import Facts, draw, html, pdf
from app import models
from app.analysis.queries import Choice
from app.analysis.reading import read_decisions
from app.analysis.service import compute
from app.cli.context import opened
from app.db import snapshot

PARTICIPANTS, PAIRS, TRIALS, SIDE = 363, 1000, 30, 512
SOURCES = ("sr-generator", "style-generator")


def filled(session: Session) -> models.Study:
    """A study with two arms and everybody's decisions."""
    rng = np.random.default_rng(0)
    study = models.Study(
        slug="simulated-speed", title="Simulated: accuracy with and without painting",
        state=models.StudyState.OPEN, trials_per_participant=TRIALS, judgements=5, lease=timedelta(hours=1),
        consent="-", consent_version="1", instructions="-", spec={}, accepts_simulated=True,
    )  # fmt: skip
    session.add(study)
    session.flush()
    arms = [
        models.Arm(study_id=study.id, name=name, annotate=name == "annotate")
        for name in ("annotate", "control")
    ]
    images = [
        models.Image(
            content_hash=f"{label}{at}",
            display_hash=f"{label}{at}",
            display_bytes=1,
            label=label,
            source="camera" if label is models.Label.REAL else SOURCES[at % 2],
            width=SIDE,
            height=SIDE,
            original_name=f"{at}.png",
            generated=True,
            face_x=128,
            face_y=128,
            face_width=256,
            face_height=256,
        )
        for at in range(PAIRS)
        for label in models.Label
    ]
    session.add_all([*arms, *images])
    session.flush()
    pairs = [
        models.Pair(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id, served_bytes=1)
        for real, fake in zip(images[::2], images[1::2], strict=True)
    ]
    session.add_all(pairs)
    session.flush()
    fill_visits(session, study, arms, pairs, rng)
    return study


def fill_visits(session, study, arms, pairs, rng) -> None:
    ease = rng.normal(0, 0.8, len(pairs))
    people, trials, decisions = [], [], []
    now = datetime.now(UTC)
    for number in range(PARTICIPANTS):
        arm = arms[number % 2]
        person = uuid4()
        people.append({
            "id": person, "study_id": study.id, "arm_id": arm.id, "source": models.Source.SIMULATED,
            "consent_version": "1", "lease_expires_at": now, "client": {},
            "state": models.ParticipantState.FINISHED,
        })  # fmt: skip
        skill = rng.normal(0.3 + 0.5 * arm.annotate, 0.5)
        for position, at in enumerate(rng.choice(len(pairs), TRIALS, replace=False), start=1):
            pair, trial = pairs[at], uuid4()
            question = models.Question.REAL if rng.random() < 0.5 else models.Question.FAKE
            faces = [pair.real_image_id, pair.fake_image_id]
            left = int(rng.random() < 0.5)
            correct = bool(rng.random() < 1 / (1 + np.exp(-skill - ease[at])))
            wanted = faces[question is models.Question.FAKE]
            chosen = wanted if correct else faces[question is not models.Question.FAKE]
            trials.append({
                "id": trial, "participant_id": person, "pair_id": pair.id, "question": question,
                "position": position, "kind": models.TrialKind.MAIN, "state": models.TrialState.DECIDED,
                "left_image_id": faces[left], "right_image_id": faces[1 - left],
                "left_token": uuid4().hex, "right_token": uuid4().hex,
            })  # fmt: skip
            decisions.append({
                "trial_id": trial, "chosen_image_id": chosen, "correct": correct,
                "choice": models.Side.LEFT if chosen == faces[left] else models.Side.RIGHT,
                "decision_ms": float(rng.lognormal(8.3, 0.6)), "events": [], "body_hash": trial.hex,
                "annotation_ms": float(rng.lognormal(9, 0.5)) if arm.annotate else None,
            })  # fmt: skip
    session.execute(insert(models.Participant), people)
    session.execute(insert(models.Trial), trials)
    kept = session.execute(
        insert(models.Decision).returning(models.Decision.id, sort_by_parameter_order=True), decisions
    ).scalars()
    fill_strokes(session, [one | {"id": id_} for one, id_ in zip(decisions, kept, strict=True)], rng)


def fill_strokes(session, decisions, rng) -> None:
    painted = [one for one in decisions if one["annotation_ms"] is not None]
    rows = [{"decision_id": one["id"], "image_id": one["chosen_image_id"]} for one in painted]
    ids = session.execute(
        insert(models.Annotation).returning(models.Annotation.id, sort_by_parameter_order=True), rows
    ).scalars()
    strokes = []
    for one, annotation in zip(painted, ids, strict=True):
        at = rng.normal((256, 300 if one["correct"] else 220), 60, 2)
        for position in range(3):
            walk = np.cumsum(rng.normal(0, 5, (40, 2)), axis=0) + at
            points = [[float(x), float(y), 20.0 * step] for step, (x, y) in enumerate(walk)]
            strokes.append({
                "annotation_id": annotation, "position": position, "tool": models.Tool.BRUSH,
                "radius": 12.0, "points": points,
            })  # fmt: skip
    session.execute(insert(models.Stroke), strokes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="data folder to leave the study in")
    keep = parser.parse_args().keep
    folder = keep or Path(tempfile.mkdtemp(prefix="cyborg-analysis-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    os.environ["CYBORG_DATA_DIR"] = str(folder)
    with opened() as context:
        with context.sessions.begin() as session:
            study = filled(session)
        with snapshot(context.sessions) as session:
            measure(session, study)


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measure(session: Session, study: models.Study) -> None:
    choice = Choice("simulated")
    marks = [("start", clock())]
    decisions = read_decisions(session, study.id, choice)
    marks.append((f"read {len(decisions.frame)} decisions", clock()))
    computed = compute(session, study, choice)
    marks.append(("rasterise annotations and compute every estimate", clock()))
    drawn = draw(computed.figures)
    marks.append((f"draw {len(drawn)} figures", clock()))
    facts = Facts(datetime.now(UTC), computed.inputs_hash)
    pages = html(computed.analysis, drawn, facts), pdf(computed.analysis, computed.figures, facts)
    marks.append(
        (
            f"write the report ({len(pages[0]) >> 10} kB HTML, {len(pages[1]) >> 10} kB PDF)",
            clock(),
        )
    )
    for (_, before), (what, after) in pairwise(marks):
        print(f"{after[0] - before[0]:6.2f} s, {after[1] - before[1]:6.2f} s of this process's CPU: {what}")


if __name__ == "__main__":
    main()
