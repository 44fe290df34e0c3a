"""Metrics and curves of one set of scores: what tables and figures need, small enough to keep. No torch."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.calibration import CalibrationCurve, reliability_curve
from accuracy.statistics.ranking import Ranking, Roc, roc
from training.errors import RunError
from training.evaluation.score_table import (
    POOLED,
    ScoreArrays,
    ScoreTable,
    read_score_arrays,
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
    reliability: dict[str, CalibrationCurve]
    """By kind of score, over all images; only of probabilities."""
    generators: tuple[str, ...]
    images: dict[str, tuple[int, int]]
    """Real and fake images of each source."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """The sources of real images, where there are several: each has a curve of its own."""
        names = tuple(name for name, (real, _) in self.images.items() if real)
        return names if len(names) > 1 else ()

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

    @classmethod
    def of(cls, arrays: ScoreArrays, kind: str, order: Codes) -> Self:
        probability = arrays.probability.get(kind)
        return cls(
            arrays.ranking[kind][order],
            None if probability is None else probability[order],
            arrays.fake[order],
        )

    def at(self, positions: Codes) -> "_RankedImages":
        """Some of the images, by ascending positions."""
        probability = None if self.probability is None else self.probability[positions]
        return _RankedImages(self.scores[positions], probability, self.fake[positions])

    def ranking(self) -> Ranking | None:
        """None where a score is not finite."""
        return Ranking.merged(self.scores, self.fake) if np.isfinite(self.scores).all() else None


def summarise_scores(scored: ScoreTable) -> ScoreSummary:
    """Metrics and curves of all images and of each source; each kind of score is sorted once.

    Scores of which one is not finite have metrics of None and no curve.
    """
    return _summary(scored.arrays())


def _summary(arrays: ScoreArrays) -> ScoreSummary:
    group = (2 * arrays.source + arrays.fake).astype(np.min_scalar_type(2 * len(arrays.names)))
    counts = np.bincount(group, minlength=2 * len(arrays.names))  # (2 sources,), real and fake of each
    present = counts > 0
    measured: dict[tuple[str, str], Metrics] = {}
    curves: dict[tuple[str, str], RocCurve] = {}
    for kind, values in arrays.ranking.items():
        order = np.argsort(-values)
        ranked, group_in_order = _RankedImages.of(arrays, kind, order), group[order]
        for number, source in enumerate((POOLED, *arrays.names), start=-1):
            part = ranked
            if number >= 0:
                part = ranked.at(np.flatnonzero(_groups_against(number, present)[group_in_order]))
            ranking = part.ranking()
            measured[source, kind] = score_metrics(ranking, part.probability, part.fake)
            if ranking is not None and (curve := roc(ranking)) is not None:
                curves[source, kind] = _read_at_grid(curve)
    keys = [(source, kind) for source in (POOLED, *arrays.names) for kind in arrays.ranking]
    generators = tuple(name for name, is_there in zip(arrays.names, present[1::2], strict=True) if is_there)
    return ScoreSummary(
        {key: measured[key] for key in keys},
        {key: curves[key] for key in keys if key in curves},
        _reliability(arrays),
        generators,
        {
            name: (int(real), int(fake))
            for name, (real, fake) in zip(arrays.names, counts.reshape(-1, 2), strict=True)
        },
    )


def _groups_against(source: int, present: Flags) -> Flags:
    """Which groups are the images of a source with the class that it lacks, as `ScoreTable.against`.

    present : (2 sources,) whether there are real and fake images of each source
    """
    fake = np.arange(len(present)) % 2 == 1
    return with_other_class((np.arange(len(present)) // 2 == source) & present, fake)


def _reliability(arrays: ScoreArrays) -> dict[str, CalibrationCurve]:
    return {
        kind: reliability_curve(values, arrays.fake)
        for kind, values in arrays.probability.items()
        if len(arrays) and np.isfinite(arrays.ranking[kind]).all()
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
    return _summary(read_score_arrays(path))


def _read_at_grid(curve: Roc) -> RocCurve:
    fpr, tpr = curve
    given_fpr = np.interp(GRID, fpr, tpr)
    given_fpr[0] = 0.0
    # Of the rates at which a share of the fakes is found the lowest counts: that just below the share.
    given_tpr = np.interp(np.nextafter(GRID, -1), tpr, fpr)
    given_tpr[0] = 0.0
    return RocCurve(np.asarray(given_fpr, np.float64), np.asarray(given_tpr, np.float64))
