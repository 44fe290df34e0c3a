import pytest
import torch

from training.model.backbones import build
from training.model.map_networks import TrunkWithDecoder, UNet


@pytest.mark.parametrize("side", [32, 45, 64])
def test_a_u_net_draws_at_the_size_of_the_image(side):
    drawn = UNet().eval()(torch.randn(2, 3, side, side))
    assert drawn.shape == (2, side, side)
    assert 0 < drawn.min() <= drawn.max() < 1


@pytest.mark.parametrize(("architecture", "side"), [("cyborg_tiny", 40), ("resnet18", 64)])
def test_a_decoder_draws_at_the_size_of_the_image_and_teaches_the_whole_trunk(architecture, side):
    backbone = build(architecture, image_size=side)
    net = TrunkWithDecoder(backbone)
    drawn = net(torch.randn(2, 3, side, side))
    assert drawn.shape == (2, side, side)
    drawn.mean().backward()
    head = {id(parameter) for parameter in backbone.head.parameters()}
    trunk = [parameter for parameter in backbone.parameters() if id(parameter) not in head]
    assert all(parameter.grad is not None for parameter in trunk)
