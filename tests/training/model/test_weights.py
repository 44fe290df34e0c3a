import argparse
import collections
import dataclasses
import enum
import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.errors import ModelError
from training.model.backbones import build
from training.model.weights import InitialWeights, initialise, pretrained_name, require_weights


def average(state):
    return {"n_averaged": torch.tensor(3)} | {f"module.{name}": value for name, value in state.items()}


def renamed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


WRAPPED = {
    "nothing": dict,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "DataParallel": lambda state: renamed(state, "module."),
    "compiled, then DataParallel": lambda state: renamed(state, "module._orig_mod."),
    "DataParallel, then compiled": lambda state: renamed(state, "_orig_mod.module."),
    "a compiled part": lambda state: {
        name.replace("features.", "features._orig_mod."): value for name, value in state.items()
    },
    "Lightning": lambda state: {"state_dict": renamed(state, "model.net."), "loops": {}, "hparams_name": "x"},
    "timm": lambda state: {"arch": "x", "state_dict": state, "state_dict_ema": average(state)},
    "Hugging Face": lambda state: renamed(state, "timm_model."),
    "a moving average alone": lambda state: {"model_ema": renamed(state, "module.")},
    "an averaged model": average,
    "student and teacher": lambda state: (
        renamed(state, "student.")
        | {f"teacher.{name}": torch.zeros_like(value) for name, value in state.items()}
    ),
    "three dictionaries deep": lambda state: {"a": {"b": {"weights": state}}},
    "an optimiser beside": lambda state: {"optimizer": {"state": {0: {"step": torch.ones(1)}}}, "net": state},
}


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Settings:
    lr: float = 0.1


class Config(dict):
    """As EasyDict and others are."""


class Listed(list):
    pass


