"""What a detector said about each image of a split, be it a run of ours or somebody else's program. No torch.

A kind of score is `sigmoid` (of the fake logit alone, as in the papers), `softmax` (over both logits), or
`score` (what another program calls it).
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.spreadsheets import original
from training import calibration, metrics
from training.errors import RunError
from training.events import Metrics
from training.statistics import auc_interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

POOLED: Final = "all"
"""In place of a source: all images of the split."""
COLUMNS: Final = frozenset({"image_id", "label", "source", "logit_real", "logit_fake"})


@dataclass(frozen=True, slots=True)
class Truth:
    """One image of a split, as a table of scores names it."""

    image_id: str
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class Scored:
    """Truth and scores of a split; never changed."""

    image_ids: tuple[str, ...]
    fake: Flags  # (N,)
    sources: NDArray[np.str_]  # (N,)
    ranking: dict[str, Floats]
    """(N,) per kind, higher = more fake; of a run these are logits, which do not saturate."""
    probability: dict[str, Floats]
    """(N,) in [0, 1] per kind that has a meaning as such."""

    def __len__(self) -> int:
        return len(self.fake)

    def is_sound(self, kind: str) -> bool:
        """Every score is a number. A network whose training diverged says NaN."""
        return bool(np.isfinite(self.ranking[kind]).all())

    def against(self, source: str) -> "Scored":
        """A generator with all real images of the split, a camera with all fake ones; `all` is the split."""
        if source == POOLED:
            return self
        own = self.sources == source
        labels = set(self.fake[own].tolist())
        keep = own | np.array([flag not in labels for flag in self.fake.tolist()], bool)
        return Scored(
            tuple(name for name, kept in zip(self.image_ids, keep, strict=True) if kept),
            self.fake[keep],
            self.sources[keep],
            {kind: values[keep] for kind, values in self.ranking.items()},
            {kind: values[keep] for kind, values in self.probability.items()},
        )

    @property
    def generators(self) -> list[str]:
        """Sources of fake images, by name."""
        return sorted(set(self.sources[self.fake].tolist()))

    @property
    def truth(self) -> list[Truth]:
        """What was to be judged, in the order of the scores."""
        labels = ("fake" if flag else "real" for flag in self.fake)
        rows = zip(self.image_ids, labels, self.sources.tolist(), strict=True)
        return [Truth(*row) for row in rows]


def measure(scored: Scored, kind: str) -> Metrics:
    """Every number of docs/evaluation.md by one kind of score; None where one is not defined.

    Scores that are not all numbers have none of them. `acer`, `accuracy`, `brier` and `calibration_error`
    need a score that is a probability.
    """
    result: Metrics = {"images": float(len(scored)), **dict.fromkeys(_names())}
    if not len(scored) or not scored.is_sound(kind):
        return result
    ranking, fake = scored.ranking[kind], scored.fake
    low, high = auc_interval(ranking, fake) or (None, None)
    result |= {"auc": metrics.auc(ranking, fake), "auc_low": low, "auc_high": high}
    result["eer"] = metrics.eer(ranking, fake)
    for fpr in metrics.OPERATING_POINTS:
        result[f"tpr_at_fpr_{fpr:g}"] = metrics.tpr_at_fpr(ranking, fake, fpr=fpr)
    for bpcer in metrics.BPCER_POINTS:
        result[f"apcer_at_bpcer_{bpcer:g}"] = metrics.apcer_at_bpcer(ranking, fake, bpcer=bpcer)
    probability = scored.probability.get(kind)
    if probability is not None:
        result["accuracy"] = metrics.accuracy(probability, fake, threshold=0.5)
        result["acer"] = metrics.acer(probability, fake, threshold=0.5)
        result["brier"] = calibration.brier(probability, fake)
        result["calibration_error"] = metrics.calibration_error(probability, fake)
    return result


def _names() -> list[str]:
    points = [f"tpr_at_fpr_{fpr:g}" for fpr in metrics.OPERATING_POINTS]
    misses = [f"apcer_at_bpcer_{bpcer:g}" for bpcer in metrics.BPCER_POINTS]
    rest = ["accuracy", "acer", "brier", "calibration_error"]
    return ["auc", "auc_low", "auc_high", "eer", *points, *misses, *rest]


def read_scored(path: Path) -> Scored:
    """The scores of a split as a run has written them; the same file is read once."""
    try:
        state = path.stat()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)  # a set of 700,000 images takes 60 MB
def _read(path: Path, _changed_ns: int, _size_bytes: int) -> Scored:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
        _require_columns(reader.fieldnames or ())
        real, fake = (
            np.array([float(row[name]) for row in rows], np.float64) for name in ("logit_real", "logit_fake")
        )
        ids = tuple(row["image_id"] for row in rows)
        flags = np.array([row["label"] == "fake" for row in rows], bool)
        sources = np.array([original(row["source"]) for row in rows], np.str_)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None
    with np.errstate(invalid="ignore"):  # inf - inf, of a network that diverged
        ranking = {"sigmoid": fake, "softmax": fake - real}
    return Scored(ids, flags, sources, ranking, {k: metrics.sigmoid(v) for k, v in ranking.items()})


def _require_columns(found: Iterable[str]) -> None:
    missing = COLUMNS.difference(found)
    if missing:
        raise ValueError(f"its header lacks {', '.join(sorted(missing))}")
