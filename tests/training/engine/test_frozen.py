"""A frozen trunk passes each image once, whatever the number of epochs, seeds and objectives."""

from collections.abc import Sequence

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from tests.training.test_run import config, run
from training.config import TrainingJob
from training.data.dataset import DatasetFolder, Sample, load_dataset
from training.data.loading import CacheSettings, SampleTensors, decode_image
from training.engine.frozen import FrozenTrunk, pooled
from training.errors import RunError
from training.events import EpochEvent
from training.model.backbones import Backbone, build
from training.run import open_run, run_job
from training.run_folder import RunFolder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "trunk.safetensors"
    save_file(build("cyborg_tiny", image_size=32).net.state_dict(), path)
    return str(path)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images that a trunk has passed, by call, without the probes of one image."""
    counted: list[int] = []
    forward = Backbone.forward

    def count(self: Backbone, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if len(images) > 1:
            counted.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Backbone, "forward", count)
    return counted


def loaded(trunk: FrozenTrunk, dataset: DatasetFolder, samples: Sequence[Sample]) -> torch.Tensor:
    """The features, without what is reported meanwhile."""
    work = trunk.load(dataset, samples, what="features")
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


class TestGrid:
    def test_the_runs_of_a_grid_pass_each_image_once(self, data, tmp_path, weights, forwards):
        samples = load_dataset(data).samples
        for seed in (0, 1):
            for objective in ("cross_entropy", "cyborg"):
                out = tmp_path / f"{objective}-{seed}"
                run(data, out, weights=weights, freeze=True, seed=seed, objective=objective, epochs=3)
        assert sum(forwards) == len([s for s in samples if s.split in {"train", "val", "test"}])

    def test_the_same_images_with_other_maps_are_not_passed_again(
        self, make_dataset, tmp_path, weights, forwards
    ):
        settings = {"weights": weights, "freeze": True, "objective": "cross_entropy"}
        for name, with_map in (("painted", True), ("bare", False)):
            run(make_dataset(name, with_map=with_map), tmp_path / f"{name}-run", **settings)
        assert load_dataset(tmp_path / "painted").id != load_dataset(tmp_path / "bare").id
        assert sum(forwards) == 16 + 8 + 8

    def test_mirrored_images_are_passed_once_too(self, data, tmp_path, weights, forwards):
        samples = load_dataset(data)
        for seed in (0, 1):
            flipped = {"weights": weights, "freeze": "trunk", "augmentation": {"flip": 0.5}, "seed": seed}
            run(data, tmp_path / str(seed), **flipped)
        passed = 2 * len(samples.of("train")) + len(samples.of("val")) + len(samples.of("test"))
        assert sum(forwards) == passed


class TestRun:
    def test_only_the_classifier_changes(self, data, tmp_path, weights):
        run(data, tmp_path / "run", weights=weights, freeze="trunk")
        before, after = load_file(weights), load_file(RunFolder(tmp_path / "run").best)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"classifier.weight", "classifier.bias"}

    def test_scores_are_those_of_the_whole_network(self, data, tmp_path, weights):
        run(data, tmp_path / "run", weights=weights, freeze="trunk", objective="cyborg")
        _, backbone = open_run(RunFolder(tmp_path / "run"), device="cpu")
        sample = load_dataset(data).of("test")[0]
        image = torch.from_numpy(decode_image(data / sample.path, backbone.network_input))[None]
        with torch.inference_mode():
            _, logits = backbone(backbone.normalise(image))
        lines = (tmp_path / "run/scores/test.csv").read_text().splitlines()
        row = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
        assert float(row["logit_fake"]) == pytest.approx(float(logits[0, 1]), rel=1e-5, abs=1e-6)

    def test_an_interrupted_run_ends_as_one_without_a_break(self, data, tmp_path, weights):
        settings = {"weights": weights, "freeze": "trunk", "epochs": 3, "augmentation": {"flip": 0.5}}
        run(data, tmp_path / "whole", **settings)
        job = TrainingJob(run=config(**settings), dataset=data, out=tmp_path / "cut")
        for event in run_job(job):
            if isinstance(event, EpochEvent):
                break
        list(run_job(job))
        whole, cut = (load_file(RunFolder(tmp_path / name).best) for name in ("whole", "cut"))
        assert all(torch.equal(whole[name], cut[name]) for name in whole)

    def test_before_it_ends_its_checkpoint_is_no_detector(self, data, tmp_path, weights):
        job = TrainingJob(run=config(weights=weights, freeze="trunk"), dataset=data, out=tmp_path / "cut")
        for event in run_job(job):
            if isinstance(event, EpochEvent):
                break
        with pytest.raises(RunError, match="holds the classifier alone until the run has finished"):
            open_run(RunFolder(tmp_path / "cut"), device="cpu")

    @pytest.mark.parametrize("freeze", ["norms", "last_1"])
    def test_the_rest_of_a_partly_frozen_network_stays(self, data, tmp_path, weights, freeze):
        run(data, tmp_path / "run", weights=weights, freeze=freeze, epochs=1)
        before, after = load_file(weights), load_file(RunFolder(tmp_path / "run").best)
        assert torch.equal(before["features.0.0.weight"], after["features.0.0.weight"])
        assert not torch.equal(before["features.5.1.weight"], after["features.5.1.weight"])


class TestFeatures:
    def test_another_trunk_has_features_of_its_own(self, data, tmp_path):
        cache = CacheSettings("auto", tmp_path)
        samples = load_dataset(data).of("val")
        for seed in (0, 1):
            torch.manual_seed(seed)
            list(
                FrozenTrunk(build("cyborg_tiny", image_size=32), cache=cache).batches(
                    load_dataset(data), samples
                )
            )
        assert len(list(tmp_path.glob("*.npy"))) == 2

    def test_features_that_nobody_read_to_the_end_are_not_kept(self, data, tmp_path):
        trunk = FrozenTrunk(build("cyborg_tiny", image_size=32), 2, cache=CacheSettings("auto", tmp_path))
        batches = trunk.batches(load_dataset(data), load_dataset(data).of("train"))
        next(iter(batches))
        batches.close()
        assert list(tmp_path.iterdir()) == []

    def test_without_a_folder_they_are_computed_in_memory(self, data):
        trunk = FrozenTrunk(build("cyborg_tiny", image_size=32))
        samples = load_dataset(data).of("val")
        assert loaded(trunk, load_dataset(data), samples).shape == (len(samples), 64, 4, 4)

    def test_mirrored_features_take_their_place_where_the_draws_say_so(self):
        plain, mirrored = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)
        rest = torch.zeros(3, dtype=torch.int64), torch.zeros(3, 2, 2), torch.ones(3, dtype=torch.bool)
        split = SampleTensors(plain, *rest, mirrored)
        index = torch.tensor([2, 0])
        batch = split.mirror_features(split.select(index, plain.device), index, torch.tensor([False, True]))
        assert batch.images[:, 0, 0, 0].tolist() == [0, 1]


class TestConfig:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"augmentation": "wang"}, "mirrored, but not blurred or compressed"),
            ({"objective": "attention"}, "an attention layer inside it cannot be trained"),
            ({"devices": 2, "batch_size": 4}, "on one device"),
        ],
    )
    def test_what_would_need_the_trunk_again_is_refused(self, changes, reason):
        with pytest.raises(ValidationError, match=reason):
            config(freeze="trunk", **changes)

    @pytest.mark.parametrize(("value", "meaning"), [(True, "trunk"), (False, "none"), ("last_3", "last_3")])
    def test_true_is_the_trunk(self, value, meaning):
        assert config(freeze=value).freeze == meaning

    @pytest.mark.parametrize("value", ["last_0", "head", "last_", 1])
    def test_anything_else_is_refused(self, value):
        with pytest.raises(ValidationError, match="freeze"):
            config(freeze=value)


def test_means_of_features_give_the_logits_of_the_features():
    backbone = build("cyborg_tiny", image_size=32).eval()
    features = torch.randn(130, 64, 4, 4, generator=torch.Generator().manual_seed(1))
    assert pooled(features).shape == (130, 64, 1, 1)
    assert torch.equal(backbone.classify(pooled(features)), backbone.classify(features))
