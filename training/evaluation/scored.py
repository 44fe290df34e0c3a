"""What a detector said about each image of a split, be it a run of ours or somebody else's program. No torch.

A kind of score is `sigmoid` (of the fake logit alone, as in the papers), `softmax` (over both logits), or
`score` (what another program calls it).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from accuracy.statistics.calibration import brier, calibration_error
from accuracy.statistics.delong import auc_interval
from accuracy.statistics.error_rates import accuracy, acer
from accuracy.statistics.ranking import Ranking, auc, operating_points, roc
from saliency.files.spreadsheets import original
from training.errors import RunError, first_line
from training.events import Metrics

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

POOLED: Final = "all"
"""In place of a source: all images of the split."""
SCORE: Final = "score"
"""The one kind of score that a detector of somebody else has."""
COLUMNS: Final = {
    "image_id": "str",
    "label": "category",
    "source": "category",
    "logit_real": "float64",
    "logit_fake": "float64",
}
"""What is read of a table of scores, and as what."""


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

    def against(self, source: str) -> "Scored":
        """A generator with all real images of the split, a camera with all fake ones."""
        keep = with_opponents(self.sources == source, self.fake)
        return Scored(
            tuple(name for name, kept in zip(self.image_ids, keep.tolist(), strict=True) if kept),
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


def with_opponents(own: Flags, fake: Flags) -> Flags:
    """(N,) the images of a source, and all those of the class that it does not have."""
    lacks_fake, lacks_real = not (own & fake).any(), not (own & ~fake).any()
    return np.asarray(own | (fake & lacks_fake) | (~fake & lacks_real), np.bool_)


def measure(ranking: Ranking | None, probability: Floats | None, fake: Flags) -> Metrics:
    """Every number of docs/evaluation.md by one kind of score; None where one is not defined.

    ranking : of the images; None where scores are not all numbers, which have none of the numbers
    probability : (N,) the same scores where they are probabilities; `acer`, `accuracy`, `brier` and
        `calibration_error` need them
    """
    result: Metrics = {"images": float(len(fake)), **dict.fromkeys(_names())}
    if ranking is None or not len(fake):
        return result
    low, high = auc_interval(ranking) or (None, None)
    result |= {"auc": auc(ranking), "auc_low": low, "auc_high": high}
    result |= operating_points(roc(ranking))
    if probability is not None:
        result["accuracy"] = accuracy(probability, fake, threshold=0.5)
        result["acer"] = acer(probability, fake, threshold=0.5)
        result["brier"] = brier(probability, fake)
        result["calibration_error"] = calibration_error(probability, fake)
    return result


def _names() -> list[str]:
    rest = ["accuracy", "acer", "brier", "calibration_error"]
    return ["auc", "auc_low", "auc_high", *operating_points(None), *rest]


def read_scored(path: Path) -> Scored:
    """The scores of a split as a run has written them; the same file is read once."""
    try:
        state = path.stat()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # a set of 700,000 images takes 120 MB
def _read(path: Path, _changed_ns: int, _size_bytes: int) -> Scored:
    import pandas as pd  # takes its time, and most of what imports this module reads no scores

    numbers = ("logit_real", "logit_fake")
    try:
        table = pd.read_csv(
            path,
            usecols=lambda name: name in COLUMNS,
            dtype=COLUMNS,
            index_col=False,
            keep_default_na=False,
            na_values={name: ["nan"] for name in numbers},
        )
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {first_line(error)}.") from None
    if missing := COLUMNS.keys() - table.columns:
        raise RunError(f"{path} cannot be read: its header lacks {', '.join(sorted(missing))}.")
    real, fake = (table[name].to_numpy(np.float64) for name in numbers)
    names = [original(name) for name in table["source"].cat.categories]
    with np.errstate(invalid="ignore"):  # inf - inf, of a network that diverged
        ranking = {"sigmoid": fake, "softmax": fake - real}
    return Scored(
        tuple(table["image_id"]),
        (table["label"] == "fake").to_numpy(np.bool_),
        np.array(names, np.str_)[table["source"].cat.codes],
        ranking,
        {kind: expit(values) for kind, values in ranking.items()},
    )
