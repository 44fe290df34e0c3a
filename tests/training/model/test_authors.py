"""The papers' networks here against those of the released code, on the same pixels."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.support import authors
from tests.support.authors import NETWORKS, SIDES
from tests.training.test_main import invoke
from training.config import Cyborg
from training.data.dataset import DatasetWriter
from training.evaluation.score_table import read_score_table
from training.import_weights import import_weights
from training.model.backbones import build
from training.model.objective import compute_loss
from training.model.weights import initialise
from training.score import score_images

pytestmark = pytest.mark.long


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture
def net(name):
    return authors.theirs(name)


def ours(name, net, tmp_path, **options):
    """The network here with the weights of their checkpoint."""
    authors.checkpoint(net, tmp_path / "final_model.pth")
    network = build(name, **options)
    initialise(network, architecture=name, weights=str(tmp_path / "final_model.pth"))
    return network


class TestLogits:
    @pytest.mark.parametrize("training", [False, True], ids=["scoring", "learning"])
    def test_they_are_theirs_on_the_same_pixels(self, name, net, tmp_path, training):
        images = authors.pictures(3, SIDES[name])
        authors.make_loud(net.train(training), authors.scaled(name, images / 255))
        network = ours(name, net, tmp_path).train(training)
        logits = []
        for give in (
            lambda: net(authors.scaled(name, images / 255)),
            lambda: network(network.normalise(images))[1],
        ):
            torch.manual_seed(1)  # of dropout
            with torch.no_grad():
                logits.append(give())
        torch.testing.assert_close(*logits, rtol=0, atol=1e-4)


class TestGradients:
    def test_those_of_the_released_tensor_are_theirs(self, name, net, tmp_path):
        """The first step of CYBORG, in double precision so that nothing but the formulas can differ."""
        side = 139 if name == "inception_v3" else 96
        network = ours(name, net, tmp_path, image_size=side, cam_tensor="released")
        images = authors.pictures(3, side).double() / 255
        labels, human = torch.tensor([0, 1, 1]), human_maps(network)
        network.double().train()
        torch.manual_seed(1)
        authors.loss_of_theirs(name, net.double(), authors.scaled(name, images), labels, human).backward()
        scale = network.network_input.scale
        mean, std = (torch.tensor(c, dtype=torch.float64).view(3, 1, 1) for c in (scale.mean, scale.std))
        torch.manual_seed(1)
        features, logits = network((images - mean) / std)
        compute_loss(
            Cyborg(),
            logits=logits,
            labels=labels,
            features=features,
            weight=network.weight,
            human=human,
            present=torch.ones(3, dtype=torch.bool),
        ).loss.backward()
        wanted = {ours_for(key): parameter.grad for key, parameter in net.named_parameters()}
        for key, parameter in network.net.named_parameters():
            worst = (parameter.grad - wanted[key]).abs().max() / wanted[key].abs().max()
            assert worst <= 1e-5, key


class TestImportedCheckpoint:
    def test_it_scores_photographs_as_their_test_code_does(self, name, net, photographs, tmp_path):
        wanted = scores_of_theirs(name, net, photographs)
        authors.checkpoint(net, tmp_path / "final_model.pth")
        imported = invoke("import-weights", tmp_path / "final_model.pth", tmp_path / "run")
        assert imported.exit_code == 0, imported.output
        assert f"{name} at {SIDES[name]} px, resize pil_bilinear" in imported.output
        found = invoke("score", tmp_path / "run", *photographs, "--device", "cpu").stdout.splitlines()[1:]
        assert [float(line.split(",")[-2]) for line in found] == pytest.approx(wanted, abs=1e-3)

    @pytest.mark.parametrize("name", ["resnet50"])
    def test_another_resize_would_show(self, name, net, photographs, tmp_path):
        wanted = scores_of_theirs(name, net, photographs)
        authors.checkpoint(net, tmp_path / "final_model.pth")
        import_weights(tmp_path / "final_model.pth", tmp_path / "run", resize="area")
        found = score_images(tmp_path / "run", photographs, cams=None, device="cpu")
        assert max(abs(one.score_sigmoid - other) for one, other in zip(found, wanted, strict=True)) > 1e-3

    @pytest.mark.parametrize("name", ["resnet50"])
    def test_it_is_evaluated_on_a_dataset(self, name, net, photographs, tmp_path):
        wanted = scores_of_theirs(name, net, photographs)
        with DatasetWriter(tmp_path / "data", study="s", map_set="") as writer:
            for number, path in enumerate(photographs):
                png = cv2.imencode(".png", cv2.imread(str(path)))[1].tobytes()
                label = ("real", "fake")[number % 2]
                writer.add(image_id=f"i{number}", image=png, label=label, source=label, split="test")
        authors.checkpoint(net, tmp_path / "final_model.pth")
        import_weights(tmp_path / "final_model.pth", tmp_path / "run")
        result = invoke("evaluate", tmp_path / "run", "--data", tmp_path / "data", "--device", "cpu")
        assert result.exit_code == 0, result.output
        scored = read_score_table(tmp_path / "run/evaluations/data/test.csv")
        assert scored.probability["sigmoid"].tolist() == pytest.approx(wanted, abs=1e-3)


def scores_of_theirs(name, net, photographs):
    """The sigmoid of the second logit, one picture at a time, of a network that is sure of nothing."""
    loaded = [authors.as_they_load(name, Image.open(path)) for path in photographs]
    authors.make_loud(net.eval(), torch.cat(loaded))
    with torch.no_grad():
        return [float(net(one)[0, 1].sigmoid()) for one in loaded]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """JPEGs of 512 px: patches of colour, grain as a camera leaves it."""
    folder = tmp_path_factory.mktemp("photographs")
    grain = np.random.default_rng(0).normal(0, 25, (4, 512, 512, 3))
    for number, (patches, noise) in enumerate(zip(authors.pictures(4, 512), grain, strict=True)):
        pixels = np.clip(patches.permute(1, 2, 0).numpy() + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=90)
    return sorted(folder.iterdir())


def ours_for(key):
    """The name of one of their parameters here."""
    return key.removeprefix("model.").replace("last_linear.", "fc.")


def human_maps(network):
    maps = torch.rand(3, *network.map_size(), dtype=torch.float64)
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)
