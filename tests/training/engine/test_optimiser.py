import pytest
import torch

from training.config import OptimiserSettings
from training.engine.optimiser import Optimiser


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def loss(net):
    return net(torch.ones(2, 3)).square().sum()


class TestOptimiser:
    def test_the_trunk_learns_at_a_rate_of_its_own(self):
        net = network()
        before = [parameter.detach().clone() for parameter in net.parameters()]
        settings = OptimiserSettings(momentum=0, weight_decay=0, trunk_rate=0.1)
        optimiser = Optimiser(net, settings, classifier=net[2])
        loss(net).backward()
        optimiser.step(0.5)
        for parameter, start, rate in zip(net.parameters(), before, (0.05, 0.05, 0.5, 0.5), strict=True):
            torch.testing.assert_close(parameter, start - rate * parameter.grad)

    def test_what_is_frozen_has_no_state(self):
        net = network()
        net[0].requires_grad_(False)
        optimiser = Optimiser(net, OptimiserSettings())
        loss(net).backward()
        optimiser.step(0.5)
        assert optimiser.state_dict().keys() == {"2.weight", "2.bias"}

    def test_it_steps_as_torchs_own_class_does(self):
        ours, theirs = network(), network()
        settings = OptimiserSettings(lr=0.1, momentum=0.9, weight_decay=0.01)
        descent = Optimiser(ours, settings)
        oracle = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        for _ in range(4):
            descent.zero_grad()
            loss(ours).backward()
            descent.step(0.1)
            oracle.zero_grad()
            loss(theirs).backward()
            oracle.step()
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))

    def test_adam_steps_as_torchs_own_class_does(self):
        ours, theirs = network(), network()
        settings = OptimiserSettings(name="adam", lr=0.1, momentum=0.8, weight_decay=0.01)
        descent = Optimiser(ours, settings)
        oracle = torch.optim.Adam(theirs.parameters(), lr=0.1, betas=(0.8, 0.999), weight_decay=0.01)
        for _ in range(4):
            descent.zero_grad()
            loss(ours).backward()
            descent.step(0.1)
            oracle.zero_grad()
            loss(theirs).backward()
            oracle.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("name", ["sgd", "adam"])
    def test_it_goes_on_from_its_state(self, name):
        whole, halved = network(), network()
        settings = OptimiserSettings(name=name)
        one, other = Optimiser(whole, settings), Optimiser(halved, settings)
        for step in range(4):
            if step == 2:
                state = {key: value.clone() for key, value in other.state_dict().items()}
                other = Optimiser(halved, settings)
                other.load_state_dict(state)
            for net, descent in ((whole, one), (halved, other)):
                descent.zero_grad()
                loss(net).backward()
                descent.step(0.01)
        assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), halved.parameters(), strict=True))

    def test_the_rate_falls_after_each_step_of_epochs(self):
        descent = Optimiser(network(), OptimiserSettings(lr=1.0, step_epochs=12, gamma=0.1))
        rates = [descent.learning_rate(epoch) for epoch in (1, 12, 13, 24, 25)]
        assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])

    def test_without_steps_it_is_constant(self):
        assert Optimiser(network(), OptimiserSettings(lr=0.5, step_epochs=0)).learning_rate(1000) == 0.5

    def test_a_parameter_without_a_gradient_stays(self):
        net = network()
        before = net[0].weight.clone()
        net[2].weight.sum().backward()
        Optimiser(net, OptimiserSettings(weight_decay=0.1)).step(1.0)
        assert torch.equal(net[0].weight, before)


class TestUnderAGradientScaler:
    """What float16 needs: the loss is scaled up, gradients are scaled down again before the step."""

    @pytest.mark.parametrize("name", ["sgd", "adam"])
    def test_a_step_is_the_one_without_it(self, name):
        plain, scaled = network(), network()
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        step(
            plain, Optimiser(plain, OptimiserSettings(name=name)), torch.amp.GradScaler("cpu", enabled=False)
        )
        step(scaled, Optimiser(scaled, OptimiserSettings(name=name)), scaler)
        for a, b in zip(plain.parameters(), scaled.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)

    def test_a_step_that_overflows_is_not_taken_and_the_scale_falls(self):
        net = network()
        before = [parameter.clone() for parameter in net.parameters()]
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        net[2].bias.register_hook(lambda gradient: gradient * torch.inf)
        step(net, Optimiser(net, OptimiserSettings()), scaler)
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), before, strict=True))
        assert scaler.get_scale() == 2.0**9


def step(net, descent, scaler):
    torch.autograd.backward(scaler.scale(loss(net)))
    scaler.step(descent, 0.1)
    scaler.update()
