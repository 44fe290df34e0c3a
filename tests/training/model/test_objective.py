import re

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import binary_dilation, convolve
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy

from tests.support import ROOT
from training.config import (
    OBJECTIVES,
    Attention,
    BlurOutside,
    CrossEntropy,
    Cyborg,
    CyborgDroid,
    Droid,
    Fmmmse,
    Harmonizer,
    Hseb,
    Objective,
    RightReasons,
    ToleranceBand,
)
from training.model import loss_terms
from training.model.cam import explanation
from training.model.objective import compute_loss
from training.model.pyramid import pyramid_distance
from training.model.tolerance_band import band_shares

EVERY = [
    *(Objective.preset(name) for name in OBJECTIVES),
    *(Cyborg(distance=distance) for distance in ("l1", "kl", "cc", "energy")),
    *(Cyborg(cam_class=cam_class) for cam_class in ("true", "difference", "both")),
    *(Attention(distance=distance) for distance in ("mse", "kl", "cc")),
    Droid(logarithm="log"),
    CyborgDroid(logarithm="log", cam_class="true"),
]
HAS_A_MAP_TERM = [one for one in EVERY if one.needs_maps and not isinstance(one, BlurOutside)]


def batch(n=4, k=2, c=5, size=(3, 4), seed=0, human_size=None):
    """A batch in float64 whose human maps have the size of the CAM, unless told otherwise."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    weight = rand(k, c) - 0.5
    features = rand(n, c, *size)
    logits = features.mean((-2, -1)) @ weight.T + rand(k)
    return {
        "logits": logits,
        "labels": torch.arange(n) % 2,
        "features": features,
        "weight": weight,
        "human": rand(n, *(human_size or size)),
        "present": torch.ones(n, dtype=torch.bool),
        "attention": attend(features),
        "input_gradient": slope(features),
    }


def slope(features):
    """Stands in for the gradient to images of 6×8 pixels: three of the channels, enlarged."""
    return torch.nn.functional.interpolate(features[:, :3] - 0.5, size=(6, 8))


def attend(features):
    """Stands in for the attention map of a network: a number in (0, 1) for every place."""
    return features.mean(1).sub(0.5).mul(4).sigmoid()


def linked(b, features=None):
    """The batch with logits that follow from features, as in a network."""
    features = (b["features"] if features is None else features).detach().requires_grad_()
    logits = features.mean((-2, -1)) @ b["weight"].T
    live = {"features": features, "logits": logits}
    return b | live | {"attention": attend(features), "input_gradient": slope(features)}


def ids(objective):
    return objective.title


def scaled(values):
    return (values - values.min()) / np.ptp(values)


def whole_maps(human):
    """Maps of 3×4 enlarged to 6×8 along each axis by the weights of bilinear interpolation, and scaled."""
    along = [bilinear(size) for size in human.shape[1:]]
    return [scaled(along[0] @ one @ along[1].T) for one in human]


def bilinear(size):
    """(2 size, size): what each of twice as many pixels takes from the two nearest."""
    places = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    return np.clip(1 - np.abs(places[:, None] - np.arange(size)), 0, 1)


def terms_by_numpy(objective, b):
    """The formulas of docs/losses.md written a second time, sample by sample."""
    logits, weight, features = (b[key].detach().numpy() for key in ("logits", "weight", "features"))
    labels, human, present = (b[key].numpy() for key in ("labels", "human", "present"))
    slopes = b["input_gradient"].numpy()
    model_maps, other_maps, human_maps = [], [], []
    for i in range(len(logits)):
        row = weight[logits[i].argmax() if objective.cam_class == "predicted" else labels[i]]
        other = weight[1 - labels[i]]
        if objective.cam_class == "difference":
            row = row - other
        model_maps.append(scaled(sum(w * f for w, f in zip(row, features[i], strict=True))))
        other_maps.append(scaled(sum(w * f for w, f in zip(other, features[i], strict=True))))
        human_maps.append(scaled(human[i]))
    cross_entropy = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    pairs = [(m, h) for m, h, p in zip(model_maps, human_maps, present, strict=True) if p]
    others = [(m, 1 - h) for m, h, p in zip(other_maps, human_maps, present, strict=True) if p]
    attended = zip(b["attention"].numpy(), human_maps, present, strict=True)
    at_image_size = [
        (g, h) for g, h, p in zip(slopes, whole_maps(b["human"].numpy()), present, strict=True) if p
    ]
    entropies = np.array([scipy_entropy(m.ravel()) for m in model_maps])
    return {
        "cross_entropy": cross_entropy,
        "attended": np.mean([np.abs(a - h).mean() for a, h, p in attended if p]),
        "mse": np.mean([((m - h) ** 2).mean() for m, h in pairs]),
        "both": np.mean([((m - h) ** 2).mean() for m, h in pairs + others]),
        "energy": np.mean([1 - (m * h).sum() / m.sum() for m, h in pairs]),
        "gradient": np.mean([(((1 - h) * g) ** 2).sum() for g, h in at_image_size]),
        "pyramid": np.mean([harmony(g.mean(0), h, objective) for g, h in at_image_size]),
        "band": np.mean([tolerance(m, h, objective) for m, h in pairs]),
        "gap": np.mean([scipy_entropy(m.ravel()) - scipy_entropy(h.ravel()) for m, h in pairs]) ** 2,
        "entropy": entropies.mean(),
        "log1p": np.log1p(entropies).mean(),
        "log": np.log(entropies).mean(),
    }


def tolerance(model, human, objective):
    """The term of the tolerance band where both maps have one size."""
    if not isinstance(objective, ToleranceBand):
        return np.nan
    painted = human >= 0.5
    lack, excess = (np.maximum(0, d) for d in (objective.inside - model, model - objective.outside))
    return np.where(painted, lack**2, np.where(dilated(painted, objective.radius), 0, excess**2)).mean()


def harmony(model, human, objective):
    """The term of the harmonizer of one image."""
    costs = []
    for _ in range(getattr(objective, "levels", 1)):
        ours, theirs = (np.maximum(0, z_scores(one)) for one in (model, human))
        costs.append(((ours - theirs) ** 2).mean())
        model, human = halved(model), halved(human)
    return np.mean(costs)


def z_scores(values):
    return (values - values.mean()) / (values.std() or 1)


def halved(values):
    binomial = np.array([1, 4, 6, 4, 1]) / 16
    return convolve(values, np.outer(binomial, binomial), mode="constant")[::2, ::2]


def dilated(painted, radius):
    across, down = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return binary_dilation(painted, structure=across**2 + down**2 <= radius**2)


ORACLES = [
    (BlurOutside(), lambda t: t["cross_entropy"]),
    (CrossEntropy(), lambda t: t["cross_entropy"]),
    (Cyborg(), lambda t: 0.5 * t["mse"] + 0.5 * t["cross_entropy"]),
    (Cyborg(cam_class="true"), lambda t: 0.5 * t["mse"] + 0.5 * t["cross_entropy"]),
    (Cyborg(cam_class="difference"), lambda t: 0.5 * t["mse"] + 0.5 * t["cross_entropy"]),
    (Cyborg(cam_class="both"), lambda t: 0.5 * t["both"] + 0.5 * t["cross_entropy"]),
    (Cyborg(distance="energy"), lambda t: 0.5 * t["energy"] + 0.5 * t["cross_entropy"]),
    (Cyborg(map_weight=0.9, cross_entropy_weight=0.1), lambda t: 0.9 * t["mse"] + 0.1 * t["cross_entropy"]),
    (Hseb(), lambda t: 0.5 * t["gap"] + 0.5 * t["cross_entropy"]),
    (Fmmmse(), lambda t: 0.5 * t["entropy"] + 0.5 * t["cross_entropy"]),
    (Droid(), lambda t: 0.5 * t["log1p"] + 0.5 * t["cross_entropy"]),
    (Droid(logarithm="log"), lambda t: 0.5 * t["log"] + 0.5 * t["cross_entropy"]),
    (Attention(), lambda t: t["attended"] + t["cross_entropy"]),
    (Attention(map_weight=0.2), lambda t: 0.2 * t["attended"] + t["cross_entropy"]),
    (RightReasons(), lambda t: t["gradient"] + t["cross_entropy"]),
    (RightReasons(gradient_weight=0.2), lambda t: 0.2 * t["gradient"] + t["cross_entropy"]),
    (Harmonizer(), lambda t: t["pyramid"] + t["cross_entropy"]),
    (Harmonizer(levels=1, map_weight=0.2), lambda t: 0.2 * t["pyramid"] + t["cross_entropy"]),
    (ToleranceBand(), lambda t: 0.5 * t["band"] + 0.5 * t["cross_entropy"]),
    (ToleranceBand(radius=0, outside=0.1), lambda t: 0.5 * t["band"] + 0.5 * t["cross_entropy"]),
    (ToleranceBand(radius=1, inside=0.9), lambda t: 0.5 * t["band"] + 0.5 * t["cross_entropy"]),
    (CyborgDroid(), lambda t: 0.5 * t["mse"] + 0.3 * t["log1p"] + 0.5 * t["cross_entropy"]),
]


class TestFormulas:
    @pytest.mark.parametrize(("objective", "formula"), ORACLES, ids=lambda v: getattr(v, "title", "formula"))
    @pytest.mark.parametrize("present", [[True] * 4, [True, False, True, False]])
    def test_the_loss_is_that_of_numpy(self, objective, formula, present):
        b = batch() | {"present": torch.tensor(present)}
        oracle = formula(terms_by_numpy(objective, b))
        assert compute_loss(objective, **b).loss.item() == pytest.approx(oracle, rel=1e-6)

    def test_every_objective_has_an_oracle(self):
        assert {objective.name for objective, _ in ORACLES} == set(OBJECTIVES)

    def test_the_table_of_tests_is_that_of_the_tests(self):
        text = (ROOT / "docs/losses.md").read_text().partition("## What is tested")[2]
        rows = {
            row[0]: row[1:]
            for row in re.findall(r"^\| `(\w+)` \|" + r" ([^|]+) \|" * 5 + "$", text, re.MULTILINE)
        }
        assert list(rows) == list(OBJECTIVES)
        every = {objective.name for objective in EVERY}
        with_term = {objective.name for objective in HAS_A_MAP_TERM}
        through_the_network = {name for name in OBJECTIVES if Objective.preset(name).needs_input_gradient}
        for name, (oracle, slope_, flat, missing, trains) in rows.items():
            assert name in every  # TestEveryObjective: slopes, flat and missing maps
            assert (oracle, flat, trains) == ("yes", "yes", "yes")
            assert slope_ == ("yes, and through the network" if name in through_the_network else "yes")
            wanted = (
                "yes" if name in with_term else "yes: " if Objective.preset(name).needs_maps else "uses none"
            )
            assert missing.startswith(wanted)


@pytest.mark.parametrize("objective", EVERY, ids=ids)
class TestEveryObjective:
    def test_its_gradient_is_that_of_finite_differences(self, objective):
        b = batch(n=3, c=3)

        def loss(features, weight):
            logits = features.mean((-2, -1)) @ weight.T
            live = {"logits": logits, "features": features, "weight": weight}
            live |= {"attention": attend(features), "input_gradient": slope(features)}
            return compute_loss(objective, **b | live).loss

        inputs = (b["features"].requires_grad_(), b["weight"].requires_grad_())
        assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)

    def test_descending_it_lowers_it(self, objective):
        b = linked(batch())
        before = compute_loss(objective, **b).loss
        (slope,) = torch.autograd.grad(before, b["features"])
        after = compute_loss(objective, **linked(b, b["features"] - 1e-4 * slope))
        assert after.loss < before

    def test_flat_maps_give_a_finite_loss_and_gradient(self, objective):
        b = batch()
        b["human"] = torch.zeros_like(b["human"])
        b = linked(b, torch.ones_like(b["features"]))
        out = compute_loss(objective, **b)
        out.loss.backward()
        assert torch.isfinite(out.loss)
        assert torch.isfinite(b["features"].grad).all()

    def test_without_any_map_nothing_is_nan(self, objective):
        b = batch() | {"present": torch.zeros(4, dtype=torch.bool)}
        b["human"] = torch.full_like(b["human"], torch.nan)
        b = linked(b)
        out = compute_loss(objective, **b)
        out.loss.backward()
        assert torch.isfinite(out.loss)
        assert torch.isfinite(b["features"].grad).all()

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_in_half_precision_it_is_computed_in_float32(self, objective, dtype):
        b = {key: t.to(dtype) if t.is_floating_point() else t for key, t in batch().items()}
        with torch.autocast("cpu", dtype=dtype):
            out = compute_loss(objective, **b)
        rounded = {key: t.double() if t.is_floating_point() else t for key, t in b.items()}
        assert out.loss.dtype == torch.float32
        assert out.loss.item() == pytest.approx(compute_loss(objective, **rounded).loss.item(), rel=1e-3)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_flat_and_missing_maps_are_finite_in_half_precision_too(self, objective, dtype):
        b = batch() | {"present": torch.tensor([True, True, False, False])}
        b["human"][1], b["human"][2] = 0, torch.nan
        features = b["features"].clone()
        features[:2] = 1
        features = features.to(dtype).requires_grad_()
        weight = b["weight"].to(dtype)
        logits = features.mean((-2, -1)) @ weight.T
        live = {"features": features, "weight": weight, "logits": logits}
        live |= {"attention": attend(features), "input_gradient": slope(features)}
        out = compute_loss(objective, **b | live)
        out.loss.backward()
        assert torch.isfinite(out.loss)
        assert torch.isfinite(features.grad).all()

    def test_terms_are_for_the_record_only(self, objective):
        b = batch()
        b["logits"].requires_grad_()
        terms = compute_loss(objective, **b).terms
        assert not any(term.requires_grad for term in terms.values())
        assert {"loss", "cross_entropy", "cam_entropy", "human_entropy", "with_map"} <= terms.keys()


@pytest.mark.parametrize("objective", HAS_A_MAP_TERM, ids=ids)
class TestMissingMaps:
    def test_nan_in_an_absent_map_changes_nothing(self, objective):
        b = batch() | {"present": torch.tensor([True, False, True, True])}
        b["human"][1] = torch.nan
        clean = b | {"human": torch.nan_to_num(b["human"], nan=0.3)}
        assert compute_loss(objective, **b).loss == compute_loss(objective, **clean).loss

    def test_a_sample_without_a_map_gets_no_gradient_from_the_map_term(self, objective):
        b = batch() | {"present": torch.tensor([True, False, True, True])}
        b["human"][1] = torch.nan
        b["features"].requires_grad_()
        b |= {"attention": attend(b["features"]), "input_gradient": slope(b["features"])}
        only_map = objective.model_copy(update={"cross_entropy_weight": 0.0, "droid_weight": 0.0})
        compute_loss(only_map, **b).loss.backward()
        assert (b["features"].grad.abs().sum((1, 2, 3)) > 0).tolist() == [True, False, True, True]

    def test_a_black_map_counts_as_absent(self, objective):
        b = batch()
        b["human"][1] = 0
        absent = b | {"present": torch.tensor([True, False, True, True])}
        assert compute_loss(objective, **b).loss == compute_loss(objective, **absent).loss

    def test_the_record_says_how_many_maps_there_were(self, objective):
        b = batch() | {"present": torch.tensor([True, False, True, False])}
        terms = compute_loss(objective, **b).terms
        assert terms["with_map"] == 2
        assert torch.isfinite(terms["human_entropy"])

    def test_without_any_map_their_entropy_is_unknown_not_0(self, objective):
        b = batch() | {"present": torch.zeros(4, dtype=torch.bool)}
        assert torch.isnan(compute_loss(objective, **b).terms["human_entropy"])


class TestHumanMapSize:
    def test_a_large_map_is_averaged_down_to_the_cam(self):
        b = batch(size=(4, 4), human_size=(64, 64))
        assert torch.isfinite(compute_loss(Cyborg(), **b).loss)

    def test_a_perfect_match_costs_nothing(self):
        b = batch()
        target = b["logits"].argmax(1)
        b["human"] = torch.einsum("nchw,nc->nhw", b["features"], b["weight"][target])
        assert compute_loss(Cyborg(), **b).terms["map"] == pytest.approx(0, abs=1e-12)


class TestAttention:
    def test_the_human_map_is_brought_to_the_size_of_the_attention(self):
        b = batch(human_size=(32, 32))
        b["attention"] = torch.rand(4, 8, 8, dtype=torch.float64)
        assert torch.isfinite(compute_loss(Attention(), **b).terms["attention"])

    def test_both_classes_are_guided(self):
        b = batch()
        b["attention"].requires_grad_()
        compute_loss(Attention(cross_entropy_weight=0), **b).loss.backward()
        assert (b["attention"].grad.abs().sum((1, 2)) > 0).all()

    def test_a_network_without_attention_is_refused(self):
        with pytest.raises(ValueError, match="needs a network that has an attention map"):
            compute_loss(Attention(), **batch() | {"attention": None})


class TestRightReasons:
    def test_a_gradient_inside_the_paint_costs_nothing_and_outside_its_square(self):
        gradient = torch.zeros(2, 3, 2, 2)
        gradient[:, :, 0, 0] = 2
        paint = torch.tensor([[[1.0, 1], [0, 0]], [[0, 0], [1, 1]]])
        torch.testing.assert_close(loss_terms.gradient_outside(gradient, paint), torch.tensor([0.0, 12.0]))

    def test_half_a_map_costs_a_quarter(self):
        gradient, paint = torch.ones(1, 3, 2, 2), torch.full((1, 2, 2), 0.5)
        assert loss_terms.gradient_outside(gradient, paint).item() == 3

    @pytest.mark.parametrize("kind", [RightReasons, Harmonizer])
    def test_without_a_gradient_it_is_refused(self, kind):
        with pytest.raises(ValueError, match="needs the gradient to the images"):
            compute_loss(kind(), **batch() | {"input_gradient": None})

    @pytest.mark.parametrize("kind", [RightReasons, Harmonizer])
    def test_it_has_one_map_of_the_model(self, kind):
        with pytest.raises(ValidationError, match="cam_class"):
            kind(cam_class="both")


class TestHarmonizer:
    def maps(self, n=2, side=16):
        return torch.rand(n, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def test_offset_and_scale_of_the_gradient_cost_nothing(self):
        human = self.maps()
        # Beyond the edge is 0, which an offset moves away from at every size but the first.
        torch.testing.assert_close(pyramid_distance(7 * human - 3, human, levels=1), torch.zeros(2).double())
        torch.testing.assert_close(pyramid_distance(1e-6 * human, human, levels=4), torch.zeros(2).double())

    def test_the_opposite_costs_more_than_what_is_unrelated(self):
        human = self.maps()
        opposite = pyramid_distance(-human, human, levels=5)
        assert (opposite > pyramid_distance(human.flip(0), human, levels=5)).all()

    def test_a_flat_human_map_says_nothing(self):
        assert pyramid_distance(self.maps(), torch.ones(2, 16, 16).double(), levels=5).tolist() == [0, 0]

    def test_a_flat_gradient_has_a_distance_and_no_slope(self):
        flat = torch.full((2, 16, 16), 0.3, dtype=torch.float64, requires_grad=True)
        distance = pyramid_distance(flat, self.maps(), levels=1).sum()
        distance.backward()
        assert distance > 0
        assert (flat.grad == 0).all()

    @pytest.mark.parametrize("side", [1, 2, 5, 33])
    def test_images_smaller_than_the_pyramid_have_one(self, side):
        distance = pyramid_distance(self.maps(side=side), self.maps(side=side).flip(0), levels=10)
        assert torch.isfinite(distance).all()


class TestToleranceBand:
    def square(self):
        human = torch.zeros(1, 24, 24, dtype=torch.float64)
        human[:, 6:12, 6:12] = 1
        return human

    @pytest.mark.parametrize("radius", [0, 1, 5, 9])
    def test_the_band_is_scipys_dilation(self, radius):
        human = self.square()
        shares = band_shares(human, (24, 24), radius=radius)
        painted = human[0].numpy() > 0
        assert (shares.painted[0].numpy() == painted).all()
        assert (shares.beyond[0].numpy() == ~dilated(painted, radius)).all()

    def test_it_is_computed_before_the_map_is_averaged_down(self):
        shares = band_shares(self.square(), (4, 4), radius=2)
        assert shares.painted[0, 1, 1] == 1
        assert 0 < shares.beyond[0, 1, 2] < 1
        assert shares.painted[0, 1, 2] == 0

    def test_in_the_band_no_value_costs_anything(self):
        human = self.square()
        painted = human[0].numpy() > 0
        band = torch.from_numpy(dilated(painted, 3) & ~painted)
        shares = band_shares(human, (24, 24), radius=3)
        model = torch.where(band, torch.rand(24, 24, dtype=torch.float64), human)
        assert loss_terms.map_tolerance(model, shares, inside=1, outside=0).item() == 0

    def test_without_band_and_tolerance_it_is_the_mean_squared_difference(self):
        human, model = self.square(), torch.rand(1, 24, 24, dtype=torch.float64)
        shares = band_shares(human, (24, 24), radius=0)
        loss = loss_terms.map_tolerance(model, shares, inside=1, outside=0)
        torch.testing.assert_close(loss, loss_terms.map_mse(model, human))

    def test_a_flat_map_is_painted_everywhere(self):
        shares = band_shares(torch.full((1, 6, 6), 0.3), (3, 3), radius=1)
        assert (shares.painted == 1).all()
        assert (shares.beyond == 0).all()


class TestCamClass:
    def test_predicted_and_true_differ_where_the_prediction_is_wrong(self):
        b = batch()
        b["labels"] = 1 - b["logits"].argmax(1)
        terms = [compute_loss(Cyborg(cam_class=c), **b).terms["map"] for c in ("predicted", "true")]
        assert terms[0] != terms[1]


class TestDifference:
    def moved(self, cam_class, seed):
        """Loss of the map before and after one vector is added to both rows of the classifier's weight."""
        b = batch(seed=seed)
        vector = torch.rand(5, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64) * 10
        other = b | {"weight": b["weight"] + vector}
        return [compute_loss(Cyborg(cam_class=cam_class), **each).terms["map"].item() for each in (b, other)]

    @pytest.mark.parametrize("seed", range(10))
    def test_what_changes_no_decision_changes_no_loss(self, seed):
        before, after = self.moved("difference", seed)
        assert after == pytest.approx(before, rel=1e-9)

    @pytest.mark.parametrize("cam_class", ["predicted", "true", "both"])
    def test_it_does_for_the_map_of_a_class(self, cam_class):
        before, after = self.moved(cam_class, seed=0)
        assert abs(after - before) > 0.01

    def test_its_mean_is_the_difference_of_the_logits(self):
        b = linked(batch())
        cam = explanation("difference", b["features"], b["weight"], b["logits"], b["labels"])
        own, other = (b["logits"].gather(1, label[:, None])[:, 0] for label in (b["labels"], 1 - b["labels"]))
        torch.testing.assert_close(cam.mean((-2, -1)), own - other)


