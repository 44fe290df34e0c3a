import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from training.backbones import OWN, CyborgTiny, build, normalise_as_pooled
from training.cam import class_activation_map
from training.errors import ModelError
from training.weights import initialise

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
        assert network.expects.side == SIDES.get(name, 224)
        assert network.expects.mean == ((0.5,) * 3 if name == "legacy_xception" else (0.485, 0.456, 0.406))

    def test_it_tells_real_from_fake_with_one_linear_layer(self, backbone):
        _, network = backbone
        assert network.weight.shape[0] == 2


def test_a_norm_after_pooling_may_move_in_front_of_it():
    norm = torch.nn.LayerNorm(6).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    features = torch.rand(3, 6, 4, 5, dtype=torch.float64)
    moved = normalise_as_pooled(features, norm).mean((-2, -1))
    torch.testing.assert_close(moved, norm(features.mean((-2, -1))))


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
        image = torch.rand(1, 3, network.expects.side, network.expects.side)
        features, _ = network(image)
        assert network.attention.shape == (1, ATTENDED[name], ATTENDED[name])
        assert network.guided_size() == (ATTENDED[name],) * 2
        with torch.no_grad():
            network.net.attention.look.bias -= 50  # nothing passes any more
        assert network.attention.max() <= 1
        assert not torch.equal(network(image)[0], features)
        assert network.attention.max() < 1e-6

    def test_the_weights_of_the_network_keep_their_names(self, name):
        plain, attended = build(name).net.state_dict(), build(name, attention=True).net.state_dict()
        assert attended.keys() - plain.keys() == {"attention.look.weight", "attention.look.bias"}


def test_a_network_without_a_stage_for_it_is_refused(monkeypatch):
    monkeypatch.setattr("training.backbones.ATTEND_AFTER", {})
    with pytest.raises(ModelError, match="cyborg_tiny has no stage of stride 16"):
        build("cyborg_tiny", attention=True)


def test_a_network_without_attention_guides_its_cam():
    network = build("cyborg_tiny", image_size=64)
    assert network.guided_size() == network.map_size()
    assert network.attention is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("resnet19", "no architecture 'resnet19'"),
            ("vit_tiny_patch16_224", "are not 192 maps"),
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

        monkeypatch.setitem(OWN, "squashed", Squashed)
        with pytest.raises(ModelError, match="not linear stands between"):
            build("squashed")

    @pytest.mark.slow
    def test_images_too_small_for_the_network(self):
        with pytest.raises(ModelError, match="32 pixels"):
            build("inception_v3", image_size=32)


class TestWeights:
    @pytest.fixture
    def donor(self):
        torch.manual_seed(1)
        return build("cyborg_tiny").net.state_dict()

    @pytest.fixture
    def network(self):
        torch.manual_seed(2)
        return build("cyborg_tiny")

    @pytest.mark.parametrize(
        "wrap", [dict, lambda s: {"state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}]
    )
    def test_a_pth_file_however_it_is_wrapped(self, tmp_path, network, donor, wrap):
        torch.save(wrap(donor), tmp_path / "w.pth")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert all(torch.equal(value, donor[key]) for key, value in network.net.state_dict().items())

    def test_a_safetensors_file(self, tmp_path, network, donor):
        save_file(donor, tmp_path / "w.safetensors")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.safetensors"))
        assert torch.equal(network.net.features[0][0].weight, donor["features.0.0.weight"])

    def test_a_classifier_of_another_size_stays_random(self, tmp_path, network, donor):
        before = network.weight.clone()
        donor["classifier.weight"], donor["classifier.bias"] = torch.rand(1000, 64), torch.rand(1000)
        torch.save(donor, tmp_path / "w.pth")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert torch.equal(network.weight, before)
        assert torch.equal(network.net.features[0][0].weight, donor["features.0.0.weight"])

    def test_an_attention_map_that_the_file_lacks_stays_random(self, tmp_path, donor):
        torch.save(donor, tmp_path / "w.pth")
        network = build("cyborg_tiny", attention=True)
        before = network.net.attention.look.weight.clone()
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert torch.equal(network.net.attention.look.weight, before)
        assert torch.equal(network.net.features[0][0].weight, donor["features.0.0.weight"])

    @pytest.mark.parametrize(
        ("architecture", "head", "prefix"),
        [
            ("legacy_xception", "fc", "model."),
            ("legacy_xception", "fc", "model.last_linear.1"),
            ("resnet18", "fc", ""),
        ],
    )
    def test_the_files_of_the_authors_bring_their_classifier_along(
        self, tmp_path, architecture, head, prefix
    ):
        """`final_model.pth` holds epoch, state_dict and optimizer; Xception stands in a wrapper there."""
        torch.manual_seed(3)
        state = build(architecture).net.state_dict()
        renamed = prefix.removeprefix("model.") or ("last_linear" if prefix else head)
        theirs = {prefix[:6] + key.replace(f"{head}.", f"{renamed}."): value for key, value in state.items()}
        content = {
            "epoch": 12,
            "state_dict": theirs,
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
        }
        torch.save(content, tmp_path / "final_model.pth")
        network = build(architecture)
        initialise(network, architecture=architecture, weights=str(tmp_path / "final_model.pth"))
        assert all(torch.equal(value, state[key]) for key, value in network.net.state_dict().items())

    def test_the_folder_of_a_run_gives_its_chosen_epoch(self, tmp_path, network, donor):
        (tmp_path / "checkpoints").mkdir()
        save_file(donor | {"optimiser/x": torch.ones(1)}, tmp_path / "checkpoints/best.safetensors")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path))
        assert torch.equal(network.weight, donor["classifier.weight"])

    def test_a_folder_that_is_no_run_is_named(self, tmp_path, network):
        with pytest.raises(ModelError, match=r"checkpoints/best\.safetensors does not exist"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path))

    def test_weights_of_another_network_are_refused(self, tmp_path, network):
        torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "w.pth")
        with pytest.raises(ModelError, match="does not fit the architecture"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_a_file_that_holds_something_else_is_refused(self, tmp_path, network, name):
        (tmp_path / name).write_bytes(b"not weights")
        with pytest.raises(ModelError, match=name):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / name))

    def test_a_missing_file_is_named(self, network):
        with pytest.raises(ModelError, match=r"nowhere\.pth does not exist"):
            initialise(network, architecture="cyborg_tiny", weights="nowhere.pth")

    def test_our_own_network_has_no_pretrained_weights(self, network):
        with pytest.raises(ModelError, match='weights = "none"'):
            initialise(network, architecture="cyborg_tiny", weights="timm")

    def test_a_hub_that_cannot_be_reached_is_said_at_once(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr("training.weights.getproxies", dict)
        with pytest.raises(
            ModelError, match=r"resnet34 cannot be fetched \(hub\.invalid cannot be reached\)"
        ):
            initialise(build("cyborg_tiny"), architecture="resnet34", weights="timm")


def test_our_own_network_does_not_load_timm():
    code = "import sys, training.backbones as b; b.build('cyborg_tiny'); sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
