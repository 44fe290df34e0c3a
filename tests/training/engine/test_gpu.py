"""What only a GPU does. Everything here is skipped where there is none."""

import math

import pytest
import torch

from tests.training.test_run import run, same, weights
from training.config import OBJECTIVES, RunConfig, TrainingJob
from training.estimate import measure, synthetic_setup
from training.events import EpochEvent, EvaluatedEvent
from training.run import OutOfMemory, evaluate_dataset, run_job
from training.run_folder import RunFolder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")

GPU = {
    "device": "cuda",
    "epochs": 3,
    "batch_size": 3,
}  # four batches of three, and one of four: the last image joins it
PAPER = ("densenet121", "resnet50", "inception_v3", "legacy_xception")


def epochs(events):
    return [event for event in events if isinstance(event, EpochEvent)]


def gpu_run(data, out, **changes):
    return run(data, out, **(GPU | changes))


class TestRecording:
    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_a_recorded_step_is_the_plain_one(self, data, tmp_path, name):
        """To the last bit, with rates that change, an odd last batch, and maps that are missing."""
        settings = {"objective": name, "optimiser": {"lr": 0.01, "step_epochs": 1}}
        plain = gpu_run(data, tmp_path / "plain", cuda_graphs="off", **settings)
        recorded = gpu_run(data, tmp_path / "recorded", cuda_graphs="on", **settings)
        assert [epoch.terms for epoch in epochs(recorded)] == [epoch.terms for epoch in epochs(plain)]
        assert same(weights(tmp_path / "recorded"), weights(tmp_path / "plain"))

    def test_what_is_dropped_by_chance_is_not_dropped_alike(self, data, tmp_path):
        """A recording draws anew each time it is replayed, what a plain step would have drawn."""
        settings = {"architecture": "efficientnet_b0", "image_size": 64}
        gpu_run(data, tmp_path / "plain", cuda_graphs="off", **settings)
        gpu_run(data, tmp_path / "recorded", cuda_graphs="on", **settings)
        assert same(weights(tmp_path / "recorded"), weights(tmp_path / "plain"))

    def test_adam_is_recorded_too(self, data, tmp_path):
        settings = {"optimiser": {"name": "adam", "lr": 0.001}}
        gpu_run(data, tmp_path / "plain", cuda_graphs="off", **settings)
        gpu_run(data, tmp_path / "recorded", cuda_graphs="on", **settings)
        assert same(weights(tmp_path / "recorded"), weights(tmp_path / "plain"))

    def test_pictures_are_augmented_before_the_recorded_part(self, data, tmp_path):
        gpu_run(data, tmp_path / "plain", cuda_graphs="off", augmentation="wang")
        gpu_run(data, tmp_path / "recorded", cuda_graphs="on", augmentation="wang")
        assert same(weights(tmp_path / "recorded"), weights(tmp_path / "plain"))


class TestRepeating:
    @pytest.mark.parametrize("architecture", PAPER)
    def test_one_seed_gives_one_set_of_weights(self, data, tmp_path, architecture):
        for name in ("one", "two"):
            gpu_run(data, tmp_path / name, architecture=architecture, image_size=96, epochs=2)
        assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
        how = RunFolder(tmp_path / "one").record()["computation"]
        assert (how["precision"], how["channels_last"], how["cuda_graphs"]) == ("bfloat16", True, True)

    def test_a_run_that_was_stopped_ends_with_the_same_weights(self, data, tmp_path):
        settings = {"architecture": "resnet18", "image_size": 64}
        gpu_run(data, tmp_path / "whole", **settings)
        config = RunConfig.model_validate({"objective": "cyborg", "weights": "none"} | GPU | settings)
        story = run_job(TrainingJob(run=config, dataset=data, out=tmp_path / "halves"))
        next(event for event in story if isinstance(event, EpochEvent))
        story.close()
        gpu_run(data, tmp_path / "halves", **settings)
        assert same(weights(tmp_path / "halves"), weights(tmp_path / "whole"))


class TestPrecision:
    def test_float16_trains_with_its_scaler(self, data, tmp_path):
        told = epochs(gpu_run(data, tmp_path / "r", precision="float16"))
        assert all(math.isfinite(epoch.terms["loss"]) for epoch in told)

    def test_a_gpu_says_what_a_cpu_says(self, data, tmp_path):
        """The scores of one set of weights, as a GPU and a CPU compute them."""
        gpu_run(data, tmp_path / "r", precision="float32")
        list(evaluate_dataset(tmp_path / "r", data, split="test", name="on-cpu", device="cpu"))
        on_cpu = tmp_path / "r" / "evaluations" / "on-cpu" / "test.csv"
        on_gpu = RunFolder(tmp_path / "r").scores / "test.csv"
        assert logits(on_gpu) == pytest.approx(logits(on_cpu), abs=2e-2)


def logits(path):
    rows = [line.split(",") for line in path.read_text().splitlines()]
    column = rows[0].index("logit_fake")
    return [float(row[column]) for row in rows[1:]]


class TestMemory:
    def test_too_large_a_batch_is_said_with_one_to_try(self, data, tmp_path, monkeypatch):
        limit = 600e6 / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(limit)
        try:
            with pytest.raises(OutOfMemory, match=r"batch_size = 16; try 8\."):
                gpu_run(data, tmp_path / "r", architecture="densenet121", image_size=448, batch_size=16)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)

    def test_an_epoch_tells_how_much_it_took(self, data, tmp_path):
        assert epochs(gpu_run(data, tmp_path / "r"))[0].gpu_memory_bytes > 0

    def test_images_that_do_not_fit_stay_outside(self, data, tmp_path, monkeypatch):
        gpu_run(data, tmp_path / "inside")
        monkeypatch.setattr("training.data.loading.ON_DEVICE_SHARE", 0.0)
        gpu_run(data, tmp_path / "outside")
        assert same(weights(tmp_path / "inside"), weights(tmp_path / "outside"))


class TestSpeed:
    def test_it_can_be_measured(self):
        found = measure(synthetic_setup(RunConfig(architecture="resnet18", image_size=64), steps=10))
        assert found.training > 0 < found.validation

    @pytest.mark.slow
    def test_a_compiled_network_learns_the_same(self, data, tmp_path):
        compiled = gpu_run(data, tmp_path / "c", compile="on", deterministic=False, epochs=1)
        plain = gpu_run(data, tmp_path / "p", epochs=1)
        assert epochs(compiled)[0].terms["loss"] == pytest.approx(epochs(plain)[0].terms["loss"], rel=0.05)
        assert any(isinstance(event, EvaluatedEvent) for event in compiled)

    @pytest.mark.slow
    def test_a_compiled_network_learns_the_same_again(self, data, tmp_path):
        for name in ("one", "two"):
            gpu_run(data, tmp_path / name, compile="on", architecture="resnet18", image_size=64)
        assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
