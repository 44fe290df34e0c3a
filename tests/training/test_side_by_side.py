import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.training.conftest import SIDE
from training import side_by_side
from training.config import RunConfig, TrainingJob
from training.errors import RecipeError
from training.events import EpochEvent, FinishedEvent
from training.process import training_process
from training.run import run_job
from training.run_folder import RunFolder
from training.side_by_side import fit_side_by_side

TOY = (sys.executable, "-m", "tests.support.toy_training")


@pytest.fixture
def toy(monkeypatch):
    """A program that only sleeps, fails or ends in place of training."""
    monkeypatch.setattr(side_by_side, "training_process", partial(training_process, command=TOY))


def jobs(tmp_path, *architectures):
    return [
        TrainingJob(
            run=RunConfig(architecture=architecture, objective={"name": "cross_entropy"}, seed=seed),
            dataset=tmp_path / "data",
            out=tmp_path / "runs" / f"{architecture}-{seed}",
        )
        for seed, architecture in enumerate(architectures)
    ]


def fit(jobs, at_once=2, **options):
    return fit_side_by_side(jobs, at_once=at_once, on_event=lambda _job, _event: None, **options)


def most_at_once(folder):
    spans = [tuple(map(float, path.read_text().split()[1:])) for path in folder.glob("nap-*.txt")]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


@pytest.mark.usefixtures("toy")
class TestScheduling:
    def test_no_more_run_than_were_asked_for(self, tmp_path):
        outcome = fit(jobs(tmp_path, "naps", "naps", "naps", "naps"), at_once=2)
        assert len(outcome.finished) == 4
        assert most_at_once(tmp_path) <= 2

    def test_one_that_fails_or_crashes_leaves_the_others(self, tmp_path):
        outcome = fit(jobs(tmp_path, "fails", "crashes", "finishes"))
        assert [name.partition("-")[0] for name in outcome.finished] == ["finishes"]
        reasons = sorted(outcome.failed.values())
        assert reasons[0] == "Out of memory on cuda with batch_size = 20; try 10."
        assert "exit code 4; the last line it printed: ImportError: no such thing" in reasons[1]

    def test_none_is_started_after_a_failure_if_so_asked(self, tmp_path):
        outcome = fit(jobs(tmp_path, "fails", "finishes", "finishes"), at_once=1, stop_at_failure=True)
        assert len(outcome.failed) == 1
        assert not outcome.finished

    def test_while_one_loads_no_other_begins(self, tmp_path):
        """`naps` never says that it has started, so it loads to its end."""
        fit(jobs(tmp_path, "naps", "naps"), at_once=2)
        assert most_at_once(tmp_path) == 1

    def test_a_run_for_several_devices_is_refused(self, tmp_path):
        one = jobs(tmp_path, "naps")[0]
        several = one.model_copy(update={"run": one.run.model_copy(update={"devices": 2})})
        with pytest.raises(RecipeError, match="on one device each"):
            fit([several])

    def test_an_interruption_ends_every_process(self, tmp_path):
        program = (
            "import signal, sys; from functools import partial; from pathlib import Path\n"
            # In a shell's background, where CI may run, Ctrl-C is ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from tests.training.test_side_by_side import TOY, jobs, fit\n"
            "from training import side_by_side; from training.process import training_process\n"
            "side_by_side.training_process = partial(training_process, command=TOY)\n"
            "fit(jobs(Path(sys.argv[1]), 'counts', 'counts'))"
        )
        command = [sys.executable, "-c", program, str(tmp_path)]
        parent = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait_for(lambda: len(list(tmp_path.glob("runs/*/events.jsonl"))) == 2)
        children = children_of(parent.pid)
        assert len(children) == 2
        parent.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in parent.communicate(timeout=200)[1]
        wait_for(lambda: not any(os.path.exists(f"/proc/{child}") for child in children))  # noqa: PTH110


def wait_for(holds, timeout_s=200):
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def children_of(parent):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def test_runs_side_by_side_give_the_weights_of_runs_alone(data, tmp_path):
    settings = {
        "architecture": "cyborg_tiny",
        "objective": {"name": "cyborg"},
        "epochs": 2,
        "batch_size": 4,
        "image_size": SIDE,
        "weights": "none",
        "device": "cpu",
        "augmentation": {"flip": True},
    }
    runs = [RunConfig.model_validate(settings | {"seed": seed}) for seed in (0, 1)]
    alone = [TrainingJob(run=run, dataset=data, out=tmp_path / "alone" / run.name) for run in runs]
    for job in alone:
        list(run_job(job))
    together = [TrainingJob(run=run, dataset=data, out=tmp_path / "together" / run.name) for run in runs]
    seen = []
    outcome = fit_side_by_side(together, at_once=2, on_event=lambda job, event: seen.append((job, event)))
    assert all(isinstance(event, FinishedEvent) for event in outcome.finished.values())
    for one, other in zip(alone, together, strict=True):
        assert RunFolder(one.out).best.read_bytes() == RunFolder(other.out).best.read_bytes()
        epochs = [event for job, event in seen if job is other and isinstance(event, EpochEvent)]
        assert [event.epoch for event in epochs] == [1, 2]
    again = fit_side_by_side(together, at_once=2, on_event=pytest.fail)  # nothing is left to do
    for name, event in again.finished.items():
        assert event.metrics == outcome.finished[name].metrics