class Opens:
    """Pickles as a call that makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


BESIDE = {
    "argparse": argparse.Namespace(lr=0.1, out=Path("runs")),
    "a path": Path("runs"),
    "a number of NumPy": np.float64(0.5),
    "an array of NumPy": np.zeros(3),
    "an enum": Colour.RED,
    "a dataclass": Settings(),
    "a dictionary of another kind": Config(lr=0.1, best=np.float32(0.5)),
    "a defaultdict": collections.defaultdict(list, {1: [2]}),
    "a function": torch.nn.functional.relu,
}


class TestInitialise:
    @pytest.fixture
    def donor(self):
        torch.manual_seed(1)
        return build("cyborg_tiny").net.state_dict()

    @pytest.fixture
    def network(self):
        torch.manual_seed(2)
        return build("cyborg_tiny")

    @pytest.mark.parametrize("name", WRAPPED)
    @pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
    def test_a_file_of_any_trainer(self, tmp_path, network, donor, name, is_zip):
        torch.save(WRAPPED[name](donor), tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
        start = initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert all(torch.equal(value, donor[key]) for key, value in network.net.state_dict().items())
        assert start.classifier == "loaded"

    @pytest.mark.parametrize("name", BESIDE)
    def test_a_file_with_objects_of_a_program_beside_the_weights(self, tmp_path, network, donor, name):
        torch.save({"model": donor, "args": BESIDE[name]}, tmp_path / "w.pth")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert torch.equal(network.weight, donor["classifier.weight"])

    def test_nothing_in_a_file_is_run(self, tmp_path, network, donor):
        torch.save({"model": donor, "args": Opens(tmp_path / "opened")}, tmp_path / "w.pth")
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert not (tmp_path / "opened").exists()

    @pytest.mark.parametrize(
        ("content", "options"),
        [
            (lambda donor: {"model": donor, "run": os.getpid}, {}),
            (lambda donor: {"model": donor, "list": Listed([1])}, {}),
            (lambda donor: {"model": donor}, {"pickle_protocol": 4}),
            (
                lambda donor: {"model": donor, "args": argparse.Namespace(lr=0.1)},
                {"_use_new_zipfile_serialization": False},
            ),
        ],
        ids=["a function of the system", "a list of another kind", "another pickle", "an old file with args"],
    )
    def test_what_cannot_be_read_without_running_it_is_one_sentence(
        self, tmp_path, network, donor, content, options
    ):
        torch.save(content(donor), tmp_path / "w.pth", **options)
        with pytest.raises(ModelError) as caught:
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert str(caught.value) == (
            f"The weights file {tmp_path / 'w.pth'} holds objects that cannot be read without running code "
            "from it, which is never done; save the weights alone: torch.save(model.state_dict(), …)."
        )

    def test_weights_come_before_a_moving_average_of_them(self, tmp_path, network, donor):
        average = {name: torch.zeros_like(value) for name, value in donor.items()}
        torch.save({"model_ema": average, "model": donor}, tmp_path / "w.pth")
        start = initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert torch.equal(network.weight, donor["classifier.weight"])
        assert start.where == "model"

    def test_two_networks_in_one_file_are_not_guessed_between(self, tmp_path, network, donor):
        other = {name: value + 1 for name, value in donor.items()}
        torch.save({"real": donor, "fake": other}, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"holds several networks \(real, fake\); save the one"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

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

    def test_weights_of_another_network_are_refused_with_names_of_both(self, tmp_path, network):
        torch.save({"left": torch.ones(1), "right": torch.ones(1)}, tmp_path / "w.pth")
        with pytest.raises(ModelError) as caught:
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert str(caught.value) == (
            f"The weights file {tmp_path / 'w.pth'} does not fit the architecture: it has left, right; "
            "features.0.0.weight, features.0.1.weight, features.0.1.bias, … are wanted."
        )

    def test_a_missing_tensor_is_named_beside_what_is_there_instead(self, tmp_path, network, donor):
        donor["features.9.weight"] = donor.pop("features.0.0.weight")
        torch.save(donor, tmp_path / "w.pth")
        with pytest.raises(
            ModelError, match=r"1 of 38 .* it has features\.9\.weight; features\.0\.0\.weight"
        ):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

    def test_a_tensor_of_another_shape_is_named_with_both_shapes(self, tmp_path, network, donor):
        donor["features.0.0.weight"] = torch.rand(16, 1, 3, 3)
        torch.save(donor, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"has \(16, 1, 3, 3\), wanted is \(16, 3, 3, 3\)"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

    def test_a_larger_network_is_not_cut_off(self, tmp_path, network, donor):
        """All of a ResNet-50's tensors are in a ResNet-101, and make no network without the others."""
        donor |= {"features.6.0.weight": torch.rand(64, 64, 3, 3), "features.6.1.bias": torch.rand(64)}
        torch.save(donor, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"of a larger network: it goes on with features\.6\.0\.weight"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

    def test_parts_that_the_network_does_not_have_are_left_out(self, tmp_path, network, donor):
        donor |= {"AuxLogits.fc.weight": torch.rand(2, 2), "classifier.3.weight": torch.rand(2, 2)}
        torch.save(donor, tmp_path / "w.pth")
        start = initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        assert start.classifier == "loaded"

    def test_a_few_equal_names_make_no_network(self, tmp_path, network):
        stages = {f"stage{i}.features.0.0.weight": torch.full((1,), float(i)) for i in range(3)}
        torch.save(stages, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"30 of 38 tensors .* it has nothing; features"):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))

    def test_convolutions_of_one_pixel_may_be_matrices(self, tmp_path):
        """xception-b5690688.pth, from which the authors start, was saved so."""
        torch.manual_seed(3)
        state = build("legacy_xception").net.state_dict()
        flat = {key: value.squeeze() if "pointwise" in key else value for key, value in state.items()}
        torch.save(flat, tmp_path / "w.pth")
        network = build("legacy_xception")
        initialise(network, architecture="legacy_xception", weights=str(tmp_path / "w.pth"))
        assert all(torch.equal(value, state[key]) for key, value in network.net.state_dict().items())

    def test_torchvisions_own_file_of_densenet_has_other_names(self, tmp_path):
        torch.manual_seed(3)
        state = build("densenet121").net.state_dict()
        old = {
            re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
            for key, value in state.items()
        }
        assert "features.denseblock1.denselayer1.norm.1.weight" in old
        torch.save(old, tmp_path / "w.pth")
        network = build("densenet121")
        initialise(network, architecture="densenet121", weights=str(tmp_path / "w.pth"))
        assert all(torch.equal(value, state[key]) for key, value in network.net.state_dict().items())

    def test_the_file_of_the_authors_of_dinov2_has_other_names_and_another_size(self, tmp_path):
        name = "vit_small_patch14_reg4_dinov2"
        torch.manual_seed(3)
        state = build(name, pooling="mean", image_size=112).net.state_dict()
        dim = state["cls_token"].shape[2]
        theirs = {key: value for key, value in state.items() if not key.startswith("head.")} | {
            # Theirs has a position for the class token, which timm's adds to the token.
            "pos_embed": torch.cat([torch.zeros(1, 1, dim), state["pos_embed"]], dim=1),
            "register_tokens": state["reg_token"],
            "mask_token": torch.zeros(1, dim),
        }
        del theirs["reg_token"]
        torch.save(theirs, tmp_path / "dinov2.pth")
        network = build(name, pooling="mean", image_size=56)
        start = initialise(network, architecture=name, weights=str(tmp_path / "dinov2.pth"))
        loaded = network.net.state_dict()
        assert start.classifier == "random"
        assert loaded["pos_embed"].shape == (1, 16, dim)
        assert torch.equal(loaded["reg_token"], state["reg_token"])
        assert torch.equal(loaded["blocks.11.mlp.fc2.weight"], state["blocks.11.mlp.fc2.weight"])

    def test_a_vision_transformer_of_another_depth_is_refused_with_names_of_both(self, tmp_path):
        name = "vit_tiny_patch16_224"
        network = build(name, pooling="mean", image_size=64)
        state = {key: value for key, value in network.net.state_dict().items() if "blocks.11" not in key}
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"12 of 152 tensors .* blocks\.11\.attn\.proj\.bias"):
            initialise(network, architecture=name, weights=str(tmp_path / "w.pth"))

    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
    def test_a_folder_of_an_export_or_a_hub(self, tmp_path, network, donor, name):
        named = {f"timm_model.{key}": value for key, value in donor.items()}
        (save_file if name.endswith("safetensors") else torch.save)(named, tmp_path / name)
        initialise(network, architecture="cyborg_tiny", weights=str(tmp_path))
        assert torch.equal(network.weight, donor["classifier.weight"])

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_a_file_that_holds_something_else_is_refused(self, tmp_path, network, name):
        (tmp_path / name).write_bytes(b"not weights")
        with pytest.raises(ModelError, match=name):
            initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / name))

    def test_a_missing_file_is_named(self, network):
        with pytest.raises(ModelError, match=r"nowhere\.pth does not exist"):
            initialise(network, architecture="cyborg_tiny", weights="nowhere.pth")

    @pytest.mark.parametrize("weights", ["timm", "timm:tv_in1k"])
    def test_our_own_network_has_no_pretrained_weights(self, network, weights):
        with pytest.raises(ModelError, match='weights = "none"'):
            initialise(network, architecture="cyborg_tiny", weights=weights)

    def test_what_they_were_is_told(self, tmp_path, network, donor):
        content = {"state_dict": {f"module.net.{name}": value for name, value in donor.items()}}
        torch.save(content, tmp_path / "w.pth")
        start = initialise(network, architecture="cyborg_tiny", weights=str(tmp_path / "w.pth"))
        sha256 = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
        assert start == InitialWeights(str(tmp_path / "w.pth"), "state_dict.net", sha256, "loaded")
        assert initialise(network, architecture="cyborg_tiny", weights="none") == InitialWeights("random")


