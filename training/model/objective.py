"""Compute the loss of an objective from one forward pass, with each of its terms."""

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.config import (
    AnyObjective,
    Attention,
    BlurOutside,
    CamClass,
    CrossEntropy,
    Cyborg,
    CyborgDroid,
    Droid,
    Fmmmse,
    Harmonizer,
    Hseb,
    MapDistance,
    ModelMap,
    RightReasons,
    ToleranceBand,
)
from training.model import loss_terms
from training.model.alpha import Alpha
from training.model.cam import entropy, explanation, fit_human, min_max, other_explanation
from training.model.pyramid import pyramid_distance
from training.model.tolerance_band import band_shares


@dataclass(frozen=True, slots=True)
class LossOutput:
    """The loss (a scalar with a gradient), and its terms before weighting (detached scalars)."""

    loss: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class BatchMaps:
    """The model's maps and the human maps of a batch, at the size of the CAM; `both` has two per sample."""

    model: Tensor  # (N, h, w) in [0, 1]
    human: Tensor  # (N, h, w) in [0, 1]; 0 where absent
    present: Tensor  # (N,) float, 1 where there is a human map that is not 0 everywhere
    with_map: Tensor  # scalar, the number of samples that have one
    attention: Tensor | None  # (N, a, b) in [0, 1]
    attention_target: Tensor | None  # (N, a, b) the human map at the size of the attention
    painted: Tensor  # (N, H, W) the human maps at the size they came in; 0 where absent
    model_entropy: Tensor  # (N,) nats
    human_entropy: Tensor  # (N,) nats


def compute_loss(  # noqa: PLR0913 - what one forward pass returns
    objective: AnyObjective,
    *,
    logits: Tensor,
    labels: Tensor,
    features: Tensor,
    weight: Tensor,
    human: Tensor,
    present: Tensor,
    attention: Tensor | None = None,
    input_gradient: Tensor | None = None,
    alpha: Alpha | None = None,
    sample_weights: Tensor | None = None,
    model_map: ModelMap = "cam",
) -> LossOutput:
    """The loss of one batch; formulas and their sources are in docs/losses.md.

    Samples without a human map, or with one that is 0 everywhere, contribute nothing to the terms that need
    one, and get no gradient from them. A batch without any map gives 0 for those terms. All terms are
    computed in float32 or better, also under autocast.

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) int64; 0 = real, 1 = fake
    features : (N, C, h, w) the tensor that the class activation map is made of
    weight : (K, C) weight of the linear classifier
    human : (N, H, W) in [0, 1], of any size; ignored, NaN included, where `present` is False
    present : (N,) bool, whether the sample has a human map
    attention : (N, a, b) ≥ 0, the network's own; for the objective `attention`, and as `model_map`
    input_gradient : (N, 3, H, W) with a graph, as of `input_gradient`, for objectives that need it
    model_map : whether the CAM or `attention` is the model's map
    alpha : share of the cross-entropy, in place of the objective's weights; None where those hold
    sample_weights : (N,) of the cross-entropy of each sample, and of nothing else; None weighs all by 1

    Returns
    -------
    the loss, and the terms before weighting

    Raises
    ------
    ValueError : shapes do not fit, or an objective does not get the attention map or the gradient it needs
    """
    _check_shapes(logits, labels, features, weight, human, present)
    with torch.autocast(logits.device.type, enabled=False):
        logits, features, weight, human = map(_at_least_float32, (logits, features, weight, human))
        model = _model_map(model_map, objective.cam_class, logits, labels, features, weight, attention)
        maps = batch_maps(objective.cam_class, model, labels, features, weight, human, present, attention)
        classification = _classification(logits, labels, sample_weights)
        weighted = _terms(objective, maps, input_gradient)
        own_weight: float | Tensor = objective.cross_entropy_weight
        if alpha is not None:
            name, (_, guided) = next(iter(weighted.items()))  # the term that compares comes first
            own_weight = alpha(classification, guided, maps.with_map)
            weighted[name] = (1 - own_weight, guided)
        loss = own_weight * classification
        for term_weight, term in weighted.values():
            loss = loss + term_weight * term
    terms = {name: term for name, (_, term) in weighted.items()}
    if alpha is not None:
        terms["alpha"] = torch.as_tensor(own_weight)
    return LossOutput(loss, _record(loss, classification, terms, maps))


