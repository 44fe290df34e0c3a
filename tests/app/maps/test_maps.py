"""Map sets: numbered, built from the right annotations, and never half there."""

import json
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from app.background import Interrupted
from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers the commands
from app.db import named_locks
from app.errors import BadInput, WrongState
from app.exports.service import export_study
from app.maps.building import build_map_set
from app.maps.service import request_map_set
from app.models import (
    JobState,
    MapSet,
    ParticipantState,
    Question,
    SaliencyMap,
    Stroke,
    Study,
    TrialKind,
)
from saliency.maps.png import decode_map_png
from saliency.parameters import MapParameters
from tests.support import factories
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    TrialFactory,
)

DEFAULT = MapParameters()


class TestRequest:
    def test_it_numbers_the_map_sets_of_a_study(self, db, study):
        versions = [request_map_set(db, study, MapParameters(sigma_px=s)).version for s in (5, 6, 7)]
        assert versions == [1, 2, 3]

    def test_its_job_is_there_once_it_is_committed(self, db, study, jobs_waiting):
        map_set = request_map_set(db, study, DEFAULT)
        db.commit()
        assert jobs_waiting() == [("maps.build", f"maps:{study.id}", {"map_set_id": map_set.id})]

    def test_without_a_commit_there_is_no_job(self, db, study, jobs_waiting):
        request_map_set(db, study, DEFAULT)
        db.rollback()
        assert jobs_waiting() == []
        assert db.query(MapSet).count() == 0

    def test_the_same_on_the_same_is_the_one_that_was_built(self, db, study, build, jobs_waiting):
        built = build()
        waiting = jobs_waiting()
        assert request_map_set(db, study, DEFAULT).id == built.id
        assert jobs_waiting() == waiting

    def test_other_parameters_make_another(self, db, study, build):
        built = build()
        assert request_map_set(db, study, MapParameters(scale="peak")).version == built.version + 1

    def test_one_more_annotation_makes_another(self, db, study, build, paint):
        built = build()
        paint()
        assert request_map_set(db, study, DEFAULT).version == built.version + 1

    def test_a_stale_one_is_not_given_again(self, db, study, build):
        built = build()
        built.stale = True
        db.commit()
        assert request_map_set(db, study, DEFAULT).version == built.version + 1

    def test_a_study_without_annotations_is_refused_and_nothing_is_written(self, db):
        empty = factories.StudyFactory()
        with pytest.raises(BadInput, match="no correct annotation yet"):
            request_map_set(db, empty, DEFAULT)
        assert db.query(MapSet).count() == 0


