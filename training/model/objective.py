"""From one forward pass to one number to descend, and its parts."""

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.config import (
    AnyObjective,
    Attention,
    CamClass,
    CrossEntropy,
    Cyborg,
    CyborgDroid,
    Droid,
    Fmmmse,
    Hseb,
    MapDistance,
)
from training.model import losses
from training.model.cam import class_activation_map, entropy, fit_human, min_max


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The loss, and each of its parts before weighting, detached, for the record."""

    loss: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class View:
    """What the model looks at and what people looked at, at the size of the CAM."""

    model: Tensor  # (N, h, w) in [0, 1]
    human: Tensor  # (N, h, w) in [0, 1]; 0 where absent
    present: Tensor  # (N,) float, 1 where there is a human map that says something
    attention: Tensor | None  # (N, a, b) in [0, 1]
    wanted: Tensor | None  # (N, a, b) the human map at the size of the attention
    model_entropy: Tensor  # (N,) nats
    human_entropy: Tensor  # (N,) nats


def compute_loss(
    objective: AnyObjective,
    *,
    logits: Tensor,
    labels: Tensor,
    features: Tensor,
    weight: Tensor,
    human: Tensor,
    present: Tensor,
    attention: Tensor | None = None,
) -> StepOutput:
    """The objective on one batch.

    Samples without a map skip the terms that need one, and get no gradient from them; whatever `human` holds
    there, NaN included, is never looked at. So does a map that is black everywhere. All terms are computed in
    float32 or better, also under autocast.

    Parameters
    ----------
    logits : (N, K)
    labels : (N,) int64; 0 = real, 1 = fake
    features : (N, C, h, w) the tensor that the classifier pools
    weight : (K, C) weight of the classifier
    human : (N, H, W) in [0, 1], any size
    present : (N,) bool
    attention : (N, a, b) in [0, 1], what the network's own attention passed; only `attention` needs it
    """
    _check_shapes(logits, labels, features, weight, human, present)
    with torch.autocast(logits.device.type, enabled=False):
        logits, features, weight, human = map(_at_least_float32, (logits, features, weight, human))
        seen = look(objective.cam_class, logits, labels, features, weight, human, present, attention)
        classification = cross_entropy(logits, labels)
        parts = _parts(objective, seen)
        loss = objective.cross_entropy_weight * classification
        for part_weight, part in parts.values():
            loss = loss + part_weight * part
    terms = {name: part for name, (_, part) in parts.items()}
    return StepOutput(loss, _record(loss, classification, terms, seen))


def look(
    cam_class: CamClass,
    logits: Tensor,
    labels: Tensor,
    features: Tensor,
    weight: Tensor,
    human: Tensor,
    present: Tensor,
    attention: Tensor | None = None,
) -> View:
    """Model map and human map of each sample, scaled and of one size. Shapes as in `compute_loss`."""
    target = logits.argmax(dim=1) if cam_class == "predicted" else labels
    model = min_max(class_activation_map(features, weight, target))
    painted = torch.where(present[:, None, None], human, 0.0).to(model.dtype)
    human = fit_human(painted, (model.shape[1], model.shape[2]))
    speaks = (present & (human.amax(dim=(-2, -1)) > 0)).to(model.dtype)
    wanted = None
    if attention is not None:
        attention = attention.to(model.dtype)
        wanted = fit_human(painted, (attention.shape[1], attention.shape[2]))
    return View(model, human, speaks, attention, wanted, entropy(model), entropy(human))


def _parts(objective: AnyObjective, seen: View) -> dict[str, tuple[float, Tensor]]:
    """Weight and value of each term beside the cross-entropy."""
    match objective:
        case CrossEntropy():
            parts = {}
        case Cyborg(map_weight=share, distance=distance):
            parts = {"map": (share, _map_term(distance, seen))}
        case Hseb(entropy_weight=share):
            parts = {"entropy_gap": (share, _gap_term(seen))}
        case Fmmmse(entropy_weight=share):
            parts = {"entropy": (share, seen.model_entropy.mean())}
        case Droid(droid_weight=share):
            parts = {"droid": (share, _droid_term(objective, seen))}
        case CyborgDroid(map_weight=share, droid_weight=other, distance=distance):
            parts = {
                "map": (share, _map_term(distance, seen)),
                "droid": (other, _droid_term(objective, seen)),
            }
        case Attention(map_weight=share, distance=distance):
            parts = {"attention": (share, _attention_term(distance, seen))}
        case _:
            assert_never(objective)
    return parts


def _gap_term(seen: View) -> Tensor:
    return losses.entropy_gap(seen.model_entropy, seen.human_entropy, seen.present)


def _map_term(distance: MapDistance, seen: View) -> Tensor:
    return losses.mean_present(losses.map_distance(distance, seen.model, seen.human), seen.present)


def _attention_term(distance: MapDistance, seen: View) -> Tensor:
    if seen.attention is None or seen.wanted is None:
        raise ValueError("the objective `attention` needs a network that has an attention map")
    return losses.mean_present(losses.map_distance(distance, seen.attention, seen.wanted), seen.present)


def _droid_term(objective: Droid | CyborgDroid, seen: View) -> Tensor:
    return losses.log_entropy(seen.model_entropy, plus_one=objective.logarithm == "log1p")


def _record(loss: Tensor, classification: Tensor, terms: dict[str, Tensor], seen: View) -> dict[str, Tensor]:
    """All terms, always the same names for one objective. NaN where nobody drew: 0 nats would be a claim."""
    human = losses.mean_present(seen.human_entropy, seen.present)
    with_map = seen.present.sum()
    record = {
        "loss": loss,
        "cross_entropy": classification,
        **terms,
        "cam_entropy": seen.model_entropy.mean(),
        "human_entropy": torch.where(with_map > 0, human, torch.nan),
        "with_map": with_map,
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
