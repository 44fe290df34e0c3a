import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from training.model.backbones import build
from training.model.input_gradient import input_gradient, twice_differentiable
from training.model.loss_terms import gradient_outside


def images(n=3, side=4):
    noise = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return noise.requires_grad_()


class TestAgainstNumPy:
    def test_of_a_quadratic_network_it_is_the_closed_form(self):
        weight = torch.randn(2, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        pixels = images()
        got = input_gradient(pixels.flatten(1).square() @ weight.T, pixels)
        x, w = pixels.detach().flatten(1).numpy(), weight.numpy()
        logits = x**2 @ w.T
        fake = expit(logits[:, 1] - logits[:, 0])
        wanted = (1 - 2 * fake)[:, None] * 2 * x * (w[1] - w[0])
        np.testing.assert_allclose(got.detach().flatten(1).numpy(), wanted, rtol=1e-10)

    def test_where_the_network_is_undecided_it_is_0(self):
        pixels = images()
        one = pixels.sum((1, 2, 3))
        assert input_gradient(torch.stack([one, one], dim=1), pixels).abs().max() < 1e-12


class TestSecondDerivative:
    def test_the_penalty_has_the_slope_of_finite_differences(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(16, 2)).double()
        human = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        parameters = dict(net.named_parameters())

        def penalty(*values):
            pixels = images()
            logits = torch.func.functional_call(net, dict(zip(parameters, values, strict=True)), pixels)
            return gradient_outside(input_gradient(logits, pixels), human).mean()

        assert torch.autograd.gradcheck(penalty, tuple(parameters.values()))

    @pytest.mark.parametrize(("name", "side"), [("cyborg_tiny", 32), ("vit_tiny_patch16_224", 32)])
    def test_convolutions_and_attention_have_one(self, name, side):
        network = build(name, image_size=side, pooling="mean" if name.startswith("vit") else "own").train()
        pixels = torch.rand(2, 3, side, side).requires_grad_()
        with twice_differentiable():
            _, logits = network(pixels)
        gradient_outside(input_gradient(logits, pixels), torch.zeros(2, side, side)).mean().backward()
        first = next(network.net.parameters())
        assert torch.isfinite(first.grad).all()
        assert any(
            parameter.grad is not None and parameter.grad.abs().max() > 0
            for parameter in network.parameters()
        )
