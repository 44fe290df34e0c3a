"""How well numbers tell two classes apart: a small classifier, judged on samples that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from accuracy.statistics.clusters import Codes, cluster_totals, codes
from accuracy.statistics.delong import placements
from accuracy.statistics.intervals import Floats, t_quantile
from accuracy.statistics.proportions import wilson

Flags = NDArray[np.bool_]

FOLDS: Final = 5
REPEATS: Final = 5
"""Divisions into folds that are averaged, so that none of them decides."""
SHARED_TRAINING: Final = FOLDS * (1 / FOLDS + 1 / (FOLDS - 1))
"""Factor of the variance (Nadeau and Bengio, 2003): the classifiers differ with the samples, too, and share
most of those that they are fitted to. Without it, 10 to 13 of 100 intervals of noise leave out .5."""
PENALTY: Final = 1.0
"""Of the squared coefficients of standardised columns; keeps them finite where classes separate."""
STEPS: Final = 25
"""Newton steps at most; a handful is enough."""


@dataclass(frozen=True, slots=True)
class SeparationEstimate:
    """AUC of a classifier on samples that it has not seen, with its 95 % interval."""

    auc: float
    low: float
    high: float


def cross_validated_auc(
    columns: Floats,
    positive: Flags,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    *,
    seed: int = 0,
    repeats: int = REPEATS,
) -> SeparationEstimate | None:
    """AUC of a penalised logistic regression on the columns and their squares, by cross-validation.

    The AUC is computed within each fold, because scores of different classifiers have no common scale, and
    averaged over folds by their number of pairs. The variance is what groups add to it (DeLong's placements)
    times `SHARED_TRAINING`. The interval is cut to [0, 1]; where nothing varies it is Wilson's for the
    smaller class.

    columns : (N, K) finite; a constant column says nothing
    positive : (N,) bool
    groups : (N,) whatever samples belong together; they share a fold. None keeps each by itself
    seed : decides the folds
    None when a class has samples in fewer than two groups.
    """
    group = np.arange(len(positive)) if groups is None else codes(groups)
    if min(len(np.unique(group[positive])), len(np.unique(group[~positive]))) < 2:
        return None
    values, variances = [], []
    for repeat in range(repeats):
        fold = grouped_folds(group, positive, seed=seed + repeat)
        value, added = _one_division(columns, positive, fold)
        values.append(value)
        variances.append(SHARED_TRAINING * float((cluster_totals(group, added) ** 2).sum()))
    auc = float(np.mean(values))
    return SeparationEstimate(auc, *_interval(auc, float(np.mean(variances)), positive))


def _interval(auc: float, variance: float, positive: Flags) -> tuple[float, float]:
    if variance <= 0:
        return wilson(auc, float(min(positive.sum(), (~positive).sum())))
    half_width = t_quantile() * np.sqrt(variance)
    return max(0.0, float(auc - half_width)), min(1.0, float(auc + half_width))


def _one_division(columns: Floats, positive: Flags, fold: Codes) -> tuple[float, Floats]:
    """The AUC over the folds of one division, and what each sample adds to it, (N,)."""
    usable = [one for one in np.unique(fold) if 0 < positive[fold == one].sum() < (fold == one).sum()]
    pairs = {one: _pairs(positive[fold == one]) for one in usable}
    total, influence = sum(pairs.values()), np.zeros(len(positive))
    value = 0.0
    for one in usable:
        here = fold == one
        scores = fitted_scores(columns[~here], positive[~here], columns[here])
        placed, share = placements(scores, positive[here]), pairs[one] / total
        area = float(placed[positive[here]].mean())
        each = np.where(positive[here], positive[here].sum(), (~positive[here]).sum())
        value += share * area
        influence[here] = share * (placed - area) / each
    return value, influence


def _pairs(positive: Flags) -> int:
    return int(positive.sum() * (~positive).sum())


def grouped_folds(group: Codes, positive: Flags, *, seed: int, folds: int = FOLDS) -> Codes:
    """(N,) the fold of each sample, 0 to `folds` - 1; a group stays together, both classes are spread evenly.

    Groups come in random order, large ones first, each to the fold that then is most even.
    """
    rng = np.random.default_rng(seed)
    sizes = np.stack([np.bincount(group, weights=flags) for flags in (positive, ~positive)], axis=1)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order].sum(axis=1), kind="stable")]
    filled, fold_of = np.zeros((folds, 2)), np.zeros(len(sizes), np.intp)
    wanted = np.maximum(sizes.sum(axis=0), 1)
    for number in order:
        # Where the classes that this group has are scarcest, as shares of all samples of the class.
        chosen = int(np.argmin(((filled / wanted) * (sizes[number] > 0)).sum(axis=1)))
        filled[chosen] += sizes[number]
        fold_of[number] = chosen
    return np.asarray(fold_of[group], np.intp)


def fitted_scores(known: Floats, positive: Flags, new: Floats) -> Floats:
    """(M,) log odds of new samples by a logistic regression that was fitted to known ones.

    known : (N, K); its columns and their squares are standardised
    positive : (N,) bool, both classes
    new : (M, K)
    """
    mean, scale = known.mean(axis=0), known.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design, design_new = _with_squares((known - mean) / scale), _with_squares((new - mean) / scale)
    coefficients = _logistic(design, positive)
    return np.asarray(design_new @ coefficients, np.float64)


def _with_squares(z: Floats) -> Floats:
    """A column of ones, the columns, and their squares: a class may lie in the middle of the other.

    Values are cut at ±3 standard deviations, so that no single sample decides.
    """
    cut = np.clip(z, -3, 3)
    return np.concatenate([np.ones((len(z), 1)), cut, cut**2 - 1], axis=1)


def _logistic(design: Floats, positive: Flags) -> Floats:
    """Coefficients (K,) of a penalised logistic regression by Newton's method; the first is free."""
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 1e-6  # only keeps the matrix regular
    coefficients = np.zeros(design.shape[1])
    for _ in range(STEPS):
        share = expit(design @ coefficients)
        gradient = design.T @ (share - positive) + penalty * coefficients
        hessian = (design * (share * (1 - share))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        coefficients -= step
        if np.abs(step).max() < 1e-6:
            break
    return coefficients
