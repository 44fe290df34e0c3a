import pytest
import torch
from torch import nn

from training.errors import ModelError
from training.model.backbones import Backbone, build
from training.model.freezing import freeze


def trained(backbone: Backbone) -> set[str]:
    return {name for name, parameter in backbone.net.named_parameters() if parameter.requires_grad}


class TestFreeze:
    def test_behind_a_frozen_trunk_only_the_classifier_is_trained(self):
        backbone = build("cyborg_tiny", image_size=32)
        freeze(backbone, "trunk")
        assert trained(backbone) == {"classifier.weight", "classifier.bias"}

    def test_nothing_is_frozen_without_being_asked(self):
        backbone = build("cyborg_tiny", image_size=32)
        freeze(backbone, "none")
        assert len(trained(backbone)) == len(list(backbone.net.parameters()))

    def test_layers_of_normalisation_alone(self):
        backbone = build("cyborg_tiny", image_size=32)
        freeze(backbone, "norms")
        norms = {
            f"{name}.{part}"
            for name, module in backbone.net.named_modules()
            if isinstance(module, nn.BatchNorm2d)
            for part in ("weight", "bias")
        }
        assert len(norms) == 12
        assert trained(backbone) == norms | {"classifier.weight", "classifier.bias"}

    def test_the_last_blocks_and_what_follows_them(self):
        backbone = build("vit_tiny_patch16_224", image_size=32, pooling="mean")
        freeze(backbone, "last_2")
        assert {name.split(".")[1] for name in trained(backbone) if name.startswith("blocks")} == {"10", "11"}
        assert {"norm.weight", "head.weight"} <= trained(backbone)

    def test_the_last_blocks_of_convolutions(self):
        backbone = build("cyborg_tiny", image_size=32)
        freeze(backbone, "last_2")
        assert {name.split(".")[1] for name in trained(backbone) if name.startswith("features")} == {"4", "5"}

    def test_frozen_layers_keep_their_statistics_in_training(self):
        backbone = build("cyborg_tiny", image_size=32)
        freeze(backbone, "last_1")
        before = {name: value.clone() for name, value in backbone.net.state_dict().items()}
        backbone.train()(torch.rand(4, 3, 32, 32))
        moved = {
            name
            for name, value in backbone.net.state_dict().items()
            if name.endswith("running_mean") and not torch.equal(value, before[name])
        }
        assert moved == {"features.5.1.running_mean"}
        assert backbone.training

    def test_more_blocks_than_there_are_is_refused(self):
        with pytest.raises(ModelError, match='has 6 blocks; freeze = "last_6" would freeze nothing'):
            freeze(build("cyborg_tiny", image_size=32), "last_6")

    def test_a_network_without_normalisation_is_refused(self):
        backbone = build("cyborg_tiny", image_size=32)
        for block in backbone.net.features:
            block[1] = nn.Identity()
        with pytest.raises(ModelError, match="no layers of normalisation"):
            freeze(backbone, "norms")