class TestPretrained:
    @pytest.mark.parametrize(
        ("architecture", "weights", "name"),
        [
            ("resnet50", "timm:tv_in1k", "resnet50.tv_in1k"),
            ("resnet50.tv_in1k", "timm", "resnet50.tv_in1k"),
            ("resnet50.a1_in1k", "timm:tv_in1k", "resnet50.tv_in1k"),
            ("densenet121", "timm", "densenet121.ra_in1k"),
        ],
    )
    def test_a_tag_names_them_and_without_one_timm_chooses(self, architecture, weights, name):
        assert pretrained_name(architecture, weights) == name

    def test_an_unknown_tag_is_answered_with_the_known_ones(self):
        with pytest.raises(
            ModelError, match=r"no weights 'densenet121.tv'; the tags .* are: ra_in1k, tv_in1k\."
        ):
            pretrained_name("densenet121", "timm:tv")

    @pytest.mark.parametrize(("name", "weights"), [("resnet34", "timm"), ("densenet121", "timm:tv_in1k")])
    def test_a_hub_that_cannot_be_reached_is_said_at_once(self, monkeypatch, name, weights):
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
        monkeypatch.setattr("training.model.weights.getproxies", dict)
        reason = rf"{name}\.\w+ cannot be fetched \(hub\.invalid cannot be reached\); give a weights file"
        with pytest.raises(ModelError, match=reason):
            require_weights(name, weights)
