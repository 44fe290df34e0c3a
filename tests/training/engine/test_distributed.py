import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import fill
from training.config import RunConfig, TrainingJob
from training.data.dataset import DatasetWriter
from training.engine import distributed
from training.errors import RecipeError
from training.run import run_job
from training.run_folder import RunFolder


def config(**changes):
    settings = {"architecture": "cyborg_tiny", "objective": "hseb", "weights": "none", "device": "cpu"}
    small = {"epochs": 2, "batch_size": 6, "image_size": 32, "augmentation": "wang"}
    return RunConfig.model_validate(settings | small | changes)


def start(job):
    worker = [sys.executable, "-m", "training.worker"]
    process = subprocess.Popen(
        worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdin.write(job.model_dump_json())
    process.stdin.close()
    return process


class TestParts:
    def test_the_parts_of_a_batch_are_the_batch(self, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "3")
        parts = []
        for rank in range(3):
            monkeypatch.setenv("RANK", str(rank))
            parts.append(list(range(20))[distributed.process_slice(20)])
        assert [i for part in parts for i in part] == list(range(20))
        assert {len(part) for part in parts} == {6, 7}

    def test_one_process_has_the_whole_batch(self):
        assert distributed.process_slice(5) == slice(0, 5)
        part = torch.rand(2)
        assert distributed.gather(part, 2) is part


class TestSharedBatchNorm:
    def test_in_one_process_it_is_torchs(self, monkeypatch):
        monkeypatch.setattr("training.engine.distributed.dist.all_reduce", lambda _tensor: None)
        torch.manual_seed(0)
        ours, theirs = torch.nn.BatchNorm2d(5).double(), torch.nn.BatchNorm2d(5).double()
        images = [torch.rand(4, 5, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        images[1].data.copy_(images[0].data)
        with distributed.SynchronisedBatchNorm():
            one = ours(images[0])
        other = theirs(images[1])
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        one.pow(3).sum().backward()
        other.pow(3).sum().backward()
        torch.testing.assert_close(images[0].grad, images[1].grad, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-5, atol=1e-6)

    def test_it_leaves_evaluation_alone(self):
        layer = torch.nn.BatchNorm2d(3).eval()
        images = torch.rand(2, 3, 4, 4)
        with distributed.SynchronisedBatchNorm():
            torch.testing.assert_close(layer(images), layer(images))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Seventeen images, so that no batch is shared evenly."""
    root = tmp_path_factory.mktemp("odd") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer, train=17)
    return root


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "r"
    list(run_job(TrainingJob(run=config(), dataset=data, out=folder)))
    return RunFolder(folder)


class TestTwoProcesses:
    def test_they_have_the_loss_curve_of_one(self, data, alone, tmp_path):
        """With an objective that squares a mean over the batch, and with augmentation."""
        process = start(TrainingJob(run=config(devices=2), dataset=data, out=tmp_path / "r"))
        with process:
            lines = [json.loads(line) for line in process.stdout]
            complaints = process.stderr.read()
        assert process.returncode == 0, complaints
        kinds = [line["kind"] for line in lines if line["kind"] not in ("step", "heartbeat")]
        assert kinds == ["started", "epoch", "epoch", *["evaluated"] * 3, "finished"]
        for one, both in zip(alone.epochs(), RunFolder(tmp_path / "r").epochs(), strict=True):
            assert both.terms == pytest.approx(one.terms, rel=1e-4)
            assert both.val_terms == pytest.approx(one.val_terms, rel=1e-4)
        ours = load_file(RunFolder(tmp_path / "r").last)
        for name, tensor in load_file(alone.last).items():
            differs = (ours[name].double() - tensor.double()).norm()
            # Momentum is what is left of gradients that cancel, and with it their rounding.
            most = 0.05 if name.startswith("optimiser/") else 0.005
            assert differs <= most * tensor.double().norm(), name

    @pytest.mark.slow
    def test_they_stop_within_two_seconds_and_leave_nobody_behind(self, data, tmp_path):
        process = start(TrainingJob(run=config(devices=2, epochs=500), dataset=data, out=tmp_path / "r"))
        with process:
            for line in process.stdout:
                if json.loads(line)["kind"] == "epoch":
                    break
            children = children_of(process.pid)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait()
            took = time.monotonic() - began
        assert len(children) == 2
        assert took < 2
        assert not any(is_alive(child) for child in children)
        assert RunFolder(tmp_path / "r").last.is_file()

    @pytest.mark.slow
    def test_a_torchrun_that_is_killed_takes_its_workers_with_it(self, data, tmp_path):
        process = start(TrainingJob(run=config(devices=2, epochs=500), dataset=data, out=tmp_path / "r"))
        with process:
            for line in process.stdout:
                if json.loads(line)["kind"] == "epoch":
                    break
            children = children_of(process.pid)
            process.kill()
            process.wait()
        deadline = time.monotonic() + 10
        while any(is_alive(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(is_alive(child) for child in children)

    def test_too_few_processes_are_answered_with_the_command(self, data, tmp_path):
        with pytest.raises(RecipeError, match="torchrun --standalone --nproc-per-node 2 -m training fit"):
            list(run_job(TrainingJob(run=config(devices=2), dataset=data, out=tmp_path / "r")))


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
