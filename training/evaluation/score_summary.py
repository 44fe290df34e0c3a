"""Metrics and curves of one set of scores: what tables and figures need, small enough to keep. No torch."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.calibration import ReliabilityCurve, reliability_curve
from accuracy.statistics.ranking import Ranking, Roc, roc
from training.errors import RunError
from training.evaluation.score_table import (
    POOLED,
    ScoreTable,
    read_score_table,
    score_metrics,
    with_other_class,
)
from training.events import Metrics

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.intp]

GRID: Final[Floats] = np.linspace(0, 1, 201)
"""Rates at which the ROC curves of several runs are averaged."""


@dataclass(frozen=True, slots=True)
class RocCurve:
    """A ROC curve at the rates of `GRID`, in both directions."""

    tpr: Floats
    """True positive rate at each false positive rate."""
    fpr: Floats
    """False positive rate at each true positive rate."""


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Metrics and curves by source (`all` first) and kind of score."""

    metrics: dict[tuple[str, str], Metrics]
    curves: dict[tuple[str, str], RocCurve]
    """Only where both classes are present and every score is finite."""
    reliability: dict[str, ReliabilityCurve]
    """By kind of score, over all images; only of probabilities."""
    generators: tuple[str, ...]

    @property
    def sources(self) -> list[str]:
        """`all`, then every camera and generator by name."""
        return list(dict.fromkeys(source for source, _ in self.metrics))


@dataclass(frozen=True, slots=True)
class _RankedImages:
    """Images sorted by one kind of score, the highest first; a subset of them stays sorted."""

    scores: Floats  # (N,)
    probability: Floats | None  # (N,)
    fake: Flags  # (N,)
    source: Codes  # (N,)

    @classmethod
    def of(cls, scored: ScoreTable, kind: str, source: Codes) -> Self:
        order = np.argsort(-scored.ranking[kind])
        probability = scored.probability.get(kind)
        return cls(
            scored.ranking[kind][order],
            None if probability is None else probability[order],
            scored.fake[order],
            source[order],
        )

    def against(self, source: int) -> "_RankedImages":
        """The images of a source with the other class, as `ScoreTable.against`."""
        chosen = with_other_class(self.source == source, self.fake)
        probability = None if self.probability is None else self.probability[chosen]
        return _RankedImages(self.scores[chosen], probability, self.fake[chosen], self.source[chosen])

    def ranking(self) -> Ranking | None:
        """None where a score is not finite."""
        return Ranking.of_sorted(self.scores, self.fake) if np.isfinite(self.scores).all() else None


def summarise_scores(scored: ScoreTable) -> ScoreSummary:
    """Metrics and curves of all images and of each source; each kind of score is sorted once.

    Scores of which one is not finite have metrics of None and no curve.
    """
    sources = sorted(set(scored.sources.tolist()))
    codes = np.zeros(len(scored), np.intp)
    for number, source in enumerate(sources):
        codes[scored.sources == source] = number
    orders = {kind: _RankedImages.of(scored, kind, codes) for kind in scored.ranking}
    measured: dict[tuple[str, str], Metrics] = {}
    curves: dict[tuple[str, str], RocCurve] = {}
    for number, source in enumerate((POOLED, *sources), start=-1):
        for kind, order in orders.items():
            part = order.against(number) if number >= 0 else order
            ranking = part.ranking()
            measured[source, kind] = score_metrics(ranking, part.probability, part.fake)
            if ranking is not None and (curve := roc(ranking)) is not None:
                curves[source, kind] = _read_at_grid(curve)
    return ScoreSummary(measured, curves, _reliability(scored), tuple(scored.generators))


def _reliability(scored: ScoreTable) -> dict[str, ReliabilityCurve]:
    return {
        kind: reliability_curve(values, scored.fake)
        for kind, values in scored.probability.items()
        if len(scored) and np.isfinite(scored.ranking[kind]).all()
    }


def summarise_file(path: Path) -> ScoreSummary:
    """The summary of `scores/<split>.csv`; a file that has not changed is summarised once."""
    try:
        state = path.stat()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    return _of_file(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2048)
def _of_file(path: Path, _changed_ns: int, _size_bytes: int) -> ScoreSummary:
    return summarise_scores(read_score_table(path))


def _read_at_grid(curve: Roc) -> RocCurve:
    fpr, tpr = curve
    given_fpr = np.interp(GRID, fpr, tpr)
    given_fpr[0] = 0.0
    # Of the rates at which a share of the fakes is found the lowest counts: that just below the share.
    given_tpr = np.interp(np.nextafter(GRID, -1), tpr, fpr)
    given_tpr[0] = 0.0
    return RocCurve(np.asarray(given_fpr, np.float64), np.asarray(given_tpr, np.float64))