def _model_map(
    model_map: ModelMap,
    cam_class: CamClass,
    logits: Tensor,
    labels: Tensor,
    features: Tensor,
    weight: Tensor,
    attention: Tensor | None,
) -> Tensor:
    """The model's map (N, h, w) in [0, 1]."""
    if model_map == "cam":
        return min_max(explanation(cam_class, features, weight, logits, labels))
    if attention is None:
        raise ValueError('map = "attention" needs a network that has an attention map')
    return min_max(_at_least_float32(attention))


def batch_maps(
    cam_class: CamClass,
    model: Tensor,
    labels: Tensor,
    features: Tensor,
    weight: Tensor,
    human: Tensor,
    present: Tensor,
    attention: Tensor | None = None,
) -> BatchMaps:
    """Model map and human map of each sample, in [0, 1] and of one size; shapes as in `compute_loss`.

    model : (N, h, w) in [0, 1], of `_model_map`
    """
    # Selected before the resize: a NaN that is multiplied by 0 later is still NaN, in the gradient too.
    painted = torch.where(present[:, None, None], human, 0.0).to(model.dtype)
    human = fit_human(painted, (model.shape[1], model.shape[2]))
    has_map = (present & (human.amax(dim=(-2, -1)) > 0)).to(model.dtype)
    attention_target = None
    if attention is not None:
        attention = attention.to(model.dtype)
        attention_target = fit_human(painted, (attention.shape[1], attention.shape[2]))
    with_map = has_map.sum()
    if cam_class == "both":
        # What speaks for the other class belongs where people did not look.
        model = torch.cat([model, min_max(other_explanation(features, weight, labels))])
        human, has_map = torch.cat([human, 1 - human]), has_map.repeat(2)
    return BatchMaps(
        model,
        human,
        has_map,
        with_map,
        attention,
        attention_target,
        painted,
        entropy(model),
        entropy(human),
    )


