import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy as scipy_entropy

from training.model.cam import (
    class_activation_map,
    distribution,
    entropy,
    fit_human,
    is_flat,
    max_entropy,
    min_max,
    scale_human,
)


def flat(value, side=3):
    return torch.full((1, side, side), value, dtype=torch.float64, requires_grad=True)


class TestClassActivationMap:
    def test_its_mean_is_the_logit_without_the_bias(self):
        features, weight, target = torch.rand(2, 6, 3, 3), torch.rand(4, 6), torch.tensor([3, 1])
        logits = features.mean((-2, -1)) @ weight.T
        cam = class_activation_map(features, weight, target)
        torch.testing.assert_close(cam.mean((-2, -1)), logits[torch.arange(2), target])

    def test_negative_evidence_is_kept(self):
        cam = class_activation_map(torch.ones(1, 1, 2, 2), torch.tensor([[-1.0]]), torch.tensor([0]))
        assert (cam == -1).all()

    def test_gradient_reaches_features_and_head(self):
        features, weight = torch.rand(1, 2, 2, 2, requires_grad=True), torch.rand(2, 2, requires_grad=True)
        class_activation_map(features, weight, torch.tensor([1])).sum().backward()
        assert features.grad.abs().sum() > 0
        assert weight.grad.abs().sum(dim=1).tolist()[0] == 0
        assert weight.grad.abs().sum(dim=1).tolist()[1] > 0


class TestMinMax:
    def test_by_hand(self):
        assert min_max(torch.tensor([[[1.0, 2.0, 5.0]]])).tolist() == [[[0.0, 0.25, 1.0]]]

    def test_a_small_map_is_scaled_exactly(self):
        scaled = min_max(torch.tensor([[[0.0, 1e-4]]]))
        assert scaled.tolist() == [[[0.0, 1.0]]]

    @pytest.mark.parametrize("value", [0.0, 0.7, -1e6])
    def test_a_flat_map_is_zero_with_a_small_gradient(self, value):
        maps = flat(value)
        min_max(maps).square().sum().backward()
        assert min_max(maps).abs().max() == 0
        assert maps.grad.abs().max() <= 1

    def test_it_is_differentiable(self):
        assert torch.autograd.gradcheck(min_max, torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True))


class TestHumanMaps:
    def test_a_thin_stroke_survives_the_way_down(self):
        human = torch.zeros(1, 224, 224)
        human[0, :, 100:103] = 1
        assert fit_human(human, (7, 7))[0, :, 3].min() > 0.99

    def test_it_agrees_with_pillow_on_a_sparse_map(self):
        stored = (np.random.default_rng(0).random((224, 224)) > 0.98).astype(np.float32)
        small = np.asarray(Image.fromarray(stored).resize((7, 7), Image.Resampling.BILINEAR))
        oracle = (small - small.min()) / (small.max() - small.min())
        np.testing.assert_allclose(fit_human(torch.from_numpy(stored)[None], (7, 7))[0], oracle, atol=0.02)

    def test_a_map_of_the_right_size_is_only_stretched(self):
        assert fit_human(torch.tensor([[[0.2, 0.4]]]), (1, 2)).tolist() == [[[0.0, 1.0]]]

    def test_nan_stays_within_its_map(self):
        human = torch.rand(2, 32, 32)
        human[0] = torch.nan
        assert torch.isfinite(fit_human(human, (4, 4))[1]).all()

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_a_flat_one_keeps_its_value(self, value):
        assert (scale_human(torch.full((1, 2, 2), value)) == value).all()


class TestEntropy:
    def test_it_agrees_with_scipy(self):
        maps = min_max(torch.rand(4, 7, 7, dtype=torch.float64))
        np.testing.assert_allclose(entropy(maps), scipy_entropy(maps.flatten(1).numpy(), axis=1), rtol=1e-6)

    @pytest.mark.parametrize(("size", "nats"), [((7, 7), 3.892), ((8, 8), 4.159), ((10, 10), 4.605)])
    def test_an_even_map_has_the_most(self, size, nats):
        assert entropy(torch.zeros(1, *size)).item() == pytest.approx(nats, abs=1e-3)
        assert max_entropy(size) == pytest.approx(nats, abs=1e-3)

    def test_one_pixel_has_none(self):
        one = torch.zeros(1, 7, 7)
        one[0, 3, 3] = 1
        assert entropy(one).item() == pytest.approx(0, abs=1e-6)

    def test_two_even_pixels_have_ln_2(self):
        assert entropy(torch.tensor([[[1.0, 1.0, 0.0]]])).item() == pytest.approx(math.log(2), abs=1e-6)

    def test_it_is_differentiable_although_every_scaled_map_holds_a_zero(self):
        maps = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
        entropy(min_max(maps)).sum().backward()
        assert torch.isfinite(maps.grad).all()
        assert maps.grad.abs().sum() > 0

    def test_a_flat_map_has_no_gradient(self):
        maps = flat(0.3)
        entropy(min_max(maps)).sum().backward()
        assert maps.grad.abs().max() == 0

    def test_probabilities_sum_to_one(self):
        torch.testing.assert_close(distribution(torch.rand(3, 4, 4)).sum(dim=1), torch.ones(3))


def test_flat_means_without_structure():
    assert is_flat(torch.tensor([[[1.0, 1.0]], [[1.0, 1.1]]])).tolist() == [True, False]