class TestBuild:
    def test_it_equals_what_the_export_gives_on_its_own(self, db, blobs, study, build, paint, tmp_path):
        for _ in range(3):
            paint()
        built = build()
        export_study(db, blobs, study, tmp_path / "export")
        source, out = tmp_path / "export" / "annotations.jsonl", tmp_path / "alone"
        subprocess.run([sys.executable, "-m", "saliency", "build", source, out], check=True)
        assert maps_of(db, built)
        for row in maps_of(db, built):
            assert blobs.get(row.blob_hash) == (out / "maps" / f"{row.image_id}.png").read_bytes()
        tables = [(folder / "maps.csv").read_text().splitlines() for folder in (out, tmp_path / "export")]
        assert sorted(tables[0]) == sorted(tables[1])

    def test_two_processes_make_the_same_maps_as_one(self, db, study, build, paint):
        paint(), paint()
        alone = [row.blob_hash for row in maps_of(db, build())]
        db.query(MapSet).update({"state": JobState.QUEUED})
        assert [row.blob_hash for row in maps_of(db, build(jobs=2))] == alone

    def test_it_says_what_it_rests_on(self, db, build):
        built = build()
        (row,) = maps_of(db, built)
        assert (built.state, built.annotations, row.annotators) == (JobState.SUCCEEDED, 1, 1)
        assert len(built.inputs_hash) == 64
        assert built.built_at is not None

    @pytest.mark.parametrize("change", ["wrong", "practice", "withdrawn"])
    def test_what_does_not_count_is_left_out(self, db, build, paint, change):
        annotation = paint()
        decision = db.get_one(factories.models.Decision, annotation.decision_id)
        trial = db.get_one(factories.models.Trial, decision.trial_id)
        participant = db.get_one(factories.models.Participant, trial.participant_id)
        decision.correct = change != "wrong"
        trial.kind = TrialKind.PRACTICE if change == "practice" else TrialKind.MAIN
        participant.state = ParticipantState.WITHDRAWN if change == "withdrawn" else ParticipantState.ACTIVE
        db.commit()
        assert build().annotations == 1

    def test_progress_is_told_image_by_image(self, build, paint):
        paint()
        told = []
        build(on_progress=lambda *numbers: told.append(numbers))
        assert told == [(1, 2), (2, 2)]

    def test_strokes_that_cannot_be_read_fail_it_in_one_sentence(self, db, build, annotation):
        stroke = db.query(Stroke).filter_by(annotation_id=annotation.id).one()
        stroke.points = [[1.0, 2.0]]
        db.commit()
        with pytest.raises(BadInput):
            build()
        (failed,) = db.query(MapSet)
        assert failed.state is JobState.FAILED
        assert failed.error.startswith(f"Annotation {annotation.id}: stroke 0: points[0] must be")
        assert "\n" not in failed.error

    def test_a_build_that_failed_can_be_asked_for_again(self, db, blobs, build, monkeypatch):
        monkeypatch.setattr(type(blobs), "put", disk_full)
        with pytest.raises(OSError, match="No space left"):
            build()
        monkeypatch.undo()
        (failed,) = db.query(MapSet)
        again = build()
        assert (failed.state, failed.error) == (JobState.FAILED, "No space left on device")
        assert (again.state, again.version, len(maps_of(db, again))) == (JobState.SUCCEEDED, 2, 1)

    def test_a_build_that_is_stopped_waits_and_shows_no_maps(self, db, build, paint, viewer):
        image_id = db.get_one(factories.models.Annotation, paint().id).image_id
        with pytest.raises(Interrupted):
            build(should_stop=lambda: JobState.QUEUED)
        (waiting,) = db.query(MapSet)
        assert waiting.state is JobState.QUEUED
        assert viewer.get(f"/staff/maps/{waiting.id}/{image_id}.png").status_code == 404

    def test_a_build_that_is_aborted_leaves_no_maps(self, db, build, paint):
        paint()
        with pytest.raises(Interrupted):
            build(should_stop=lambda: JobState.ABORTED)
        (aborted,) = db.query(MapSet)
        assert (aborted.state, maps_of(db, aborted)) == (JobState.ABORTED, [])

    def test_one_map_set_is_built_by_one_at_a_time(self, own_study, blobs):
        sessions, study = own_study
        with sessions.begin() as session:
            map_set_id = request_map_set(session, study, DEFAULT).id
        with (
            named_locks(sessions, {f"map set {map_set_id}": ""}),
            pytest.raises(WrongState, match="worked on already"),
        ):
            build_map_set(sessions, blobs, map_set_id)
        with sessions() as session:
            assert session.get_one(MapSet, map_set_id).state is JobState.QUEUED

    def test_requests_at_once_get_different_numbers(self, own_study):
        sessions, study = own_study
        versions = []

        def ask(sigma: int) -> None:
            with sessions.begin() as session:
                versions.append(request_map_set(session, study, MapParameters(sigma_px=sigma)).version)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 9)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(versions) == list(range(1, 9))


