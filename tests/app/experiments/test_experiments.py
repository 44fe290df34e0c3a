"""Datasets, grids and the child process: what is frozen, what is asked for, and how a run can end."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from app.background import Interrupted
from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers the commands
from app.errors import BadInput, NotFound, WrongState
from app.experiments import background_tasks, records
from app.experiments.background_tasks import do_task, request_export, request_freeze
from app.experiments.datasets import FreezeParameters, audit_of, find_dataset, freeze_dataset
from app.experiments.service import abort_run, find_experiment, request_experiment, results, runs_of
from app.experiments.supervisor import SupervisorOptions, supervise
from app.exports import dictionary
from app.maps.building import build_map_set
from app.maps.service import request_map_set
from app.models import (
    Dataset,
    DatasetImage,
    Experiment,
    Image,
    JobState,
    Label,
    Pair,
    Participant,
    ParticipantState,
    Run,
    RunEvent,
    Split,
)
from app.recruitment.service import withdraw
from app.stimuli.setting_aside import set_aside_unshown
from app.stimuli.splits import Unsplit, assign_splits
from app.storage import BlobStore
from saliency.images.file_facts import FileFacts
from saliency.maps.png import decode_map_png
from saliency.parameters import MapParameters
from tests.support import factories
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.grids import PICTURE, make_dataset, make_experiment, make_trained
from tests.training.reporting.test_degraded import HARM, degrade
from training.config import Recipe
from training.data.audit import audit_dataset
from training.data.dataset import DatasetWriter, load_dataset
from training.data.judgements import JudgedImage

TOY = (sys.executable, "-m", "tests.support.toy_training")


class TestSplits:
    def test_every_split_has_both_labels(self):
        splits = deal([candidate(n, "real" if n % 2 else "fake") for n in range(6)])
        found = {(split, n % 2) for n, split in splits.items()}
        assert found == {(split, odd) for split in ("train", "val", "test") for odd in (0, 1)}

    def test_the_fractions_hold_within_each_source(self):
        images = [candidate(n, "fake", source=("gan", "diffusion")[n % 2]) for n in range(400)]
        splits = deal(images)
        for odd in (0, 1):
            count = Counter(split for n, split in splits.items() if n % 2 == odd)
            assert count["test"] == pytest.approx(50, abs=1)
            assert count["val"] == pytest.approx(30, abs=1)

    def test_a_group_stays_in_one_split(self):
        images = [candidate(n, "real", group=f"person {n // 7}") for n in range(210)]
        splits = deal(images)
        assert all(len({splits[7 * g + i] for i in range(7)}) == 1 for g in range(30))

    def test_the_order_of_the_images_makes_no_difference(self):
        images = [candidate(n, "real", group=f"g{n % 50}" if n % 3 else None) for n in range(120)]
        assert deal(images) == deal(images[::-1])

    def test_another_seed_sets_others_aside(self):
        images = [candidate(n, "real") for n in range(100)]
        assert deal(images, seed=1) != deal(images, seed=2)

    def test_a_split_given_at_import_is_kept_and_its_group_follows(self):
        images = [candidate(n, "real") for n in range(40)]
        given = [candidate(100, "real", group="p", split="test"), candidate(101, "real", group="p")]
        splits = deal(images + given)
        assert splits[100] == splits[101] == "test"
        assert Counter(splits.values())["test"] == 2
        assert Counter(splits.values())["val"] == 6

    def test_a_group_imported_into_two_splits_is_refused(self):
        images = [candidate(1, "real", group="p", split="test"), candidate(2, "real", group="p", split="val")]
        with pytest.raises(BadInput, match="group p was imported into several splits: test and val"):
            deal(images)

    def test_too_few_to_set_aside_is_one_sentence(self):
        with pytest.raises(BadInput, match="too few real images"):
            deal([candidate(n, "real") for n in range(2)])

    @pytest.mark.parametrize("shares", [{"val": 0.15, "test": 0.6}, {"val": 0.01, "test": 0.01}])
    def test_no_split_stays_empty_however_small(self, shares):
        splits = assign_splits([candidate(n, "real") for n in range(3)], seed=0, **shares)
        assert set(splits.values()) == {"train", "val", "test"}


class TestFreeze:
    def test_it_holds_every_image_of_the_pairs_and_the_maps_there_are(self, db, frozen):
        folder = load_dataset(Path(frozen().folder), verify=True)
        assert len(folder.samples) == 16
        assert [sample.annotators for sample in folder.samples if sample.map] == [1]

    def test_the_same_again_is_the_same_dataset(self, db, frozen):
        assert frozen().id == frozen().id
        assert db.query(Dataset).count() == 1

    def test_the_same_in_a_folder_of_ones_own_is_the_same_dataset(self, db, frozen, tmp_path):
        first, second = frozen(), frozen(tmp_path / "mine")
        assert (second.id, second.folder) == (first.id, first.folder)
        assert load_dataset(tmp_path / "mine").id == first.content_hash

    def test_other_parameters_make_another(self, frozen):
        assert frozen().content_hash != frozen(size=48).content_hash

    def test_image_and_map_go_through_one_crop(self, frozen, annotated):
        folder = Path(frozen(size=32).folder)
        image = cv2.imread(str(folder / "images" / f"{annotated.id}.png"))
        saliency = decode_map_png((folder / "maps" / f"{annotated.id}.png").read_bytes())
        assert image.shape[:2] == saliency.shape == (32, 32)
        # The white square of the picture is where the stroke is, before and after.
        bright = np.argwhere(image[..., 0] > 128).mean(axis=0)
        salient = np.average(np.indices(saliency.shape).reshape(2, -1), axis=1, weights=saliency.ravel())
        assert np.abs(bright - salient).max() < 1.5

    def test_without_a_crop_the_whole_image_is_there(self, frozen, annotated):
        whole, face = (Path(frozen(size=64, crop=crop).folder) for crop in (False, True))
        name = f"images/{annotated.id}.png"
        assert cv2.imread(str(whole / name)).mean() < cv2.imread(str(face / name)).mean()

    def test_images_imported_for_the_test_join_as_such(self, db, blobs, frozen):
        outsider = picture(blobs, label=Label.FAKE, source="unseen", split=Split.TEST)
        picture(blobs, label=Label.REAL, source="elsewhere")
        folder = load_dataset(Path(frozen().folder))
        assert [sample.image_id for sample in folder.of("test")] == [str(outsider.id)]
        assert {sample.source for sample in folder.of("train")} == {"camera", "generator"}

    def test_it_is_known_of_every_image_that_a_dataset_holds_it(self, db, frozen):
        first, second = frozen(), frozen(size=48)
        frozen()  # again
        rows = db.execute(select(DatasetImage.dataset_id, DatasetImage.image_id)).all()
        samples = load_dataset(Path(first.folder)).samples
        assert sorted(rows) == sorted(
            (dataset.id, int(sample.image_id)) for dataset in (first, second) for sample in samples
        )

    def test_images_that_no_study_shows_make_the_test_when_that_is_asked(self, db, blobs, study, frozen):
        unshown = [picture(blobs, label=label) for label in Label for _ in range(2)]
        assert len(load_dataset(Path(frozen().folder)).samples) == 16
        assert set_aside_unshown(db, study) == 4
        folder = load_dataset(Path(frozen().folder))
        assert {sample.image_id for sample in folder.of("test")} == {str(image.id) for image in unshown}
        assert len(folder.of("train", "val")) == 16

    def test_those_of_other_sources_than_asked_for_stay_out(self, blobs, frozen):
        mine = picture(blobs, label=Label.FAKE, source="mine", split=Split.TEST)
        picture(blobs, label=Label.FAKE, source="of another study", split=Split.TEST)
        chosen, whole = frozen(sources=("mine",)), frozen()
        assert [one.image_id for one in load_dataset(Path(chosen.folder)).of("test")] == [str(mine.id)]
        assert len(load_dataset(Path(whole.folder)).of("test")) == 2

    def test_it_says_how_much_of_it_is_simulated(self, frozen):
        head = json.loads((Path(frozen().folder) / "dataset.json").read_text())
        assert set(head) == set(dictionary.DATASET.names)
        assert (head["parameters"]["annotations"], head["parameters"]["simulated_annotations"]) == (1, 0)

    def test_it_keeps_which_images_were_a_pair_and_how_they_were_judged(self, db, study, frozen):
        first, second = pairs_of(db, study)[:2]
        for correct, ms in ((True, 3000.0), (False, 4000.25), (False, 9000.0)):
            judge(study, second, correct=correct, decision_ms=ms)
        folder = load_dataset(Path(frozen().folder), verify=True)
        told = {(pair.real, pair.fake): (pair.judgements, pair.correct) for pair in folder.pairs}
        assert len(told) == 8
        assert told.pop(ids(first)) == (1, 1)  # by who painted
        assert told.pop(ids(second)) == (3, 1)
        assert set(told.values()) == {(0, 0)}
        assert set(folder.judged) == {*ids(first), *ids(second)}
        for image_id in ids(second):
            assert folder.judged[image_id] == JudgedImage(image_id, 3, 1, 4000.2)

    @pytest.mark.parametrize(
        "counts_not",
        [
            {"state": ParticipantState.SCREENED_OUT},
            {"excluded_at": datetime(2026, 1, 1, tzinfo=UTC), "exclusion": {"rules": {}}},
        ],
    )
    def test_it_counts_judgements_and_nothing_else(self, db, study, frozen, counts_not):
        pair = pairs_of(db, study)[1]
        judge(study, pair, **counts_not)
        kinds = {kind: PairFactory(study_id=study.id, kind=kind) for kind in ("practice", "check")}
        for kind, other in kinds.items():
            judge(study, other, kind=kind)
        folder = load_dataset(Path(frozen().folder))
        assert sum(pair.judgements for pair in folder.pairs) == 1
        assert ids(pair)[0] not in folder.judged
        assert not {ids(other) for other in kinds.values()} & {(one.real, one.fake) for one in folder.pairs}

    def test_who_judged_and_withdraws_while_it_is_written_makes_it_stale(
        self, db, blobs, study, built, tmp_path
    ):
        participant = judge(study, pairs_of(db, study)[1])

        def somebody_withdraws(done, _total):
            if done == 1:
                withdraw(db, participant)

        frozen = freeze_dataset(
            db,
            blobs,
            built,
            tmp_path / "mine",
            datasets_dir=tmp_path,
            parameters=FreezeParameters(size=64),
            on_progress=somebody_withdraws,
        )
        assert (frozen.stale, built.stale) == (True, False)  # they painted nothing

    def test_who_judged_and_withdraws_later_makes_it_stale(self, db, study, built, frozen):
        participant, passer_by = (
            judge(study, pairs_of(db, study)[1]),
            ParticipantFactory(arm=ArmFactory(study_id=study.id)),
        )
        dataset = frozen()
        withdraw(db, passer_by)
        db.refresh(dataset)
        assert not dataset.stale
        withdraw(db, participant)
        db.refresh(dataset)
        db.refresh(built)
        assert (dataset.stale, built.stale) == (True, False)

    def test_it_keeps_beside_it_whether_labels_can_be_told_by_what_is_not_the_face(self, db, blobs, frozen):
        for label in Label:
            for _ in range(12):
                picture(blobs, label=label, split=Split.TEST)
        for image in db.scalars(select(Image)):
            quality = 95 if image.label is Label.REAL else 75
            image.file = FileFacts("JPEG", 5000, 96, 80, quality, "4:2:0").as_record()
        dataset = frozen()
        told = {finding.group: finding.estimate for finding in audit_of(dataset).findings}
        assert told["encoding"].auc == 1.0
        assert told["colour"].low <= 0.5 <= told["colour"].high
        assert audit_dataset(load_dataset(Path(dataset.folder), verify=True)) == audit_of(dataset)
        assert len(audit_of(dataset).warnings) == 1

    def test_few_images_have_no_audit(self, frozen):
        assert audit_of(frozen()) is None

    def test_a_stale_map_set_is_refused(self, frozen, built):
        built.stale = True
        with pytest.raises(WrongState, match="withdrew"):
            frozen()

    def test_a_withdrawal_while_it_is_written_makes_it_stale(self, db, blobs, built, tmp_path):
        def somebody_withdraws(_done, _total):
            db.execute(text("UPDATE map_set SET stale = true"))

        frozen = freeze_dataset(
            db,
            blobs,
            built,
            tmp_path / "mine",
            datasets_dir=tmp_path,
            parameters=FreezeParameters(size=64),
            on_progress=somebody_withdraws,
        )
        assert frozen.stale

    def test_nothing_is_left_of_a_freeze_that_failed(self, db, frozen, annotated, settings):
        annotated.content_hash = "gone"
        with pytest.raises(FileNotFoundError):
            frozen()
        assert list(settings.datasets_dir.iterdir()) == []
        assert db.query(Dataset).count() == 0

    def test_it_is_never_written_over_another(self, frozen, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("mine")
        with pytest.raises(BadInput, match="exists already"):
            frozen(tmp_path / "mine")

    def test_fractions_that_leave_nothing_are_refused(self):
        with pytest.raises(ValidationError, match="leave something to train on"):
            FreezeParameters(val=0.5, test=0.5)

    def test_it_is_found_by_number_hash_and_folder(self, db, frozen):
        dataset = frozen()
        names = (str(dataset.id), dataset.content_hash[:12], dataset.folder)
        assert {find_dataset(db, name).id for name in names} == {dataset.id}
        with pytest.raises(NotFound, match="no dataset 'nowhere'"):
            find_dataset(db, "nowhere")


class TestBackgroundTasks:
    def test_a_freeze_tells_how_far_it_is_and_ends_in_a_dataset(self, db, session_factory, blobs, freeze):
        do_task(session_factory, blobs, freeze.id)
        db.refresh(freeze)
        assert (freeze.state, freeze.done, freeze.total) == (JobState.SUCCEEDED, 16, 16)
        assert Path(db.get_one(Dataset, freeze.result["dataset"]).folder).is_dir()

    def test_one_that_cannot_be_done_says_why(self, db, session_factory, blobs, freeze, built):
        built.stale = True
        db.commit()
        do_task(session_factory, blobs, freeze.id)
        db.refresh(freeze)
        assert freeze.state is JobState.FAILED
        assert "withdrew" in freeze.error

    def test_a_worker_that_must_stop_leaves_it_to_the_next(
        self, db, session_factory, blobs, freeze, settings
    ):
        with pytest.raises(Interrupted):
            do_task(session_factory, blobs, freeze.id, should_stop=lambda: JobState.QUEUED)
        db.refresh(freeze)
        assert freeze.state is JobState.QUEUED
        assert list(settings.datasets_dir.iterdir()) == []
        do_task(session_factory, blobs, freeze.id)
        db.refresh(freeze)
        assert freeze.state is JobState.SUCCEEDED

    def test_one_that_has_ended_is_not_done_again(self, db, session_factory, blobs, freeze):
        freeze.state = JobState.FAILED
        db.commit()
        do_task(session_factory, blobs, freeze.id)
        assert db.query(Dataset).count() == 0

    def test_a_bug_is_told_in_its_row_and_not_hidden(self, db, session_factory, blobs, freeze, annotated):
        annotated.content_hash = "gone"
        db.commit()
        with pytest.raises(FileNotFoundError):
            do_task(session_factory, blobs, freeze.id)
        db.refresh(freeze)
        assert "No such file" in freeze.error

    @pytest.mark.parametrize(
        ("says", "state", "left"),
        [
            ("import os,sys; os.makedirs(sys.argv[2]); open(sys.argv[2] + '/a', 'w')", "succeeded", True),
            ("import sys; sys.exit('Error: The checkpoint is gone.')", "failed", False),
        ],
    )
    def test_an_export_is_a_zip_or_a_sentence(
        self, db, session_factory, blobs, tmp_path, monkeypatch, says, state, left
    ):
        monkeypatch.setattr(background_tasks, "EXPORT", (sys.executable, "-c", says))
        (run,) = runs_of(db, make_experiment(db, tmp_path, "net", queued=False))
        run.state = JobState.SUCCEEDED
        Path(run.folder).mkdir(parents=True)
        task = request_export(db, run, staff_id=None)
        db.commit()
        do_task(session_factory, blobs, task.id)
        db.refresh(task)
        assert (task.state, background_tasks.export_of(run).is_file()) == (state, left)
        names = [path.name for path in Path(run.folder).iterdir()]
        assert names == ([background_tasks.EXPORTED] if left else [])
        assert left or task.error == "The checkpoint is gone."

    def test_a_run_that_has_not_finished_is_not_exported(self, db, tmp_path):
        (run,) = runs_of(db, make_experiment(db, tmp_path, "net", queued=False))
        with pytest.raises(WrongState, match="queued"):
            request_export(db, run, staff_id=None)


def write_dataset(folder):
    """Images of two generators in either split that a run learns from."""
    with DatasetWriter(folder, study="s", map_set="m") as writer:
        for split in ("train", "val"):
            for source in ("camera", "ganA", "ganB"):
                label = "real" if source == "camera" else "fake"
                writer.add(
                    image_id=f"{split}-{source}", image=PICTURE, label=label, source=source, split=split
                )


class TestRequest:
    def test_it_makes_a_run_and_a_job_for_each_cell_and_seed(self, db, tmp_path):
        grid = {"objectives": ("cross_entropy", "cyborg"), "seeds": 2}
        experiment = make_experiment(db, tmp_path, "resnet18", grid=grid)
        runs = runs_of(db, experiment)
        assert [(run.scenario, run.seed) for run in runs] == [
            ("cross_entropy", 0),
            ("cyborg", 0),
            ("cross_entropy", 1),
            ("cyborg", 1),
        ]
        assert len({run.folder for run in runs}) == 4
        query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'experiments.train'")
        assert db.scalar(query) == 4

    def test_without_a_commit_nothing_is_there(self, db, tmp_path):
        dataset = make_dataset(db, tmp_path)
        db.commit()
        recipe = Recipe(name="r", architectures=("a",), objectives=("cyborg",))
        request_experiment(db, dataset, recipe, name="x", staff_id=None, runs_dir=tmp_path)
        db.rollback()
        assert db.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 0
        assert db.query(Experiment).count() == db.query(Run).count() == 0

    def test_a_generator_that_cannot_be_left_out_is_told_at_once(self, db, tmp_path):
        dataset = make_dataset(db, tmp_path / "d")
        write_dataset(tmp_path / "d")
        recipe = Recipe(name="r", architectures=("a",), objectives=("cross_entropy",), leave_out=("ganC",))
        with pytest.raises(WrongState, match="ganC cannot be left out: the dataset has no such source"):
            request_experiment(db, dataset, recipe, name="x", staff_id=None, runs_dir=tmp_path)

    def test_a_grid_without_each_generator_is_queued_beside_the_whole_one(self, db, tmp_path):
        dataset = make_dataset(db, tmp_path / "d")
        write_dataset(tmp_path / "d")
        recipe = Recipe(name="r", architectures=("a",), objectives=("cross_entropy",), leave_out=("ganA",))
        made = request_experiment(db, dataset, recipe, name="x", staff_id=None, runs_dir=tmp_path)
        assert [run.scenario for run in runs_of(db, made)] == [
            "cross_entropy",
            "cross_entropy-without-ganA",
        ]

    def test_a_stale_dataset_is_refused(self, db, tmp_path):
        dataset = make_dataset(db, tmp_path)
        dataset.stale = True
        recipe = Recipe(name="r", architectures=("a",), objectives=("cyborg",))
        with pytest.raises(WrongState, match="withdrew"):
            request_experiment(db, dataset, recipe, name="x", staff_id=None, runs_dir=tmp_path)


class TestAbort:
    def test_a_run_that_waits_is_taken_back(self, db, tmp_path):
        (run,) = runs_of(db, make_experiment(db, tmp_path, "resnet18"))
        abort_run(db, run)
        assert run.state is JobState.ABORTED
        status = text("SELECT status::text FROM procrastinate_jobs WHERE id = :id")
        assert db.scalar(status, {"id": run.job_id}) == "cancelled"

    def test_a_run_that_has_ended_stays_as_it_is(self, db, tmp_path):
        (run,) = runs_of(db, make_experiment(db, tmp_path, "resnet18"))
        run.state = JobState.SUCCEEDED
        db.commit()
        with pytest.raises(WrongState, match="ended already: succeeded"):
            abort_run(db, run)


class TestResults:
    def test_mean_and_deviation_are_over_the_seeds_that_have_the_figure(self, db, tmp_path):
        experiment = make_experiment(db, tmp_path, "resnet18", grid={"seeds": 4})
        for run, auc in zip(runs_of(db, experiment), (0.7, 0.8, 0.9, None), strict=True):
            run.state, run.metrics = JobState.SUCCEEDED, {"test/auc": auc, "val/auc": 0.1}
        db.commit()
        (cell,) = results(db, experiment).cells
        assert (cell.runs, cell.n) == (4, 3)
        assert (cell.mean, cell.sd) == (pytest.approx(0.8), pytest.approx(0.1))

    def test_without_a_test_split_it_is_the_validation_figure(self, db, tmp_path):
        experiment = make_experiment(db, tmp_path, "resnet18")
        runs_of(db, experiment)[0].metrics = {"val/auc": 0.6}
        db.commit()
        found = results(db, experiment)
        assert (found.metric, found.cells[0].mean, found.cells[0].sd) == ("val/auc", 0.6, None)

    def test_an_experiment_is_found_by_number_and_by_name(self, db, tmp_path):
        make_experiment(db, tmp_path, "resnet18")
        newest = make_experiment(db, tmp_path, "resnet18")
        assert find_experiment(db, "toy").id == find_experiment(db, str(newest.id)).id == newest.id


class TestSupervisor:
    def test_what_a_run_says_is_recorded(self, train):
        run, said = train("finishes")
        assert (run.state, run.metrics["test/auc"], run.error) == (JobState.SUCCEEDED, 0.75, None)
        assert said == ["started", "step", "epoch", "finished"]
        assert run.started_at < run.ended_at

    def test_what_is_no_event_is_left_out(self, train):
        run, said = train("babbles")
        assert run.state is JobState.SUCCEEDED
        assert said == ["started", "step", "epoch", "finished"]

    @pytest.mark.parametrize(
        ("manner", "sentence"),
        [
            ("is_killed", "killed (SIGKILL); most often the machine had run out of memory"),
            ("fails", "Out of memory on cuda with batch_size = 20; try 10."),
            ("crashes", "ended with exit code 4; the last line it printed: ImportError: no such thing"),
        ],
    )
    def test_a_run_that_ends_badly_says_why(self, train, manner, sentence):
        run, _ = train(manner)
        assert run.state is JobState.FAILED
        assert sentence in run.error

    def test_a_silent_run_is_given_up(self, train):
        run, _ = train("is_silent", silence_s=2.5)
        assert (run.state, run.error) == (JobState.FAILED, "The training process wrote nothing for 2.5 s.")

    def test_a_child_that_ignores_the_request_to_stop_is_killed(self, train):
        run, _ = train("is_deaf", grace_s=0.3, stop_at="started")
        assert run.state is JobState.ABORTED

    def test_a_run_that_ended_is_not_done_again(self, train, sessions):
        run, _ = train("finishes")
        assert supervise(sessions, run.id, SupervisorOptions(command=TOY)) is None

    def test_one_run_is_trained_by_one_at_a_time(self, train, sessions):
        run, _ = train(None)
        with records.training_locks(sessions, run.id), pytest.raises(WrongState, match="another worker"):
            supervise(sessions, run.id, SupervisorOptions(command=TOY))

    def test_two_devices_that_are_one_card_are_not_used_at_once(self, train, sessions):
        run, _ = train(None)
        taken = records.training_locks(sessions, uuid4(), [1], ["0"])
        with taken, pytest.raises(WrongState, match=r"Card 0 of .* is in use"):
            supervise(sessions, run.id, SupervisorOptions(command=TOY, devices=[0], card_shares=["0"]))

    def test_a_database_that_is_away_for_a_moment_loses_no_event(self, train, monkeypatch):
        away = iter([True, True, False, True] + [False] * 20)

        def falter(recorder, session):
            if next(away):
                raise OperationalError("SELECT", {}, Exception("the server is gone"))
            write(recorder, session)

        write = records.Recorder._write
        monkeypatch.setattr(records.Recorder, "_write", falter)
        run, said = train("finishes")
        assert run.state is JobState.SUCCEEDED
        assert said == ["started", "step", "epoch", "finished"]

    def test_the_child_ends_with_its_parent(self, tmp_path):
        """Its pipe breaks, so an orphan of a killed worker does not train on for long."""
        job = {"run": {"architecture": "counts"}, "dataset": "d", "out": str(tmp_path)}
        with subprocess.Popen(
            TOY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            child.stdin.write(json.dumps(job).encode())
            child.stdin.close()
            child.stdout.readline()
            child.stdout.close()
            assert child.wait(20) != 0


class TestCommands:
    def test_a_freeze_can_test_on_images_that_no_study_shows(self, own, own_database, run_cli):
        settings, sessions = own_database
        blobs = BlobStore(settings.blobs_url)
        study = StudyFactory()
        for shown in (True, True, True, True, False, False):
            real, fake = (picture(blobs, label=label) for label in Label)
            if shown:
                PairFactory(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id)
        paint(own, study)
        map_set = request_map_set(own, study, MapParameters(), queued=False)
        own.commit()
        build_map_set(sessions, blobs, map_set.id)
        result = run_cli("dataset", "freeze", study.slug, "--size", "64", "--test-on-unshown", "--json")
        assert result.stderr.strip() == "4 images that no study shows have the split test now."
        counts = json.loads(result.stdout)["counts"]
        assert {split: row["images"] for split, row in counts.items()} == {"train": 6, "val": 2, "test": 4}

    def test_results_are_printed_for_people_and_for_scripts(self, own, run_cli, tmp_path):
        experiment = make_experiment(own, tmp_path, "resnet18")
        runs_of(own, experiment)[0].metrics = {"test/auc": 0.8125}
        own.commit()
        assert "0.8125" in run_cli("results", "toy").stdout
        (cell,) = json.loads(run_cli("results", str(experiment.id), "--json").stdout)["cells"]
        assert (cell["architecture"], cell["mean"], cell["n"]) == ("resnet18", 0.8125, 1)

    def test_numbers_of_degraded_images_are_printed_for_people_and_for_scripts(self, own, run_cli, tmp_path):
        trained = make_trained(own, make_dataset(own, tmp_path / "empty"), tmp_path)
        said = run_cli("results", "degraded", "trained").stdout
        assert said == "No run of trained was evaluated on degraded images.\n"
        degrade(tmp_path / "runs/net-cyborg-seed0", 0, name="[photos]")
        printed = run_cli("results", "degraded", "trained").stdout
        assert "[photos]" in printed
        assert "jpeg:30" in printed
        rows = json.loads(run_cli("results", "degraded", str(trained.id), "--json").stdout)
        assert [row["degradation"] for row in rows] == list(HARM)

    def test_training_queues_every_run_of_a_recipe(self, own, run_cli, tmp_path):
        dataset = make_dataset(own, tmp_path)
        own.commit()
        done = json.loads(run_cli("train", "smoke", "--dataset", str(dataset.id), "--json").stdout)
        assert done["runs"] == own.query(Run).filter_by(experiment_id=done["experiment"]).count() == 2

    @pytest.mark.parametrize(
        ("command", "sentence"),
        [
            (("train", "smoke", "--dataset", "nowhere"), "There is no dataset 'nowhere'"),
            (("train", "nosuch.toml", "--dataset", "1"), "nosuch.toml cannot be read: No such file"),
            (("results", "nothing"), "There is no experiment 'nothing'"),
            (("dataset", "freeze", "nothing"), "There is no study called 'nothing'"),
            (("dataset", "freeze", "nothing", "--size", "7"), "size: Input should be greater than"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, own, run_cli, command, sentence):
        result = run_cli(*command)
        assert result.exit_code == 1
        assert sentence in str(result.exception)
        assert "\n" not in str(result.exception)
        assert own.query(Experiment).count() == own.query(Dataset).count() == 0


def candidate(number: int, label: str, *, source: str = "s", group=None, split=None) -> Unsplit:
    return Unsplit(number, label, source, group, split)


def deal(images: list[Unsplit], *, seed: int = 0) -> dict:
    return assign_splits(images, val=0.15, test=0.25, seed=seed)


def picture(blobs, **columns) -> Image:
    """A black picture of 96 × 80 pixels with a white square where the test's stroke is painted."""
    pixels = np.zeros((80, 96, 3), np.uint8)
    pixels[34:46, 54:66] = 255
    pixels[0, 0] = np.frombuffer(os.urandom(3), np.uint8)  # no two pictures are the same
    png = bytes(cv2.imencode(".png", pixels)[1])
    face = {"face_x": 40.0, "face_y": 30.0, "face_width": 40.0, "face_height": 36.0}
    return ImageFactory(content_hash=blobs.put(png), width=96, height=80, **face, **columns)


