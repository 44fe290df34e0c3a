import pytest
import torch
from torch import nn

from training.model.backbones import Backbone, build
from training.model.folding import folded


def network(architecture: str, **options: object) -> Backbone:
    """With statistics and weights of its normalisations that are not 0 and 1."""
    torch.manual_seed(3)
    backbone = build(architecture, image_size=64, **options)
    for module in backbone.net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 2)
            for tensor in (module.bias.data, module.running_mean):
                tensor.uniform_(-0.5, 0.5)
    return backbone.eval()


def norms(backbone: Backbone) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in backbone.net.modules())


@torch.no_grad()
def both(backbone: Backbone, other: Backbone) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return backbone(images), other(images)


@pytest.mark.parametrize(
    ("architecture", "left"),
    [("cyborg_tiny", 0), ("resnet18", 0), ("tf_efficientnet_lite0", 0), ("densenet121", 62)],
)
def test_it_is_the_same_function_with_fewer_layers(architecture, left):
    """DenseNet has most of its normalisations before the convolutions, not behind them."""
    backbone = network(architecture)
    copy, layers = folded(backbone)
    assert layers > 0
    assert norms(copy) == norms(backbone) - layers == left
    for ours, theirs in zip(*both(copy, backbone), strict=True):
        assert (ours - theirs).abs().max() <= 1e-3 * theirs.abs().max()


def test_the_network_itself_stays_as_it_is():
    backbone = network("cyborg_tiny")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    folded(backbone)
    assert norms(backbone) == 6
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_convolution_that_makes_the_map_is_left_alone():
    """The released tensor of ResNet-50 is what its last convolution made, before the normalisation."""
    backbone = network("resnet50", cam_tensor="released")
    copy, layers = folded(backbone)
    assert layers == norms(backbone) - 1
    for ours, theirs in zip(*both(copy, backbone), strict=True):
        assert (ours - theirs).abs().max() <= 1e-3 * theirs.abs().max()


def test_a_convolution_that_is_used_twice_is_left_alone():
    backbone = network("cyborg_tiny")
    first = backbone.net.features[2]  # 16 channels to 32, then twice through the next
    backbone.net.features[3] = nn.Sequential(backbone.net.features[3], backbone.net.features[3])
    copy, layers = folded(backbone)
    assert layers == 5
    assert first is backbone.net.features[2]
    for ours, theirs in zip(*both(copy, backbone), strict=True):
        assert (ours - theirs).abs().max() <= 1e-3 * theirs.abs().max()


def test_a_network_without_any_is_copied():
    backbone = network("vit_tiny_patch16_224", pooling="mean")
    copy, layers = folded(backbone)
    assert layers == 0
    for ours, theirs in zip(*both(copy, backbone), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("trained", [False, True])
def test_a_copy_has_the_attention_of_its_own_pass(trained):
    tiny = network("cyborg_tiny", attention=True)
    transformer = network("vit_tiny_patch16_224", pooling="mean", model_map="attention")
    for backbone in (tiny, transformer):
        if trained:  # what it kept of its last pass has a graph, and cannot be copied
            backbone.train()(torch.rand(2, 3, 64, 64))
        copy, _ = folded(backbone)
        before = backbone.attention.clone()
        images = torch.rand(3, 3, 64, 64)
        with torch.no_grad():
            copy(images)
        ours = copy.attention
        assert torch.equal(backbone.attention, before)
        with torch.no_grad():
            backbone(images)
        torch.testing.assert_close(ours, backbone.attention, rtol=1e-3, atol=1e-3)