class TestBoth:
    def test_a_classifier_whose_classes_look_at_opposite_places_has_nothing_to_learn(self):
        features = torch.rand(2, 1, 3, 4, dtype=torch.float64)
        b = batch(n=2, c=1) | {"features": features, "weight": torch.tensor([[-1.0], [1.0]])}
        b |= {"labels": torch.ones(2, dtype=torch.int64), "human": features[:, 0]}
        b["weight"] = b["weight"].double()
        assert compute_loss(Cyborg(cam_class="both"), **b).terms["map"].item() == pytest.approx(0, abs=1e-12)

    def test_attention_has_one_map_and_does_not_know_it(self):
        with pytest.raises(ValidationError, match="cam_class"):
            Attention(cam_class="both")


def test_energy_inside_the_paint_is_no_loss_and_outside_the_whole():
    model = torch.zeros(2, 2, 2)
    model[:, 0, 0] = 1
    paint = torch.tensor([[[1.0, 1], [0, 0]], [[0, 0], [1, 1]]])
    torch.testing.assert_close(loss_terms.map_energy(model, paint), torch.tensor([0.0, 1.0]))


class TestShapes:
    @pytest.mark.parametrize(
        "change",
        [
            {"human": torch.rand(4, 1, 3, 4)},
            {"present": torch.ones(3, dtype=torch.bool)},
            {"weight": torch.rand(2, 6)},
            {"labels": torch.zeros(4, 1, dtype=torch.int64)},
        ],
    )
    def test_a_wrong_shape_is_named(self, change):
        with pytest.raises(ValueError, match=r"human \(N, H, W\)"):
            compute_loss(Cyborg(), **batch() | change)


