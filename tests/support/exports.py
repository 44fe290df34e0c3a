"""A small study with something in every file of an export."""

from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image as Picture
from sqlalchemy.orm import Session

from app import models
from app.models import Label, ParticipantState, Source, TrialKind, TrialState
from app.stimuli.encode import jpeg, png
from app.storage import BlobStore
from app.studies.frozen_plan import freeze
from app.studies.schemas import StudySpec
from app.studies.versions import record
from saliency.maps.png import encode_map_png
from tests.support import factories

SIDE = 64
BEGAN = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
FORMULA = "=cmd|' /C calc'!A0"


def collect_study(session: Session, blobs: BlobStore) -> models.Study:
    """Two arms, all kinds of trials and participants, flags, answers, advice, and a map set; committed."""
    factories.SESSION_HOLDER["session"] = session
    study = factories.StudyFactory(
        slug="faces",
        title="Faces, real & drawn",
        state=models.StudyState.CLOSED,
        opened_at=BEGAN,
        closed_at=BEGAN + timedelta(days=3),
        debrief="Thank you.",
        accepts_simulated=True,
        lease=timedelta(minutes=45),
    )
    arms = [
        factories.ArmFactory(study_id=study.id, name="paint", annotate=True),
        factories.ArmFactory(study_id=study.id, name="look", annotate=False, advice=models.Advice.BOTH),
    ]
    pairs = [_pair(session, blobs, study, number, kind) for number, kind in enumerate(list(TrialKind))]
    region = models.RegionCheck(
        study_id=study.id,
        image_id=pairs[0].real_image_id,
        prompt=FORMULA,
        region=[[1, 2], [30.5, 2], [30, 40]],
        min_iou=0.4,
        served_bytes=8192,
    )
    heat = blobs.put(encode_map_png(np.full((SIDE, SIDE), 0.5, dtype=np.float32)))
    session.add_all(
        [
            region,
            models.ImageAdvice(
                study_id=study.id, image_id=pairs[1].fake_image_id, score=0.75, map_hash=heat, map_bytes=99
            ),
            models.ImageAdvice(study_id=study.id, image_id=pairs[1].real_image_id, score=1 / 3),
        ]
    )
    _versions(session, study)
    session.commit()
    session.expire_all()  # descriptions have the order of keys that the database gives them
    people = [_participant(session, arms[number % 2], number) for number in range(5)]
    for number, person in enumerate(people[:4]):
        _work(session, person, pairs, region, paints=number % 2 == 0)
    _flags(session, people)
    _map_set(session, blobs, study, pairs)
    session.commit()
    return study


def _versions(session: Session, study: models.Study) -> None:
    """Two versions, the first with a plan that was frozen."""
    plan = {"hypotheses": ["Painting helps."], "participants": 5}
    said = {"slug": "faces", "title": "Faces", "pairs": {"per_source": 20}, "plan": plan}
    study.spec = StudySpec.model_validate(said | {"debrief": "Old."}).model_dump(mode="json")
    freeze(study)
    record(session, study, reason="Opened.", staff_id=None).made_at = BEGAN
    study.version, study.spec = 2, StudySpec.model_validate(said).model_dump(mode="json")
    record(session, study, reason="No debrief.", staff_id=None).made_at = BEGAN + timedelta(days=1)


