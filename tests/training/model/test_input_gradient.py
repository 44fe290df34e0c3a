import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from training.config import Harmonizer, RightReasons
from training.model.backbones import build
from training.model.input_gradient import derived_score, input_gradient, twice_differentiable
from training.model.loss_terms import gradient_outside
from training.model.pyramid import pyramid_distance


def images(n=3, side=4):
    noise = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return noise.requires_grad_()


LABELS = torch.tensor([0, 1, 1])


def gradient_of(logits, pixels, objective=None):
    return input_gradient(derived_score(objective or RightReasons(), logits, LABELS[: len(logits)]), pixels)


class TestAgainstNumPy:
    def test_of_a_quadratic_network_it_is_the_closed_form(self):
        weight = torch.randn(2, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        pixels = images()
        got = gradient_of(pixels.flatten(1).square() @ weight.T, pixels)
        x, w = pixels.detach().flatten(1).numpy(), weight.numpy()
        logits = x**2 @ w.T
        fake = expit(logits[:, 1] - logits[:, 0])
        wanted = (1 - 2 * fake)[:, None] * 2 * x * (w[1] - w[0])
        np.testing.assert_allclose(got.detach().flatten(1).numpy(), wanted, rtol=1e-10)

    def test_where_the_network_is_undecided_it_is_0(self):
        pixels = images()
        one = pixels.sum((1, 2, 3))
        assert gradient_of(torch.stack([one, one], dim=1), pixels).abs().max() < 1e-12

    @pytest.mark.parametrize("cam_class", ["predicted", "true", "difference"])
    def test_of_the_harmonizer_it_is_that_of_the_explained_logit(self, cam_class):
        weight = torch.randn(2, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        pixels = images()
        logits = pixels.flatten(1) @ weight.T
        got = gradient_of(logits, pixels, Harmonizer(cam_class=cam_class))
        target = logits.argmax(1) if cam_class == "predicted" else LABELS
        wanted = weight[target] - (weight[1 - target] if cam_class == "difference" else 0)
        torch.testing.assert_close(got.detach().flatten(1), wanted)


def outside(gradient, human):
    return gradient_outside(gradient, human)


def harmony(gradient, human):
    return pyramid_distance(gradient.mean(1), human, levels=3)


@pytest.mark.parametrize(("term", "objective"), [(outside, RightReasons()), (harmony, Harmonizer())])
class TestSecondDerivative:
    def test_the_penalty_has_the_slope_of_finite_differences(self, term, objective):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(16, 2)).double()
        human = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        parameters = dict(net.named_parameters())

        def penalty(*values):
            pixels = images()
            logits = torch.func.functional_call(net, dict(zip(parameters, values, strict=True)), pixels)
            return term(gradient_of(logits, pixels, objective), human).mean()

        assert torch.autograd.gradcheck(penalty, tuple(parameters.values()))

    @pytest.mark.parametrize(("name", "side"), [("cyborg_tiny", 32), ("vit_tiny_patch16_224", 32)])
    def test_convolutions_and_attention_have_one(self, name, side, term, objective):
        network = build(name, image_size=side, pooling="mean" if name.startswith("vit") else "own").train()
        pixels = torch.rand(2, 3, side, side).requires_grad_()
        with twice_differentiable():
            _, logits = network(pixels)
        human = torch.rand(2, side, side)
        term(gradient_of(logits, pixels, objective), human).mean().backward()
        first = next(network.net.parameters())
        assert torch.isfinite(first.grad).all()
        assert any(
            parameter.grad is not None and parameter.grad.abs().max() > 0
            for parameter in network.parameters()
        )
