"""All that tables and figures need of one set of scores, small enough to keep for every run. No torch."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.calibration import ReliabilityCurve, reliability_curve
from accuracy.statistics.ranking import Ranking, Roc, roc
from training.errors import RunError
from training.evaluation.scored import POOLED, Scored, measure, read_scored, with_opponents
from training.events import Metrics

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.intp]

GRID: Final[Floats] = np.linspace(0, 1, 201)
"""Rates at which curves of several runs are averaged."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A ROC curve, read at the rates of `GRID` in both directions."""

    tpr: Floats
    """True positive rate at each false positive rate."""
    fpr: Floats
    """False positive rate at each true positive rate."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of one set of scores, by source (`all` first) and kind of score."""

    metrics: dict[tuple[str, str], Metrics]
    curves: dict[tuple[str, str], Curve]
    """Only where both classes are there and every score is a number."""
    reliability: dict[str, ReliabilityCurve]
    """By kind of score, over all images; only of probabilities."""
    generators: tuple[str, ...]

    @property
    def sources(self) -> list[str]:
        """`all`, then every camera and generator by name."""
        return list(dict.fromkeys(source for source, _ in self.metrics))


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Images by one kind of score, the highest first: those of each source are in order, too."""

    scores: Floats  # (N,)
    probability: Floats | None  # (N,)
    fake: Flags  # (N,)
    source: Codes  # (N,)

    @classmethod
    def of(cls, scored: Scored, kind: str, source: Codes) -> Self:
        order = np.argsort(-scored.ranking[kind])
        probability = scored.probability.get(kind)
        return cls(
            scored.ranking[kind][order],
            None if probability is None else probability[order],
            scored.fake[order],
            source[order],
        )

    def against(self, source: int) -> "_Ordered":
        """A generator with all real images of the split, a camera with all fake ones."""
        keep = with_opponents(self.source == source, self.fake)
        probability = None if self.probability is None else self.probability[keep]
        return _Ordered(self.scores[keep], probability, self.fake[keep], self.source[keep])

    def ranking(self) -> Ranking | None:
        """None where a score is no number."""
        return Ranking.of_sorted(self.scores, self.fake) if np.isfinite(self.scores).all() else None


def numbers_of(scored: Scored) -> Numbers:
    """Work everything out, each kind of score sorted once.

    Scores that are not all numbers have metrics of None and no curve.
    """
    sources = sorted(set(scored.sources.tolist()))
    codes = np.zeros(len(scored), np.intp)
    for number, source in enumerate(sources):
        codes[scored.sources == source] = number
    orders = {kind: _Ordered.of(scored, kind, codes) for kind in scored.ranking}
    measured: dict[tuple[str, str], Metrics] = {}
    curves: dict[tuple[str, str], Curve] = {}
    for number, source in enumerate((POOLED, *sources), start=-1):
        for kind, order in orders.items():
            part = order.against(number) if number >= 0 else order
            ranking = part.ranking()
            measured[source, kind] = measure(ranking, part.probability, part.fake)
            if ranking is not None and (curve := roc(ranking)) is not None:
                curves[source, kind] = _read_at_grid(curve)
    return Numbers(measured, curves, _reliability(scored), tuple(scored.generators))


def _reliability(scored: Scored) -> dict[str, ReliabilityCurve]:
    return {
        kind: reliability_curve(values, scored.fake)
        for kind, values in scored.probability.items()
        if len(scored) and np.isfinite(scored.ranking[kind]).all()
    }


def numbers_of_file(path: Path) -> Numbers:
    """Of the scores that a run has written; worked out once for each state of the file."""
    try:
        state = path.stat()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    return _of_file(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2048)
def _of_file(path: Path, _changed_ns: int, _size_bytes: int) -> Numbers:
    return numbers_of(read_scored(path))


def _read_at_grid(curve: Roc) -> Curve:
    fpr, tpr = curve
    given_fpr = np.interp(GRID, fpr, tpr)
    given_fpr[0] = 0.0
    # Of the rates at which a share of the fakes is found the lowest counts: that just below the share.
    given_tpr = np.interp(np.nextafter(GRID, -1), tpr, fpr)
    given_tpr[0] = 0.0
    return Curve(np.asarray(given_fpr, np.float64), np.asarray(given_tpr, np.float64))
