"""All that tables and figures need of one set of scores, small enough to keep for every run. No torch."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.calibration import Reliability, reliability
from training.errors import RunError
from training.events import Metrics
from training.scored import POOLED, Scored, measure, read_scored

Floats = NDArray[np.float64]

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
    reliability: dict[str, Reliability]
    """By kind of score, over all images; only of probabilities."""
    generators: tuple[str, ...]

    @property
    def sources(self) -> list[str]:
        """`all`, then every camera and generator by name."""
        return list(dict.fromkeys(source for source, _ in self.metrics))


def numbers_of(scored: Scored) -> Numbers:
    """Work everything out; scores that are not all numbers have metrics of None and no curve."""
    parts = {source: scored.against(source) for source in (POOLED, *sorted(set(scored.sources.tolist())))}
    found = {(source, kind): (part, kind) for source, part in parts.items() for kind in scored.ranking}
    curves = {key: _curve(part, kind) for key, (part, kind) in found.items()}
    return Numbers(
        metrics={key: measure(part, kind) for key, (part, kind) in found.items()},
        curves={key: curve for key, curve in curves.items() if curve is not None},
        reliability={
            kind: reliability(values, scored.fake)
            for kind, values in scored.probability.items()
            if scored.is_sound(kind) and len(scored)
        },
        generators=tuple(scored.generators),
    )


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


def _curve(scored: Scored, kind: str) -> Curve | None:
    if not scored.is_sound(kind):
        return None
    found = metrics.roc(scored.ranking[kind], scored.fake)
    if found is None:
        return None
    fpr, tpr = found
    given_fpr = np.interp(GRID, fpr, tpr)
    given_fpr[0] = 0.0
    # Of the rates at which a share of the fakes is found the lowest counts: that just below the share.
    given_tpr = np.interp(np.nextafter(GRID, -1), tpr, fpr)
    given_tpr[0] = 0.0
    return Curve(np.asarray(given_fpr, np.float64), np.asarray(given_tpr, np.float64))