def _classification(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over the samples of weight · cross-entropy; of equal weights, the plain one to the last bit."""
    plain = cross_entropy(logits, labels)
    if weights is None:
        return plain
    # The second sum is 0 for weights of 1, and so is its gradient.
    return plain + ((weights - 1) * cross_entropy(logits, labels, reduction="none")).mean()


def _terms(  # noqa: C901 - one branch for each objective
    objective: AnyObjective, maps: BatchMaps, input_gradient: Tensor | None
) -> dict[str, tuple[float | Tensor, Tensor]]:
    """Weight and value of each term beside the cross-entropy."""
    terms: dict[str, tuple[float | Tensor, Tensor]]
    match objective:
        case CrossEntropy() | BlurOutside():  # blur changes the images: see `Setup.training_batch`
            terms = {}
        case Cyborg(map_weight=share, distance=distance):
            terms = {"map": (share, _map_term(distance, maps))}
        case Hseb(entropy_weight=share):
            terms = {"entropy_gap": (share, _gap_term(maps))}
        case Fmmmse(entropy_weight=share):
            terms = {"entropy": (share, maps.model_entropy.mean())}
        case Droid(droid_weight=share):
            terms = {"droid": (share, _droid_term(objective, maps))}
        case CyborgDroid(map_weight=share, droid_weight=other, distance=distance):
            terms = {
                "map": (share, _map_term(distance, maps)),
                "droid": (other, _droid_term(objective, maps)),
            }
        case Attention(map_weight=share, distance=distance):
            terms = {"attention": (share, _attention_term(distance, maps))}
        case RightReasons(gradient_weight=share):
            terms = {"gradient": (share, _gradient_term(maps, input_gradient))}
        case Harmonizer(map_weight=share, levels=levels):
            terms = {"gradient": (share, _harmony_term(levels, maps, input_gradient))}
        case ToleranceBand(map_weight=share):
            terms = {"map": (share, _band_term(objective, maps))}
        case _:
            assert_never(objective)
    return terms


def _gap_term(maps: BatchMaps) -> Tensor:
    return loss_terms.entropy_gap(maps.model_entropy, maps.human_entropy, maps.present)


def _map_term(distance: MapDistance, maps: BatchMaps) -> Tensor:
    return loss_terms.mean_present(loss_terms.map_distance(distance, maps.model, maps.human), maps.present)


def _attention_term(distance: MapDistance, maps: BatchMaps) -> Tensor:
    if maps.attention is None or maps.attention_target is None:
        raise ValueError("the objective `attention` needs a network that has an attention map")
    return loss_terms.mean_present(
        loss_terms.map_distance(distance, maps.attention, maps.attention_target), maps.present
    )


def _gradient_term(maps: BatchMaps, gradient: Tensor | None) -> Tensor:
    gradient, human = _at_image_size(maps, gradient)
    return loss_terms.mean_present(loss_terms.gradient_outside(gradient, human), maps.present)


def _harmony_term(levels: int, maps: BatchMaps, gradient: Tensor | None) -> Tensor:
    gradient, human = _at_image_size(maps, gradient)
    distance = pyramid_distance(gradient.mean(dim=1), human, levels=levels)
    return loss_terms.mean_present(distance, maps.present)


def _at_image_size(maps: BatchMaps, gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """The gradient to the images (N, 3, H, W), and human maps (N, H, W)."""
    if gradient is None:
        raise ValueError("this objective needs the gradient to the images")
    human = fit_human(maps.painted, (gradient.shape[2], gradient.shape[3]))
    return _at_least_float32(gradient), human


def _band_term(objective: ToleranceBand, maps: BatchMaps) -> Tensor:
    size = (maps.model.shape[1], maps.model.shape[2])
    human = fit_human(maps.painted, (maps.painted.shape[1], maps.painted.shape[2]))
    shares = band_shares(human, size, radius=objective.radius)
    distance = loss_terms.map_tolerance(
        maps.model, shares, inside=objective.inside, outside=objective.outside
    )
    return loss_terms.mean_present(distance, maps.present)


def _droid_term(objective: Droid | CyborgDroid, maps: BatchMaps) -> Tensor:
    return loss_terms.log_entropy(maps.model_entropy, plus_one=objective.logarithm == "log1p")


def _record(
    loss: Tensor, classification: Tensor, terms: dict[str, Tensor], maps: BatchMaps
) -> dict[str, Tensor]:
    """All terms, detached; one objective has the same names in every batch, as `Means` wants them."""
    human = loss_terms.mean_present(maps.human_entropy, maps.present)
    record = {
        "loss": loss,
        "cross_entropy": classification,
        **terms,
        "cam_entropy": maps.model_entropy.mean(),
        # NaN without any map: an entropy of 0 would mean that people pointed at one pixel.
        "human_entropy": torch.where(maps.with_map > 0, human, torch.nan),
        "with_map": maps.with_map,
    }
    return {name: value.detach() for name, value in record.items()}


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _check_shapes(
    logits: Tensor, labels: Tensor, features: Tensor, weight: Tensor, human: Tensor, present: Tensor
) -> None:
    n, k, c = logits.shape[0], logits.shape[-1], weight.shape[-1]
    fits = (
        logits.shape == (n, k)
        and labels.shape == (n,) == present.shape
        and features.ndim == 4
        and features.shape[:2] == (n, c)
        and weight.shape == (k, c)
        and human.ndim == 3
        and human.shape[0] == n
    )
    if not fits:
        shapes = [tuple(t.shape) for t in (logits, labels, features, weight, human, present)]
        raise ValueError(
            "logits (N, K), labels (N,), features (N, C, h, w), weight (K, C), human (N, H, W) and "
            f"present (N,) are wanted, not {shapes}"
        )
