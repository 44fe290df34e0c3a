import pytest
import torch
from torch import nn

from training.errors import ModelError
from training.model.backbones import Backbone, build
from training.model.cam import class_activation_map
from training.model.feature_maps import (
    FeatureLayout,
    NoMapError,
    average_patches,
    layout_of,
    normalise_as_pooled,
)

NETWORKS = {
    # Name, options -> map at that input.
    "vit_tiny_patch16_224": ({"pooling": "mean"}, 14),
    "vit_tiny_patch16_dinov3_qkvb": ({"image_size": 128}, 8),
    "vit_small_patch14_reg4_dinov2": ({"pooling": "mean", "image_size": 112}, 8),
    "vit_pe_core_tiny_patch16_384": ({"pooling": "mean", "image_size": 128}, 8),
    "eva02_tiny_patch14_224": ({}, 16),  # a layer norm after pooling
    "mixer_s32_224": ({}, 7),
    "swin_tiny_patch4_window7_224": ({}, 7),  # channels last
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[Backbone, int]:
    torch.manual_seed(0)
    options, size = NETWORKS[request.param]
    return build(request.param, **options), size


class TestNetworks:
    def test_the_mean_of_the_cam_is_the_logit_without_the_bias(self, network):
        backbone, size = network
        backbone.double().eval()
        with torch.no_grad():
            backbone.head.weight.mul_(30)  # logits of trained networks are of this size
            side = backbone.network_input.side
            features, logits = backbone(torch.rand(2, 3, side, side, dtype=torch.float64))
        target = logits.argmax(1)
        cam = class_activation_map(features, backbone.weight, target)
        chosen = logits.gather(1, target[:, None])[:, 0]
        assert cam.shape == (2, size, size)
        torch.testing.assert_close(
            cam.mean((-2, -1)), chosen - backbone.head.bias[target], rtol=1e-6, atol=1e-8
        )

    def test_the_loss_of_its_map_reaches_every_block(self, network):
        backbone, _ = network
        backbone.float().train()
        side = backbone.network_input.side
        features, logits = backbone(torch.rand(2, 3, side, side))
        class_activation_map(features, backbone.weight, logits.argmax(1)).square().mean().backward()
        first = next(iter(backbone.net.parameters()))
        assert first.grad is not None
        assert first.grad.abs().max() > 0


def test_a_patch_of_the_image_is_the_same_place_of_the_map():
    torch.manual_seed(0)
    backbone = build("vit_tiny_patch16_224", pooling="mean", image_size=64).eval()
    backbone.net.blocks = nn.Sequential()  # without attention a patch reaches its own token alone
    black = torch.zeros(1, 3, 64, 64)
    bright = black.clone()
    bright[:, :, 16:32, 48:64] = 1  # second row, last column
    with torch.no_grad():
        change = (backbone(bright)[0] - backbone(black)[0]).abs().sum(1)[0]
    assert change.nonzero().tolist() == [[1, 3]]


class TestLayout:
    def test_channels_last_are_moved(self):
        features = torch.rand(2, 3, 4, 5)
        assert torch.equal(FeatureLayout("channels_last").as_maps(features.permute(0, 2, 3, 1)), features)

    def test_tokens_of_a_grid_that_is_not_square_keep_their_rows(self):
        tokens = torch.arange(7.0).view(1, 7, 1)
        maps = FeatureLayout("tokens", prefix=1, grid=(2, 3)).as_maps(tokens)
        assert maps.tolist() == [[[[1, 2, 3], [4, 5, 6]]]]

    def test_tokens_that_are_no_grid_are_refused(self):
        with pytest.raises(NoMapError, match="does not say where in the image they lie"):
            layout_of(nn.Identity(), (1, 50, 8), 8)

    def test_a_mean_that_includes_other_tokens_is_refused(self):
        net = nn.Identity()
        net.pool_include_prefix = True
        with pytest.raises(NoMapError, match="the mean of patches and other tokens"):
            layout_of(net, (1, 50, 8), 8)

    def test_a_maximum_is_refused(self):
        net = nn.Identity()
        net.global_pool = "max"
        with pytest.raises(NoMapError, match="pooled by 'max'"):
            layout_of(net, (1, 50, 8), 8)


class TestSize:
    def test_images_of_no_whole_number_of_patches_are_refused(self):
        with pytest.raises(ModelError, match="100 pixels is no whole number of patches of 16"):
            build("vit_tiny_patch16_224", pooling="mean", image_size=100)

    def test_a_network_whose_pooling_is_fixed_says_so(self):
        with pytest.raises(ModelError, match="The pooling of plain cannot be chosen"):
            average_patches(nn.Identity(), "plain")


@pytest.mark.parametrize("is_affine", [True, False])
def test_a_norm_after_pooling_may_move_in_front_of_it(is_affine):
    norm = nn.LayerNorm(6, elementwise_affine=is_affine).double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    features = torch.rand(3, 6, 4, 5, dtype=torch.float64)
    moved = normalise_as_pooled(features, norm).mean((-2, -1))
    torch.testing.assert_close(moved, norm(features.mean((-2, -1))))
