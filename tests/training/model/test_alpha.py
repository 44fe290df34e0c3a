import math

import pytest
import torch
from pydantic import ValidationError

from tests.training.model.test_objective import batch, linked, terms_by_numpy
from training.config import OBJECTIVES, AlphaSettings, CrossEntropy, Cyborg, CyborgDroid, Guided, Hseb
from training.model.alpha import DECAY, Alpha
from training.model.objective import compute_loss

LINEAR = {"kind": "linear", "first": 0.9, "last": 0.3}
COSINE = {"kind": "cosine", "first": 0.9, "last": 0.3}
GUIDED = [kind for kind in OBJECTIVES.values() if issubclass(kind, Guided)]


def alpha_of(objective, epochs=5):
    return Alpha.of(objective, epochs=epochs, device=torch.device("cpu"))


def number(value):
    return torch.tensor(value, dtype=torch.float64)


class TestSchedules:
    def test_linear_goes_in_equal_steps(self):
        alpha, seen = alpha_of(Cyborg(alpha=LINEAR)), []
        for epoch in range(1, 6):
            alpha.begin_epoch(epoch)
            seen.append(alpha(number(1.0), number(1.0), number(3)).item())
        assert seen == pytest.approx([0.9, 0.75, 0.6, 0.45, 0.3])

    def test_cosine_is_slow_at_both_ends_and_meets_linear_in_the_middle(self):
        alpha, seen = alpha_of(Cyborg(alpha=COSINE)), []
        for epoch in range(1, 6):
            alpha.begin_epoch(epoch)
            seen.append(alpha(number(1.0), number(1.0), number(3)).item())
        quarter = 0.9 - 0.6 * (1 - math.cos(math.pi / 4)) / 2
        assert seen == pytest.approx([0.9, quarter, 0.6, 1.2 - quarter, 0.3])

    def test_a_single_epoch_is_the_first(self):
        alpha = alpha_of(Cyborg(alpha=LINEAR), epochs=1)
        alpha.begin_epoch(1)
        assert alpha(number(1.0), number(1.0), number(1)).item() == pytest.approx(0.9)


class TestBalance:
    def feed(self, alpha, pairs):
        return [alpha(number(a), number(b), number(n)).item() for a, b, n in pairs]

    def test_it_is_the_formula_of_running_means(self):
        pairs = [(0.7, 0.1, 4), (0.5, 0.2, 3), (0.4, 0.05, 4)]
        found = self.feed(alpha_of(Cyborg(alpha={"kind": "balance"})), pairs)
        means = [[0.0, 0.0], [0.0, 0.0]]
        for (a, b, _), alpha in zip(pairs, found, strict=True):
            for mean, value in zip(means, (a, b), strict=True):
                mean[0] = DECAY * mean[0] + (1 - DECAY) * value
                mean[1] = DECAY * mean[1] + (1 - DECAY)
            classification, compared = (total / weight for total, weight in means)
            assert alpha == pytest.approx(compared / (classification + compared))

    def test_steady_terms_cost_the_same_in_the_end(self):
        alpha = self.feed(alpha_of(Cyborg(alpha={"kind": "balance"})), [(0.6, 0.2, 4)] * 9)[-1]
        assert alpha * 0.6 == pytest.approx((1 - alpha) * 0.2)

    def test_a_batch_without_a_map_says_nothing_of_the_term(self):
        alpha = alpha_of(Cyborg(alpha={"kind": "balance"}))
        first, second = self.feed(alpha, [(0.6, 0.2, 4), (0.6, 0.0, 0)])
        assert first == pytest.approx(second)

    def test_before_any_map_and_without_any_loss_it_is_a_half(self):
        assert self.feed(alpha_of(Cyborg(alpha={"kind": "balance"})), [(0.6, 0.0, 0)]) == [0.5]
        assert self.feed(alpha_of(Cyborg(alpha={"kind": "balance"})), [(0.0, 0.0, 2)]) == [0.5]

    def test_a_checkpoint_keeps_its_state_to_the_bit(self):
        first, second = (alpha_of(Cyborg(alpha={"kind": "balance"})) for _ in range(2))
        self.feed(first, [(0.7, 0.1, 4), (1 / 3, 1 / 7, 3)])
        second.load_state(first.state())
        assert self.feed(first, [(0.1, 0.3, 2)]) == self.feed(second, [(0.1, 0.3, 2)])

    def test_it_has_no_gradient_of_its_own(self):
        cross_entropy = number(0.6).requires_grad_()
        assert not alpha_of(Cyborg(alpha={"kind": "balance"}))(
            cross_entropy, number(0.2), number(1)
        ).requires_grad


