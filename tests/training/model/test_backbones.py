import subprocess
import sys

import pytest
import torch

from training.errors import ModelError
from training.model.backbones import OWN_ARCHITECTURES, CyborgTiny, build
from training.model.cam import class_activation_map
from training.model.network_input import HALF, IMAGENET, NetworkInput

PAPER = ["resnet18", "resnet50", "densenet121", "inception_v3", "legacy_xception"]
OTHERS = ["cyborg_tiny", "efficientnet_b0", "regnetx_002", "convnext_atto", "convnext_tiny"]
RECTIFIED = {*PAPER, "cyborg_tiny", "regnetx_002"}
SIDES = {"inception_v3": 299, "legacy_xception": 299}


@pytest.fixture(scope="module", params=[*PAPER, *OTHERS])
def backbone(request):
    torch.manual_seed(0)
    return request.param, build(request.param)


class TestBackbone:
    def test_the_mean_of_the_cam_is_the_logit_without_the_bias(self, backbone):
        name, network = backbone
        network.double().eval()
        features, logits = network(torch.rand(1, 3, 96, 96, dtype=torch.float64))
        target = logits.argmax(1)
        cam = class_activation_map(features, network.weight, target)
        chosen = logits.gather(1, target[:, None])[:, 0]
        torch.testing.assert_close(
            cam.mean((-2, -1)), chosen - network.head.bias[target], rtol=1e-6, atol=1e-8
        )
        assert name not in RECTIFIED or features.min() >= 0
        network.float()

    def test_its_input_is_that_of_the_papers(self, backbone):
        name, network = backbone
        assert network.network_input == NetworkInput(
            SIDES.get(name, 224), HALF if name in SIDES else IMAGENET
        )

    def test_it_tells_real_from_fake_with_one_linear_layer_as_torch_draws_it(self, backbone):
        _, network = backbone
        classes, channels = network.weight.shape
        assert classes == 2
        largest = channels**-0.5
        assert 0.95 * largest < network.weight.abs().max() <= largest
        assert 0 < network.head.bias.abs().max() <= largest


@pytest.mark.parametrize(("name", "size"), [("cyborg_tiny", 28), ("resnet18", 7)])
def test_the_size_of_the_cam_is_known_before_training(name, size):
    assert build(name).map_size() == (size, size)


def test_another_image_size_gives_another_map():
    assert build("cyborg_tiny", image_size=96).map_size() == (12, 12)


def test_asking_for_the_map_size_leaves_no_trace():
    network = build("cyborg_tiny").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.get_rng_state()
    network.map_size()
    assert network.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


ATTENDED = {
    "legacy_xception": 19,
    "resnet18": 14,
    "densenet121": 14,
    "efficientnet_b0": 14,
    "cyborg_tiny": 56,
}


@pytest.mark.parametrize("name", ATTENDED)
class TestAttention:
    def test_it_weighs_what_leaves_a_stage(self, name):
        network = build(name, attention=True).eval()
        image = torch.rand(1, 3, network.network_input.side, network.network_input.side)
        features, _ = network(image)
        assert network.attention.shape == (1, ATTENDED[name], ATTENDED[name])
        assert network.guided_map_size() == (ATTENDED[name],) * 2
        with torch.no_grad():
            network.net.attention.look.bias -= 50  # nothing passes any more
        assert network.attention.max() <= 1
        assert not torch.equal(network(image)[0], features)
        assert network.attention.max() < 1e-6

    def test_the_weights_of_the_network_keep_their_names(self, name):
        plain, attended = build(name).net.state_dict(), build(name, attention=True).net.state_dict()
        assert attended.keys() - plain.keys() == {"attention.look.weight", "attention.look.bias"}


def test_a_network_without_a_stage_for_it_is_refused(monkeypatch):
    monkeypatch.setattr("training.model.attention.ATTEND_AFTER", {})
    with pytest.raises(ModelError, match="cyborg_tiny has no stage of stride 16"):
        build("cyborg_tiny", attention=True)


def test_a_network_without_attention_guides_its_cam():
    network = build("cyborg_tiny", image_size=64)
    assert network.guided_map_size() == network.map_size()
    assert network.attention is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("resnet19", "no architecture 'resnet19'"),
            ("vit_tiny_patch16_224", r"sees a token of its own, not the patches; set pooling = \"mean\""),
            ("vit_pe_core_tiny_patch16_384", "sees an attention over the patches, not their mean"),
            ("twins_svt_small", r"features \(1, 49, 512\) are tokens, and it does not say where"),
            ("mobilenetv3_small_050", "are not 1024 maps"),
        ],
    )
    def test_a_network_without_such_a_head_is_refused_with_the_reason(self, name, reason):
        with pytest.raises(ModelError, match=reason):
            build(name)

    def test_something_between_pooling_and_classifier_is_found_by_trying(self, monkeypatch):
        class Squashed(CyborgTiny):
            def forward_head(self, features):
                return super().forward_head(features).tanh()

        monkeypatch.setitem(OWN_ARCHITECTURES, "squashed", Squashed)
        with pytest.raises(ModelError, match="not linear stands between"):
            build("squashed")

    @pytest.mark.slow
    def test_images_too_small_for_the_network(self):
        with pytest.raises(ModelError, match="32 pixels"):
            build("inception_v3", image_size=32)


def test_our_own_network_does_not_load_timm():
    code = (
        "import sys, training.model.backbones as b; b.build('cyborg_tiny'); sys.exit('timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