@pytest.fixture
def study(db, blobs, noise):
    study = StudyFactory()
    for _ in range(8):
        real, fake = (picture(blobs, label=label) for label in (Label.REAL, Label.FAKE))
        PairFactory(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id)
    return study


@pytest.fixture
def annotated(db, study) -> Image:
    return paint(db, study)


def pairs_of(db, study) -> list[Pair]:
    return db.query(Pair).filter_by(study_id=study.id, kind="main").order_by(Pair.id).all()


def ids(pair: Pair) -> tuple[str, str]:
    return str(pair.real_image_id), str(pair.fake_image_id)


def judge(study, pair, *, correct=True, decision_ms=1500.0, kind="main", **columns) -> Participant:
    """Somebody has judged a pair; who."""
    participant = ParticipantFactory(arm=ArmFactory(study_id=study.id), **columns)
    trial = TrialFactory(participant=participant, pair=pair, kind=kind)
    DecisionFactory(trial=trial, correct=correct, decision_ms=decision_ms)
    return participant


def paint(db, study) -> Image:
    """Somebody has painted an image of the study; which one."""
    pair = db.query(factories.models.Pair).filter_by(study_id=study.id).first()
    participant = ParticipantFactory(arm=ArmFactory(study_id=study.id))
    decision = DecisionFactory(trial=TrialFactory(participant=participant, pair=pair))
    annotation = AnnotationFactory(decision=decision)
    StrokeFactory(annotation_id=annotation.id, points=[[60.0, 40.0, 0.0]])
    return db.get_one(Image, annotation.image_id)


