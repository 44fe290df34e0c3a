"""The stage before training: the trunk learns maps, and the run begins with it."""

import signal
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from tests.training.conftest import fill
from training.config import Recipe, RunConfig, TrainingJob
from training.data.dataset import DatasetWriter, load_dataset
from training.engine.pretraining import pretrained_trunk
from training.engine.setup import prepare
from training.errors import DatasetError, ModelError
from training.grid import require_possible
from training.model.pretrained_trunk import PretrainedTrunk, trunk_tensors
from training.reporting.model_card import as_markdown, card_of
from training.run import run_job
from training.run_folder import RunFolder

SETTINGS = {"architecture": "cyborg_tiny", "weights": "none", "device": "cpu"}
SETTINGS |= {"epochs": 1, "batch_size": 4, "image_size": 32}


KILLED = """
import os, signal, sys
from training.config import TrainingJob
from training.engine import map_learning
from training.run import run_job

save = map_learning.save_checkpoint

def save_and_die(path, net, progress, **options):
    save(path, net, progress, **options)
    if path.name == "last.safetensors" and progress.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)

map_learning.save_checkpoint = save_and_die
list(run_job(TrainingJob.model_validate_json(sys.stdin.read())))
"""
STAGE = {"method": "mentor", "epochs": 3, "lr": 0.001}


def config(pretrain=STAGE, **changes):
    stage = None if pretrain is None else STAGE | pretrain
    return RunConfig.model_validate(SETTINGS | {"pretrain": stage} | changes)


def result(steps):
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def trunk(data, cache, **changes):
    return result(pretrained_trunk(config(**changes), load_dataset(data), cache))


def same(some, others):
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def learned(data, cache):
    return trunk(data, cache)


class TestTrunk:
    def test_its_weights_arrive_in_the_classifier_and_nothing_else_does(self, learned, data):
        dataset = load_dataset(data)
        with_it = result(prepare(config(), dataset, trunk=learned)).backbone
        without = result(prepare(config(pretrain=None), dataset)).backbone
        assert same(trunk_tensors(with_it), learned.tensors)
        assert not same(trunk_tensors(without), learned.tensors)
        assert torch.equal(with_it.weight, without.weight)
        assert torch.equal(with_it.head.bias, without.head.bias)

    def test_it_has_learned_maps(self, data, tmp_path):
        errors = [
            trunk(data, tmp_path, pretrain={"epochs": epochs}).record["squared_error"] for epochs in (1, 12)
        ]
        assert errors[1] < 0.7 * errors[0]

    def test_it_learns_without_labels(self, learned, data, tmp_path):
        """The same images with other labels give the same trunk, but for the order of samples."""
        dataset = load_dataset(data)
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            for sample in dataset.samples:
                writer.add(
                    image_id=sample.image_id,
                    image=(data / sample.path).read_bytes(),
                    label="real" if sample.label == "fake" else "fake",
                    source=sample.source,
                    split=sample.split,
                    map=(data / sample.map).read_bytes() if sample.map else None,
                    annotators=sample.annotators,
                )
        assert same(trunk(tmp_path / "d", tmp_path).tensors, learned.tensors)

    def test_the_same_seed_gives_the_same_weights_and_another_others(self, learned, data, tmp_path):
        assert same(trunk(data, tmp_path).tensors, learned.tensors)
        assert not same(trunk(data, tmp_path, seed=1).tensors, learned.tensors)

    @pytest.mark.parametrize("maps", ["shuffled", "uniform", "ellipse"])
    def test_controls_are_learned_in_the_same_way(self, learned, data, tmp_path, maps):
        found = trunk(data, tmp_path, pretrain={"maps": maps})
        # All maps of this dataset are alike, so shuffling them changes nothing.
        assert same(found.tensors, learned.tensors) == (maps == "shuffled")
        assert found.record["settings"]["maps"] == maps

    def test_a_frozen_trunk_may_be_one_that_learned_maps(self, learned, data, tmp_path):
        run = config(freeze="trunk")
        list(run_job(TrainingJob(run=run, dataset=data, out=tmp_path / "r")))
        stage = RunFolder(tmp_path / "r").record()["start"]["pretraining"]
        assert stage["weights_sha256"] == learned.record["weights_sha256"]


