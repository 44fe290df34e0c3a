import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from scipy.stats import pearsonr

from training.model.cam import min_max
from training.model.loss_terms import (
    KL_FLOOR,
    entropy_gap,
    log_entropy,
    map_cc,
    map_distance,
    map_kl,
    map_l1,
    map_mse,
    mean_present,
)

DISTANCES = ["mse", "l1", "kl", "cc"]


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    model, human = torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    return model.requires_grad_(), min_max(human)


@pytest.mark.parametrize("distance", DISTANCES)
class TestEveryDistance:
    def test_it_returns_one_value_per_sample(self, distance, maps):
        assert map_distance(distance, *maps).shape == (3,)

    def test_it_is_zero_between_a_map_and_itself(self, distance, maps):
        assert map_distance(distance, maps[1], maps[1]).abs().max() < 1e-12

    def test_it_is_differentiable(self, distance, maps):
        model, human = maps
        assert torch.autograd.gradcheck(lambda m: map_distance(distance, min_max(m), human), (model,))

    def test_float32_has_the_gradient_of_float64(self, distance, maps):
        """Of smooth human maps above all: they are not 0 where the model's map is."""
        model, human = (m.detach() for m in maps)

        def slope(dtype):
            logits = model.to(dtype, copy=True).requires_grad_()
            value = map_distance(distance, min_max(logits), human.to(dtype)).sum()
            return torch.autograd.grad(value, logits)[0].double()

        exact = slope(torch.float64)
        assert (slope(torch.float32) - exact).norm() < 1e-4 * exact.norm()

    def test_descending_it_moves_the_model_towards_the_human(self, distance, maps):
        model, human = maps
        before = map_distance(distance, min_max(model), human)
        (slope,) = torch.autograd.grad(before.sum(), model)
        after = map_distance(distance, min_max(model - 1e-4 * slope), human)
        assert (after < before).all()

    @pytest.mark.parametrize("value", [0.0, 0.5])
    def test_a_flat_model_map_has_a_finite_gradient_of_ordinary_size(self, distance, maps, value):
        model = torch.full((3, 4, 5), value, dtype=torch.float64, requires_grad=True)
        map_distance(distance, min_max(model), maps[1]).sum().backward()
        assert model.grad.abs().max() < 10

    def test_a_flat_human_map_is_finite(self, distance, maps):
        assert torch.isfinite(map_distance(distance, maps[0], torch.zeros(3, 4, 5).double())).all()

    def test_samples_do_not_touch_each_other(self, distance, maps):
        model, human = maps
        alone = map_distance(distance, model[1:2], human[1:2])
        torch.testing.assert_close(map_distance(distance, model, human)[1:2], alone)


class TestOracles:
    def test_mse_is_numpys(self, maps):
        model, human = (m.detach().numpy() for m in maps)
        np.testing.assert_allclose(map_mse(*maps).detach(), ((model - human) ** 2).mean((1, 2)))

    def test_l1_is_numpys(self, maps):
        model, human = (m.detach().numpy() for m in maps)
        np.testing.assert_allclose(map_l1(*maps).detach(), np.abs(model - human).mean((1, 2)))

    def test_kl_is_scipys(self, maps):
        model, human = (m.detach().flatten(1).numpy() + KL_FLOOR for m in maps)
        np.testing.assert_allclose(map_kl(*maps).detach(), scipy_entropy(human, model, axis=1), rtol=1e-6)

    def test_cc_is_one_minus_scipys_pearson(self, maps):
        model, human = (m.detach().flatten(1).numpy() for m in maps)
        oracle = [1 - pearsonr(a, b).statistic for a, b in zip(model, human, strict=True)]
        np.testing.assert_allclose(map_cc(*maps).detach(), oracle)

    def test_mse_by_hand(self):
        one, other = torch.tensor([[[0.0, 0.5, 1.0]]]), torch.tensor([[[1.0, 0.5, 0.0]]])
        assert map_mse(one, other).item() == pytest.approx(2 / 3)

    def test_opposite_maps_have_the_largest_cc(self):
        one = torch.tensor([[[0.0, 1.0]]])
        assert map_cc(one, 1 - one).item() == pytest.approx(2)


class TestMeanPresent:
    def test_it_counts_only_what_is_there(self):
        assert mean_present(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([1.0, 0.0, 1.0])) == 2

    def test_it_is_zero_when_nothing_is(self):
        assert mean_present(torch.tensor([1.0]), torch.tensor([0.0])) == 0


class TestEntropyTerms:
    def test_the_gap_is_between_means_not_a_mean_of_gaps(self):
        model, human, present = torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0]), torch.ones(2)
        assert entropy_gap(model, human, present) == 0

    def test_the_gap_looks_only_at_samples_with_a_map(self):
        gap = entropy_gap(torch.tensor([1.0, 9.0]), torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0]))
        assert gap == 4

    def test_the_logarithm_of_one_plus_entropy_has_a_floor(self):
        assert log_entropy(torch.tensor([0.0]), plus_one=True) == 0

    def test_the_bare_logarithm_stays_finite(self):
        assert torch.isfinite(log_entropy(torch.tensor([0.0]), plus_one=False))

    def test_both_by_hand(self):
        entropies = torch.tensor([1.0, 3.0])
        assert log_entropy(entropies, plus_one=True).item() == pytest.approx(np.log([2, 4]).mean())
        assert log_entropy(entropies, plus_one=False).item() == pytest.approx(np.log([1, 3]).mean())
