import io
import json
import math
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import fill
from training.config import OBJECTIVES, RunConfig, TrainingJob
from training.data.dataset import DatasetWriter
from training.engine.device import is_out_of_memory
from training.errors import DatasetError, RunError
from training.events import (
    HEARTBEAT_S,
    EpochEvent,
    EvaluatedEvent,
    FailedEvent,
    FinishedEvent,
    StartedEvent,
    StepEvent,
    parse_event,
)
from training.files import code_hash
from training.model.network_input import HALF, NetworkInput
from training.run import OutOfMemory, open_run, run_job
from training.run_folder import RunFolder
from training.worker import HEARTBEAT_AFTER_S, STOPPED, EventWriter

TREE = {
    "checkpoints",
    "checkpoints/best.safetensors",
    "checkpoints/last.safetensors",
    "events.jsonl",
    "maps",
    "metrics.json",
    "run.json",
    "scores",
    "scores/test.csv",
    "scores/train.csv",
    "scores/val.csv",
}


def config(**changes):
    settings = {"architecture": "cyborg_tiny", "objective": "cyborg", "weights": "none", "device": "cpu"}
    return RunConfig.model_validate(settings | {"epochs": 2, "batch_size": 4, "image_size": 32} | changes)


def run(data, out, **changes):
    return list(run_job(TrainingJob(run=config(**changes), dataset=data, out=out)))


def begun(data, out, **changes):
    """A run that was stopped after its first epoch."""
    for event in run_job(TrainingJob(run=config(**changes), dataset=data, out=out)):
        if isinstance(event, EpochEvent):
            break