class TestRuns:
    def test_its_record_and_card_have_the_chain(self, learned, data, tmp_path):
        run = config(objective="cyborg")
        list(run_job(TrainingJob(run=run, dataset=data, out=tmp_path / "r")))
        stage = RunFolder(tmp_path / "r").record()["start"]["pretraining"]
        assert stage == learned.record
        assert (stage["dataset"], stage["images"]) == (load_dataset(data).id, 13)
        card = card_of(RunFolder(tmp_path / "r"))
        assert card["chain"]["pretrained_trunk_sha256"] == stage["weights_sha256"]
        assert "after its trunk had learned human maps of 13 images" in as_markdown(card)

    def test_runs_of_a_grid_share_it(self, data, tmp_path):
        for objective in ("cross_entropy", "cyborg"):
            run = config(objective=objective)
            list(run_job(TrainingJob(run=run, dataset=data, out=tmp_path / run.name)))
        stages = [path for path in (tmp_path / ".cache").iterdir() if path.name.startswith("pretrained-")]
        assert len(stages) == 1
        assert sorted(path.name for path in stages[0].iterdir()) == ["model.safetensors", "pretraining.json"]

    def test_killed_and_begun_again_it_ends_with_the_same_weights(self, data, tmp_path):
        """A real process is killed when it has written a checkpoint; another goes on after that epoch."""
        stage, dataset = {"epochs": 6}, load_dataset(data)
        whole = trunk(data, tmp_path / "whole", pretrain=stage)
        job = TrainingJob(run=config(pretrain=stage), dataset=data, out=tmp_path / "r")
        command = [sys.executable, "-c", KILLED]
        child = subprocess.run(command, input=job.model_dump_json(), text=True, check=False)
        assert child.returncode == -signal.SIGKILL
        assert not list(job.cache.glob("pretrained-*"))
        assert next(pretrained_trunk(job.run, dataset, job.cache)).done == 3
        assert same(trunk(data, job.cache, pretrain=stage).tensors, whole.tensors)

    def test_who_comes_second_waits_for_the_first(self, learned, data, tmp_path, monkeypatch):
        monkeypatch.setattr("training.engine.pretraining.WAIT_S", 0)
        first, second = (pretrained_trunk(config(), load_dataset(data), tmp_path) for _ in range(2))
        next(first)
        assert next(second).doing == "pretraining on maps in another process"
        result(first)
        assert same(result(second).tensors, learned.tensors)


class TestTrouble:
    def test_weights_that_were_changed_are_refused(self, data, tmp_path):
        trunk(data, tmp_path)
        (folder,) = tmp_path.glob("pretrained-*")
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.safetensors is not the file that .* names"):
            trunk(data, tmp_path)

    def test_a_dataset_with_too_few_maps_is_found_before_anything_trains(self, tmp_path):
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            fill(writer, train=8)
        with pytest.raises(DatasetError, match=r"at least 10 images that have one; of the 8 .*, 7 have"):
            require_possible([config()], tmp_path / "d")

    def test_too_few_that_are_kept_are_too_few(self, data):
        with pytest.raises(DatasetError, match="at least 10 images"):
            require_possible([config(pretrain={"keep_rate": 0.3})], data)

    def test_the_trunk_of_another_network_is_refused(self, learned, data):
        alien = PretrainedTrunk({"a": torch.zeros(1)}, learned.record)
        with pytest.raises(ModelError, match="of another network"):
            result(prepare(config(), load_dataset(data), trunk=alien))

    @pytest.mark.parametrize(
        "stage", ["magic", {"method": "mentor", "epoch": 3}, {"maps": "teacher"}, {"lr": 0}]
    )
    def test_a_stage_that_makes_no_sense(self, stage):
        with pytest.raises(ValidationError):
            RunConfig(architecture="a", pretrain=stage)


class TestRecipe:
    def test_a_scenario_names_it(self):
        scenario = {"name": "s", "objective": "cyborg", "pretrain": "mentor"}
        recipe = Recipe(name="r", architectures=["a"], scenarios=[scenario])
        assert recipe.runs()[0].pretrain == config(pretrain={"epochs": 10, "lr": 1e-4}).pretrain
        assert recipe.files() == []

    def test_a_folder_that_it_reads_is_a_path_on_this_machine(self):
        stage = {"maps": "teacher", "maps_folder": "/maps"}
        scenario = {"name": "s", "objective": "cyborg", "pretrain": stage}
        assert Recipe(name="r", architectures=["a"], scenarios=[scenario]).files() == ["/maps"]