@pytest.mark.parametrize("kind", GUIDED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "alpha", [LINEAR, {"kind": "viser"}, {"kind": "balance"}], ids=lambda one: one["kind"]
)
class TestEveryGuidedObjective:
    def test_the_loss_is_the_mixture(self, kind, alpha):
        objective, b = kind(alpha=alpha), batch()
        share = alpha_of(objective)
        share.begin_epoch(1)
        out = compute_loss(objective, **b, alpha=share)
        own, compared, *rest = (value.item() for name, value in out.terms.items() if name in PARTS)
        used = out.terms["alpha"].item()
        others = [0.3 * value for value in rest] if kind is CyborgDroid else []
        assert out.loss.item() == pytest.approx(used * own + (1 - used) * compared + sum(others))
        wanted = {
            "linear": 0.9,
            "viser": own / (own + compared + 1e-8),
            "balance": compared / (own + compared),
        }
        assert used == pytest.approx(wanted[alpha["kind"]])

    def test_flat_and_missing_maps_are_finite(self, kind, alpha):
        b = batch() | {"present": torch.zeros(4, dtype=torch.bool)}
        b = linked(b, torch.ones_like(b["features"]))
        objective = kind(alpha=alpha)
        out = compute_loss(objective, **b, alpha=alpha_of(objective))
        out.loss.backward()
        assert torch.isfinite(b["features"].grad).all()


PARTS = {"cross_entropy", "map", "entropy_gap", "attention", "gradient", "droid"}


def test_visers_share_has_the_gradient_of_finite_differences():
    objective, b = Cyborg(alpha={"kind": "viser"}), batch(n=3, c=3)

    def loss(features):
        logits = features.mean((-2, -1)) @ b["weight"].T
        live = {"features": features, "logits": logits}
        return compute_loss(objective, **b | live, alpha=alpha_of(objective)).loss

    assert torch.autograd.gradcheck(loss, (b["features"].requires_grad_(),), fast_mode=True)


def test_visers_loss_is_that_of_numpy():
    b = batch()
    objective = Cyborg(alpha={"kind": "viser"})
    terms = terms_by_numpy(objective, b)
    a, m = terms["cross_entropy"], terms["mse"]
    loss = compute_loss(objective, **b, alpha=alpha_of(objective)).loss
    assert loss.item() == pytest.approx((a**2 + m**2) / (a + m), rel=1e-6)


class TestSettings:
    def test_fixed_weights_need_none(self):
        assert alpha_of(Cyborg()) is None
        assert alpha_of(CrossEntropy()) is None

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"kind": "linear"}, "linear needs `first` and `last`"),
            ({"kind": "cosine", "first": 0.2}, "cosine needs `first` and `last`"),
            ({"kind": "viser", "first": 0.2}, "viser follows the terms of the loss"),
            ({"kind": "linear", "first": 1.2, "last": 0}, "less than or equal to 1"),
            ({"kind": "steps"}, "'linear', 'cosine', 'viser' or 'balance'"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, settings, reason):
        with pytest.raises(ValidationError, match=reason):
            AlphaSettings.model_validate(settings)

    def test_weights_beside_it_are_refused(self):
        with pytest.raises(ValidationError, match="alpha takes the place of map_weight"):
            Cyborg(alpha=LINEAR, map_weight=0.9)
        with pytest.raises(ValidationError, match="alpha takes the place of entropy_weight"):
            Hseb(alpha=LINEAR, entropy_weight=0.9)

    def test_objectives_without_a_term_that_compares_have_none(self):
        with pytest.raises(ValidationError, match="alpha"):
            CrossEntropy(alpha=LINEAR)  # type: ignore[call-arg]

    def test_a_title_is_fit_for_a_file_name(self):
        assert Cyborg(alpha=LINEAR).title == "cyborg-alpha=linear_0.9_0.3"
        assert Cyborg(alpha={"kind": "balance"}).title == "cyborg-alpha=balance"