class TestSampleWeights:
    @pytest.mark.parametrize("objective", EVERY, ids=ids)
    def test_they_weigh_the_cross_entropy_of_each_image_and_no_other_term(self, objective):
        b = batch()
        weights = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)
        plain, weighted = compute_loss(objective, **b), compute_loss(objective, **b, sample_weights=weights)
        picked = -log_softmax(b["logits"].numpy(), axis=1)[np.arange(4), b["labels"].numpy()]
        expected = (weights.numpy() * picked).mean()
        assert weighted.terms["cross_entropy"].item() == pytest.approx(expected)
        difference = objective.cross_entropy_weight * (expected - picked.mean())
        assert (weighted.loss - plain.loss).item() == pytest.approx(difference)
        others = plain.terms.keys() - {"loss", "cross_entropy"}
        assert all(torch.equal(plain.terms[name], weighted.terms[name]) for name in others)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_weights_of_1_change_no_bit_of_loss_and_gradient(self, dtype):
        for seed in range(20):
            found = []
            for weights in (None, torch.ones(7, dtype=dtype)):
                b = {
                    name: value.to(dtype) if value.is_floating_point() else value
                    for name, value in batch(n=7, seed=seed).items()
                }
                b["logits"] = b["logits"].detach().requires_grad_()
                output = compute_loss(CrossEntropy(), **b, sample_weights=weights)
                output.loss.backward()
                found.append((output.loss.detach(), b["logits"].grad))
            assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