@pytest.fixture
def built(db, blobs, study, annotated, session_factory):
    map_set = request_map_set(db, study, MapParameters(), queued=False)
    db.commit()
    build_map_set(session_factory, blobs, map_set.id)
    db.refresh(map_set)
    return map_set


@pytest.fixture
def frozen(db, blobs, settings, built):
    def freeze(out_dir: Path | None = None, **options: Any) -> Dataset:
        settings.datasets_dir.mkdir(parents=True, exist_ok=True)
        parameters = FreezeParameters.model_validate({"size": 64, **options})
        return freeze_dataset(
            db, blobs, built, out_dir, datasets_dir=settings.datasets_dir, parameters=parameters
        )

    return freeze


@pytest.fixture
def freeze(db, settings, built):
    """Somebody has asked for a dataset."""
    task = request_freeze(
        db, built, FreezeParameters(size=64), datasets_dir=settings.datasets_dir, staff_id=None
    )
    db.commit()
    return task


@pytest.fixture
def sessions(own_database):
    return own_database[1]


@pytest.fixture
def own(sessions):
    with sessions() as session:
        factories.SESSION_HOLDER["session"] = session
        yield session


@pytest.fixture
def run_cli(own_database, monkeypatch):
    settings, _ = own_database
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.fixture
def train(sessions, tmp_path):
    """Supervise a toy run of some manner (none: only make it); gives the run and what it said."""

    def train(manner: str | None, *, stop_at: str | None = None, **options):
        heard: list[str] = []

        def should_stop() -> JobState | None:
            return JobState.ABORTED if stop_at in heard else None

        with sessions() as session:
            factories.SESSION_HOLDER["session"] = session
            (run,) = runs_of(session, make_experiment(session, tmp_path, manner or "none", queued=False))
        if manner is not None:
            on_event = lambda event: heard.append(event.kind)  # noqa: E731
            options = SupervisorOptions(command=TOY, should_stop=should_stop, on_event=on_event, **options)
            supervise(sessions, run.id, options)
        with sessions() as session:
            said = session.query(RunEvent.kind).filter_by(run_id=run.id).order_by(RunEvent.id)
            return session.get_one(Run, run.id), [kind for (kind,) in said]

    return train