class TestGallery:
    def test_a_stranger_sees_nothing(self, client, build, annotation):
        url = f"/staff/maps/{build().id}/{annotation.image_id}.png"
        assert client.get(url, headers={"accept": "*/*"}).status_code == 401

    def test_raw_is_the_map_itself(self, viewer, db, blobs, build):
        (row,) = maps_of(db, build())
        answer = viewer.get(f"/staff/maps/{row.map_set_id}/{row.image_id}.png?format=raw")
        assert answer.content == blobs.get(row.blob_hash)
        assert decode_map_png(answer.content).max() == 1.0

    def test_the_overlay_is_clear_where_nobody_painted_and_thin_where_all_did(self, viewer, db, build):
        (row,) = maps_of(db, build())
        answer = viewer.get(f"/staff/maps/{row.map_set_id}/{row.image_id}.png")
        overlay = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert overlay.shape == (64, 64, 4)
        assert overlay[63, 63, 3] == 0
        assert overlay[10, 15, 3] == round(0.6 * 255)  # the face is seen through it

    def test_annotations_come_with_who_and_how(self, viewer, study, annotation):
        answer = viewer.get(f"/staff/studies/{study.slug}/images/{annotation.image_id}/annotations.json")
        (painted,) = answer.json()["annotations"]
        assert painted["annotation_id"] == annotation.id
        assert painted["question"] == Question.REAL
        assert painted["strokes"][0]["points"] == [[10.0, 10.0, 0.0], [20.0, 10.0, 40.0]]

    def test_an_image_without_a_map_is_not_found(self, viewer, build):
        assert viewer.get(f"/staff/maps/{build().id}/999999.png").status_code == 404


class TestCommand:
    def test_it_builds_and_says_what_it_built(self, own_study, run_cli):
        _, study = own_study
        result = run_cli("maps", "build", study.slug, "--jobs", "1", "--json")
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        assert (summary["version"], summary["maps"], summary["annotations"]) == (1, 1, 1)

    def test_twice_is_the_same_map_set(self, own_study, run_cli):
        arguments = ("maps", "build", own_study[1].slug, "--jobs", "1", "--json")
        assert run_cli(*arguments).stdout == run_cli(*arguments).stdout


def maps_of(db, map_set: MapSet) -> list[SaliencyMap]:
    query = select(SaliencyMap).where(SaliencyMap.map_set_id == map_set.id)
    return list(db.scalars(query.order_by(SaliencyMap.image_id)))


def disk_full(*_: object) -> str:
    raise OSError("No space left on device")


@pytest.fixture(autouse=True)
def _noise(noise): ...


@pytest.fixture
def annotation(db):
    annotation = AnnotationFactory()
    StrokeFactory(annotation_id=annotation.id)
    return annotation


@pytest.fixture
def study(db, annotation):
    return study_of(db, annotation)


def study_of(db, annotation) -> Study:
    decision = db.get_one(factories.models.Decision, annotation.decision_id)
    trial = db.get_one(factories.models.Trial, decision.trial_id)
    pair = db.get_one(factories.models.Pair, trial.pair_id)
    participant = db.get_one(factories.models.Participant, trial.participant_id)
    arm = db.get_one(factories.models.Arm, participant.arm_id)
    arm.study_id = participant.study_id = pair.study_id  # the factories make them apart
    db.commit()
    return db.get_one(Study, pair.study_id)


@pytest.fixture
def paint(study):
    """One more annotation in the study, by another participant on another image."""

    def paint():
        participant = ParticipantFactory(arm=ArmFactory(study_id=study.id))
        trial = TrialFactory(participant=participant, pair=PairFactory(study_id=study.id))
        annotation = AnnotationFactory(decision=DecisionFactory(trial=trial))
        StrokeFactory(annotation_id=annotation.id, radius=9.5, points=[[40.5, 30.25, 3.0]])
        return annotation

    return paint


@pytest.fixture
def build(db, blobs, study, session_factory):
    def build(**options) -> MapSet:
        map_set = request_map_set(db, study, DEFAULT, queued=False)
        db.commit()
        build_map_set(session_factory, blobs, map_set.id, **options)
        db.refresh(map_set)
        return map_set

    return build


@pytest.fixture
def jobs_waiting(db):
    query = text("SELECT task_name, lock, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
    return lambda: [tuple(row) for row in db.execute(query)]


@pytest.fixture
def own_study(own_database):
    _, sessions = own_database
    with sessions() as session:
        factories.SESSION_HOLDER["session"] = session
        annotation = AnnotationFactory()
        StrokeFactory(annotation_id=annotation.id)
        yield sessions, study_of(session, annotation)


@pytest.fixture
def run_cli(own_database, monkeypatch):
    settings, _ = own_database
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    return lambda *arguments: CliRunner().invoke(cli, arguments)