def _pair(session: Session, blobs: BlobStore, study: models.Study, number: int, kind: TrialKind):
    images = [_image(blobs, 2 * number + side, label) for side, label in enumerate(list(Label))]
    return factories.PairFactory(
        study_id=study.id,
        kind=kind,
        real_image_id=images[0].id,
        fake_image_id=images[1].id,
        served_bytes=-(-max(one.display_bytes for one in images) // 4096) * 4096 + 4096,
    )


def _image(blobs: BlobStore, number: int, label: Label) -> models.Image:
    pixels = np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    picture = Picture.fromarray(pixels)
    content, display = png(picture), jpeg(picture)
    box = {"face_x": 1.5, "face_y": 2.0, "face_width": 40.0, "face_height": 50.25} if number % 2 else {}
    return factories.ImageFactory(
        label=label,
        content_hash=blobs.put(content),
        display_hash=blobs.put(display),
        display_bytes=len(display),
        split=models.Split.TRAIN if number == 0 else None,
        group=f"person {number}" if number % 2 else None,
        original_name=f"=face{number}.png",
        **box,
    )


def _participant(session: Session, arm: models.Arm, number: int) -> models.Participant:
    states = [
        ParticipantState.FINISHED,
        ParticipantState.ACTIVE,
        ParticipantState.SCREENED_OUT,
        ParticipantState.FINISHED,
        ParticipantState.WITHDRAWN,
    ]
    state, when = states[number], BEGAN + timedelta(microseconds=7 - number)
    is_out, is_done = state is ParticipantState.SCREENED_OUT, state is ParticipantState.FINISHED
    person = factories.ParticipantFactory(
        arm=arm,
        state=state,
        source=Source.SIMULATED if number == 3 else Source.PROLIFIC,
        consented_at=when,
        finished_at=when + timedelta(minutes=20) if is_done else None,
        screened_out_at=when + timedelta(minutes=5) if is_out else None,
        screened_out_by=models.Screening.CHECKS if is_out else None,
        excluded_at=when + timedelta(hours=1) if number == 3 else None,
        exclusion={"rules": {"one_side": 0.9}, "reasons": []} if number == 3 else None,
        client={"screen": 1920, "ratio": 1.25, "touch": False, "agent": "nobody's business"},
        device={
            "width": 1280,
            "height": 719.5,
            "pixel_ratio": 2,
            "pointer": "fine",
            "touch": False,
            "images_load": True,
            "passed": True,
        },
        quiz_passed_at=when + timedelta(minutes=2) if is_done else None,
        answers={"age": "31", "remarks": FORMULA, "why": "a, b\n=2"} if is_done else None,
        pastes=2 if is_done else None,
        drops=0 if is_done else None,
        answered_at=when + timedelta(minutes=19) if is_done else None,
    )
    if state is not ParticipantState.WITHDRAWN:
        for attempt, wrong in enumerate([["q1", "q2"], []], start=1):
            session.add(
                models.QuizAttempt(
                    participant_id=person.id,
                    number=attempt,
                    answers={"q1": attempt, "q2": 2},
                    wrong=wrong,
                    attempted_at=when + timedelta(minutes=attempt),
                )
            )
    session.commit()
    return person


def _work(session: Session, person: models.Participant, pairs, region, *, paints: bool) -> None:
    for position, pair in enumerate(pairs):
        trial = factories.TrialFactory(
            participant=person,
            pair=pair,
            position=position,
            kind=pair.kind,
            question=list(models.Question)[position % 2],
            state=TrialState.DECIDED,
            shown_at=BEGAN + timedelta(minutes=position, microseconds=1),
            advice=None if paints else {"decision": "left", "confidence": 0.75},
        )
        decision = factories.DecisionFactory(
            trial=trial,
            correct=position != 0,
            decision_ms=1234.5 + position,
            annotation_ms=800.25 if paints else None,
            decided_at=BEGAN + timedelta(minutes=position + 1),
            events=[
                {"kind": "loaded", "t_ms": 0, "load_ms": 310.5},
                {"kind": "hidden", "t_ms": 1000.25},
                {"kind": "reload", "t_ms": 2100, "away_ms": 5000, "word": 'a "b"'},
            ],
        )
        if paints:
            _paint(decision)
    trial = factories.TrialFactory(
        participant=person,
        pair_id=None,
        region_check_id=region.id,
        question=None,
        left_image_id=region.image_id,
        right_image_id=None,
        position=len(pairs),
        kind=TrialKind.CHECK,
        state=TrialState.DECIDED,
        shown_at=BEGAN,
    )
    decision = factories.DecisionFactory(
        trial=trial, chosen_image_id=region.image_id, region_iou=0.625, decided_at=BEGAN + timedelta(hours=1)
    )
    _paint(decision)


def _paint(decision: models.Decision) -> None:
    annotation = factories.AnnotationFactory(decision=decision)
    factories.StrokeFactory(annotation_id=annotation.id, position=0)
    factories.StrokeFactory(
        annotation_id=annotation.id,
        position=1,
        tool=models.Tool.ERASER,
        radius=2.25,
        points=[[0.1, 63.5, 12.5], [12, 10.100000000000001, 1e-07]],
    )


def _flags(session: Session, people: list[models.Participant]) -> None:
    trial = session.query(models.Trial).filter_by(participant_id=people[0].id, position=1).one()
    for person, one, detail in (
        (people[0], trial.id, {"decision_ms": 90, "note": "quick"}),
        (people[0], None, {"by": "staff"}),
        (people[2], None, {}),
    ):
        flag = models.QualityFlag(
            participant_id=person.id, trial_id=one, kind="fast_decision", detail=detail, raised_at=BEGAN
        )
        session.add(flag)
        session.flush()


def _map_set(session: Session, blobs: BlobStore, study: models.Study, pairs) -> None:
    map_set = models.MapSet(
        study_id=study.id,
        version=3,
        parameters={"sigma_px": 5, "include": "correct"},
        state=models.JobState.SUCCEEDED,
        inputs_hash="0" * 64,
        annotations=2,
        simulated=0,
        built_at=BEGAN,
    )
    session.add(map_set)
    session.flush()
    values = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    for pair, agreement in zip(pairs[:2], (None, 1 / 3), strict=True):
        session.add(
            models.SaliencyMap(
                map_set_id=map_set.id,
                image_id=pair.real_image_id,
                blob_hash=blobs.put(encode_map_png(values)),
                annotators=2,
                coverage=1 / 7,
                entropy=3.0,
                agreement=agreement,
                accuracy=0.5,
            )
        )