def weights(folder, which="last"):
    return load_file(getattr(RunFolder(folder), which))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_at_work(pid):
    """Neither gone nor waiting for somebody to ask how it ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    return folder, run(data, folder)


class TestARun:
    def test_it_tells_its_story_in_order(self, finished):
        kinds = [type(event) for event in finished[1] if not isinstance(event, StepEvent)]
        assert kinds == [
            StartedEvent,
            EpochEvent,
            EpochEvent,
            EvaluatedEvent,
            EvaluatedEvent,
            EvaluatedEvent,
            FinishedEvent,
        ]

    def test_its_folder_holds_exactly_this(self, finished):
        folder, _ = finished
        inside = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        assert {name for name in inside if not name.startswith("maps/")} == TREE

    def test_its_gallery_lists_what_is_there(self, finished):
        maps = finished[0] / "maps"
        averages = {f"average_{name}.png" for name in ("all", "real", "fake", "human")}
        listed = {line.split(",")[0] for line in (maps / "index.csv").read_text().splitlines()[1:]}
        assert {path.name for path in maps.iterdir()} == averages | listed | {"index.csv", "sample.npz"}

    def test_its_record_repeats_it(self, finished, data, tmp_path):
        record = json.loads((finished[0] / "run.json").read_text())
        list(
            run_job(
                TrainingJob(run=record["config"], dataset=record["dataset"]["path"], out=tmp_path / "again")
            )
        )
        assert same(weights(finished[0]), weights(tmp_path / "again"))

    def test_its_events_are_on_disk(self, finished):
        told = [event for event in finished[1] if isinstance(event, EpochEvent)]
        assert RunFolder(finished[0]).epochs() == told

    def test_an_epoch_sets_the_models_entropy_beside_the_human_one(self, finished):
        epoch = next(event for event in finished[1] if isinstance(event, EpochEvent))
        assert 0 < epoch.human_entropy < epoch.max_entropy == pytest.approx(math.log(16))
        assert epoch.terms["with_map"] == 15

    def test_its_scores_can_be_computed_again(self, finished):
        header, row, *_ = (finished[0] / "scores/test.csv").read_text().splitlines()
        values = dict(zip(header.split(","), row.split(","), strict=True))
        fake = float(values["logit_fake"])
        assert float(values["score_sigmoid"]) == pytest.approx(1 / (1 + math.exp(-fake)), rel=1e-6)

    def test_its_metrics_are_those_it_told(self, finished):
        splits = json.loads((finished[0] / "metrics.json").read_text())["splits"]
        assert finished[1][-1].metrics["test/auc"] == splits["test"]["auc"]
        assert {"auc_sigmoid/ganA", "auc_sigmoid/ganB"} <= splits["test"].keys()

    def test_it_tells_how_much_its_maps_agree_with_the_human_ones(self, finished):
        told = finished[1][-1].metrics
        assert told["train/with_map"] == 15
        assert -1 <= told["train/agreement_spearman"] <= 1
        assert 0 <= told["train/agreement_iou"] <= told["train/agreement_dice"] <= 1
        assert told["test/agreement_spearman"] is None

    def test_it_is_not_done_twice(self, finished, data):
        again = run(data, finished[0])
        assert [event.kind for event in again] == ["finished"]
        assert again[0].metrics == finished[1][-1].metrics

    def test_it_learns(self, data, tmp_path):
        events = run(data, tmp_path / "r", epochs=12, optimiser={"lr": 0.05, "step_epochs": 0})
        assert events[-1].metrics["test/auc"] > 0.9


class TestSeeds:
    def test_another_seed_gives_other_weights(self, finished, data, tmp_path):
        run(data, tmp_path / "r", seed=1, epochs=1)
        assert not same(weights(finished[0]), weights(tmp_path / "r"))


class TestResume:
    def test_a_run_that_was_stopped_anywhere_ends_with_the_same_weights(self, finished, data, tmp_path):
        story = run_job(TrainingJob(run=config(), dataset=data, out=tmp_path / "r"))
        for event in story:
            if isinstance(event, EpochEvent):
                break
        next(story)  # a step of the second epoch, which is then lost
        story.close()
        rest = run(data, tmp_path / "r")
        assert rest[0].first_epoch == 2
        assert same(weights(tmp_path / "r"), weights(finished[0]))
        assert same(weights(tmp_path / "r", "best"), weights(finished[0], "best"))

    @pytest.mark.parametrize(
        "alpha",
        [{"kind": "balance"}, {"kind": "linear", "first": 0.9, "last": 0.1}],
        ids=lambda one: one["kind"],
    )
    def test_a_share_that_changes_goes_on_where_it_was(self, data, tmp_path, alpha):
        changes = {"objective": {"name": "cyborg", "alpha": alpha}}
        whole = [event for event in run(data, tmp_path / "whole", **changes) if isinstance(event, EpochEvent)]
        begun(data, tmp_path / "halves", **changes)
        run(data, tmp_path / "halves", **changes)
        assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
        assert whole[0].terms["alpha"] != whole[1].terms["alpha"]

    def test_its_history_has_every_epoch_once(self, data, tmp_path):
        story = run_job(TrainingJob(run=config(), dataset=data, out=tmp_path / "r"))
        next(event for event in story if isinstance(event, EpochEvent))
        story.close()
        with (tmp_path / "r/events.jsonl").open("a") as stream:
            stream.write('{"kind": "ste')  # what a kill in the middle of a line leaves
        run(data, tmp_path / "r")
        assert [epoch.epoch for epoch in RunFolder(tmp_path / "r").epochs()] == [1, 2]

    def test_an_event_may_hold_any_line_separator(self, tmp_path):
        folder, event = RunFolder(tmp_path), FailedEvent(error="a\u2028b\x85c\x0bd")
        folder.append(event)
        assert list(folder.history()) == [event]

    def test_it_is_read_with_the_input_that_it_recorded(self, data, tmp_path):
        """Scales were others once; a run keeps that of its day."""
        run(data, tmp_path / "r", epochs=1)
        record = json.loads((tmp_path / "r/run.json").read_text())
        record["input"] = {"side": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
        (tmp_path / "r/run.json").write_text(json.dumps(record))
        assert open_run(RunFolder(tmp_path / "r"))[1].network_input == NetworkInput(32, HALF, "area")

    def test_it_goes_on_under_a_version_that_has_more_settings(self, data, tmp_path):
        begun(data, tmp_path / "r")
        record = json.loads((tmp_path / "r/run.json").read_text())
        for setting in ("resize", "cam_tensor", "scaling", "dropout"):
            del record["config"][setting]
        (tmp_path / "r/run.json").write_text(json.dumps(record))
        assert isinstance(run(data, tmp_path / "r")[-1], FinishedEvent)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"resize": "pil_bilinear"}, "config differs in resize"),
            ({"scaling": "half"}, "config differs in scal"),
        ],
    )
    def test_it_does_not_go_on_with_another_input(self, data, tmp_path, changes, reason):
        begun(data, tmp_path / "r")
        with pytest.raises(RunError, match=reason):
            run(data, tmp_path / "r", **changes)

    def test_it_does_not_go_on_when_the_network_takes_another_scale_by_now(self, data, tmp_path):
        begun(data, tmp_path / "r")
        record = json.loads((tmp_path / "r/run.json").read_text())
        record["input"]["mean"] = [0.5] * 3
        (tmp_path / "r/run.json").write_text(json.dumps(record))
        with pytest.raises(RunError, match="its input differs in mean"):
            run(data, tmp_path / "r")

    def test_the_folder_of_another_run_is_refused(self, finished, data):
        (RunFolder(finished[0]).metrics).rename(finished[0] / "kept")
        try:
            with pytest.raises(RunError, match="belongs to another run: its config differs in seed"):
                run(data, finished[0], seed=9)
        finally:
            (finished[0] / "kept").rename(RunFolder(finished[0]).metrics)

    def test_another_dataset_is_refused(self, finished, make_dataset, tmp_path):
        job = TrainingJob(run=config(), dataset=make_dataset(train=12), out=tmp_path / "r")
        (tmp_path / "r").mkdir()
        (tmp_path / "r/run.json").write_text((finished[0] / "run.json").read_text())
        with pytest.raises(RunError, match="its dataset differs in counts, id"):
            list(run_job(job))


class TestObjectives:
    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_each_trains(self, data, tmp_path, name):
        events = run(data, tmp_path / "r", objective=name, epochs=1)
        assert math.isfinite(next(e for e in events if isinstance(e, EpochEvent)).terms["loss"])

    def test_a_dataset_without_maps_trains_too_where_none_are_needed(self, make_dataset, tmp_path):
        events = run(make_dataset(with_map=False), tmp_path / "r", epochs=1, objective="droid")
        epoch = next(event for event in events if isinstance(event, EpochEvent))
        assert (epoch.human_entropy, epoch.terms["with_map"]) == (None, 0)

    def test_keep_rate_forgets_maps(self, data, tmp_path):
        started = run(data, tmp_path / "r", objective={"name": "cyborg", "keep_rate": 0.5}, epochs=1)[0]
        assert 0 < started.with_map < 15


class TestRefusals:
    def test_a_dataset_without_validation_images(self, make_dataset, tmp_path):
        with pytest.raises(DatasetError, match="no val split"):
            run(make_dataset(val=0), tmp_path / "r")
        assert not (tmp_path / "r").exists()

    def test_a_scenario_with_more_data_needs_more_data(self, data, tmp_path):
        with pytest.raises(DatasetError, match="no extra split"):
            run(data, tmp_path / "r", train_splits=["train", "extra"])

    def test_a_loss_that_explodes_is_said_to(self, data, tmp_path):
        with pytest.raises(RunError, match="lower learning rate"):
            run(data, tmp_path / "r", optimiser={"lr": 1e30})

    def test_running_out_of_memory_names_a_batch_size_to_try(self, data, tmp_path, monkeypatch):
        def explode(*_, **__):
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr("training.engine.step.compute_loss", explode)
        with pytest.raises(OutOfMemory, match=r"Out of memory on cpu with batch_size = 4; try 2\."):
            run(data, tmp_path / "r")
        with pytest.raises(OutOfMemory, match=r"batch_size = 2; try a smaller image_size\."):
            run(data, tmp_path / "two", batch_size=2)

    def test_a_library_that_cannot_allocate_says_so_in_its_own_words(self):
        assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
        assert not is_out_of_memory(RuntimeError("shapes do not match"))

    def test_a_failure_that_follows_from_one_is_one(self):
        error = RuntimeError("capturing failed")
        error.__context__ = torch.OutOfMemoryError("CUDA out of memory")
        assert is_out_of_memory(error)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Thirty epochs that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "r"
    run(data, folder, epochs=30)
    return folder


class TestWorker:
    def start(self, job):
        child = subprocess.Popen(
            [sys.executable, "-m", "training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        child.stdin.write(job if isinstance(job, str) else job.model_dump_json())
        child.stdin.close()
        return child

    def wait_for(self, child, kind):
        for line in child.stdout:
            if json.loads(line)["kind"] == kind:
                return
        pytest.fail(child.stderr.read())

    def end(self, child):
        with child:
            lines = [json.loads(line) for line in child.stdout]
            child.stderr.read()
        return child.returncode, lines

    @pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
    def test_killed_and_resumed_it_ends_with_the_same_weights(self, data, whole, tmp_path, stop):
        """A real process, a real signal, somewhere after the first epoch."""
        job = TrainingJob(run=config(epochs=30), dataset=data, out=tmp_path / "killed")
        child = self.start(job)
        self.wait_for(child, "epoch")
        child.send_signal(stop)
        began = time.monotonic()
        code, _ = self.end(child)
        assert code == (-9 if stop == signal.SIGKILL else 143)
        assert time.monotonic() - began < 2
        assert not RunFolder(tmp_path / "killed").is_finished
        assert next(run_job(job)).first_epoch > 1
        list(run_job(job))
        assert same(weights(tmp_path / "killed"), weights(whole))

    def test_it_does_not_outlive_who_started_it(self, data, tmp_path):
        """Its parent is killed while it has nothing to say: it must not train on beside the next one."""
        job = TrainingJob(run=config(epochs=100_000), dataset=data, out=tmp_path / "r").model_dump_json()
        (tmp_path / "job.json").write_text(job)
        lines = (
            "import subprocess, sys",
            "child = subprocess.Popen([sys.executable, '-m', 'training.worker'], stdin=open(sys.argv[1]))",
            "print(child.pid, flush=True)",
            "child.wait()",
        )
        command = [sys.executable, "-c", "\n".join(lines), str(tmp_path / "job.json")]
        with (tmp_path / "events").open("w+") as events:
            with subprocess.Popen(command, stdout=events, start_new_session=True) as parent:
                until(lambda: '"epoch"' in (tmp_path / "events").read_text())
                child = int((tmp_path / "events").read_text().split()[0])
                parent.kill()
            killed_at = time.monotonic()
            until(lambda: not is_at_work(child))
            assert time.monotonic() - killed_at < 3

    def test_a_job_that_cannot_be_read_is_said_in_one_sentence(self):
        code, lines = self.end(self.start('{"run": {"architecture": "x", "objective": "cybrog"}}'))
        assert code == 2
        assert "no objective 'cybrog'; the known ones are" in lines[0]["error"]

    def test_a_user_error_ends_with_failed(self, tmp_path):
        job = TrainingJob(run=config(), dataset=tmp_path, out=tmp_path / "r")
        code, lines = self.end(self.start(job))
        assert (code, lines[-1]["kind"]) == (1, "failed")
        assert "is not a dataset folder" in lines[-1]["error"]


def test_metrics_have_no_nan_when_the_test_split_has_one_class(tmp_path):
    with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
        fill(writer, train=8, val=4, test=1)
    finished = run(tmp_path / "d", tmp_path / "r", epochs=1)[-1]
    assert finished.metrics["test/auc"] is None
    assert finished.metrics["test/accuracy"] in (0, 1)


class TestHeartbeat:
    def test_a_long_silence_is_broken_until_the_parent_is_gone(self, monkeypatch):
        codes, gone, stream = [], threading.Event(), io.StringIO()
        monkeypatch.setattr("training.worker.os.getppid", lambda: 2 if gone.is_set() else 1)
        monkeypatch.setattr("training.worker.os._exit", codes.append)
        thread = threading.Thread(target=EventWriter(stream).write_heartbeats)
        thread.start()
        time.sleep(2 * HEARTBEAT_AFTER_S)
        gone.set()
        thread.join()
        assert parse_event(stream.getvalue().splitlines()[0]).kind == "heartbeat"
        assert codes == [STOPPED]

    def test_it_is_shorter_than_a_parent_waits(self):
        assert HEARTBEAT_AFTER_S * 1.5 < HEARTBEAT_S


class TestCodeHash:
    """run.json names the code that made a run."""

    @pytest.fixture
    def package(self, tmp_path):
        (tmp_path / "model").mkdir()
        (tmp_path / "run.py").write_text("A = 1\n")
        (tmp_path / "model" / "cam.py").write_text("B = 1\n")
        return tmp_path

    def test_a_file_in_a_folder_changes_it(self, package):
        before = code_hash(package)
        (package / "model" / "cam.py").write_text("B = 2\n")
        assert code_hash(package) != before

    def test_the_folder_of_a_file_changes_it(self, package):
        before = code_hash(package)
        (package / "model" / "cam.py").rename(package / "cam.py")
        assert code_hash(package) != before

    def test_other_files_do_not(self, package):
        before = code_hash(package)
        (package / "notes.txt").write_text("later")
        assert code_hash(package) == before
