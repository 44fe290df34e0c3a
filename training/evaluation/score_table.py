"""The scores and labels of a split: of a run, or of an external detector. No torch.

A kind of score is `sigmoid` (of the fake logit alone, as in the papers), `softmax` (over both logits), or
`score` (of an external detector).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from accuracy.statistics.calibration import brier, calibration_error
from accuracy.statistics.delong import auc_interval
from accuracy.statistics.error_rates import accuracy, acer, balanced_accuracy
from accuracy.statistics.ranking import Ranking, auc, average_precision, operating_points, roc
from saliency.files.spreadsheets import original
from training.errors import RunError, first_line
from training.events import Metrics

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

POOLED: Final = "all"
"""In place of a source: all images of the split."""
SCORE: Final = "score"
"""The one kind of score that an external detector has."""
COLUMNS: Final = {
    "image_id": "str",
    "label": "category",
    "source": "category",
    "logit_real": "float64",
    "logit_fake": "float64",
}
"""The columns that are read of `scores/<split>.csv`, and their types."""
LOGITS: Final = ("logit_real", "logit_fake")


@dataclass(frozen=True, slots=True)
class ImageLabel:
    """One image of a split with its label and source."""

    image_id: str
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class ScoreArrays:
    """Labels and scores without the ids of images: what a summary needs."""

    fake: Flags  # (N,)
    names: tuple[str, ...]
    """Sources by name."""
    source: NDArray[np.int64]
    """(N,) which of the names."""
    ranking: dict[str, Floats]
    probability: dict[str, Floats]
    """Both as in `ScoreTable`."""

    def __len__(self) -> int:
        return len(self.fake)


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Labels and scores of a split. Nobody changes its arrays: they are shared."""

    image_ids: tuple[str, ...]
    fake: Flags  # (N,)
    sources: NDArray[np.str_]  # (N,)
    ranking: dict[str, Floats]
    """(N,) per kind, higher = more fake; of a run these are logits, which do not saturate."""
    probability: dict[str, Floats]
    """(N,) in [0, 1], for the kinds of score that are probabilities."""

    def __len__(self) -> int:
        return len(self.fake)

    def against(self, source: str) -> "ScoreTable":
        """The images of a source with the other class: a generator with all real images of the split."""
        chosen = with_other_class(self.sources == source, self.fake)
        return ScoreTable(
            tuple(name for name, use in zip(self.image_ids, chosen.tolist(), strict=True) if use),
            self.fake[chosen],
            self.sources[chosen],
            {kind: values[chosen] for kind, values in self.ranking.items()},
            {kind: values[chosen] for kind, values in self.probability.items()},
        )

    def arrays(self) -> ScoreArrays:
        """The same without ids."""
        names, source = np.unique(self.sources, return_inverse=True)
        return ScoreArrays(
            self.fake, tuple(names.tolist()), source.astype(np.int64), self.ranking, self.probability
        )

    @property
    def truth(self) -> list[ImageLabel]:
        """The images with label and source, in the order of the scores."""
        labels = ("fake" if flag else "real" for flag in self.fake)
        rows = zip(self.image_ids, labels, self.sources.tolist(), strict=True)
        return [ImageLabel(*row) for row in rows]


def with_other_class(of_source: Flags, fake: Flags) -> Flags:
    """(N,) the images of a source, and all images of the class that the source does not have."""
    lacks_fake, lacks_real = not (of_source & fake).any(), not (of_source & ~fake).any()
    return np.asarray(of_source | (fake & lacks_fake) | (~fake & lacks_real), np.bool_)


def score_metrics(ranking: Ranking | None, probability: Floats | None, fake: Flags) -> Metrics:
    """Every metric of docs/evaluation.md by one kind of score; None where a metric is undefined.

    ranking : of the images; None where a score is not finite, which leaves every metric but `images` None
    probability : (N,) in [0, 1], the same scores; None if they are no probabilities, which leaves `acer`,
        `accuracy`, `balanced_accuracy`, `brier` and `calibration_error` None
    fake : (N,); no images leave every metric None
    """
    result: Metrics = {"images": float(len(fake)), **dict.fromkeys(_names())}
    if ranking is None or not len(fake):
        return result
    low, high = auc_interval(ranking) or (None, None)
    result |= {"auc": auc(ranking), "auc_low": low, "auc_high": high, "ap": average_precision(ranking)}
    result |= operating_points(roc(ranking))
    if probability is not None:
        result["accuracy"] = accuracy(probability, fake, threshold=0.5)
        result["acer"] = acer(probability, fake, threshold=0.5)
        result["balanced_accuracy"] = balanced_accuracy(probability, fake, threshold=0.5)
        result["brier"] = brier(probability, fake)
        result["calibration_error"] = calibration_error(probability, fake)
    return result


def _names() -> list[str]:
    other_metrics = ["accuracy", "balanced_accuracy", "acer", "brier", "calibration_error"]
    return ["auc", "auc_low", "auc_high", "ap", *operating_points(None), *other_metrics]


def read_score_table(path: Path) -> ScoreTable:
    """The scores of a split that a run wrote; a file that has not changed is read once.

    `RunError`: the file is missing, damaged, or lacks a column
    """
    try:
        state = path.stat()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # a set of 700,000 images takes 120 MB
def _read(path: Path, _changed_ns: int, _size_bytes: int) -> ScoreTable:
    table = _parsed(path, COLUMNS)
    arrays = _arrays(table)
    names = np.array(arrays.names, np.str_)
    return ScoreTable(
        tuple(table["image_id"]), arrays.fake, names[arrays.source], arrays.ranking, arrays.probability
    )


def read_score_arrays(path: Path) -> ScoreArrays:
    """The same without ids, which takes half of the time; `RunError` as `read_score_table`."""
    return _arrays(_parsed(path, {name: kind for name, kind in COLUMNS.items() if name != "image_id"}))


def _parsed(path: Path, columns: dict[str, str]) -> Any:
    """A data frame of some columns."""
    import pandas as pd  # takes its time, and most of what imports this module reads no scores

    try:
        table = pd.read_csv(
            path,
            usecols=lambda name: name in columns,
            dtype=columns,
            index_col=False,
            keep_default_na=False,
            na_values={name: ["nan"] for name in LOGITS},
        )
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {first_line(error)}.") from None
    if missing := columns.keys() - table.columns:
        raise RunError(f"{path} cannot be read: its header lacks {', '.join(sorted(missing))}.")
    return table


def _arrays(table: Any) -> ScoreArrays:
    real, fake = (table[name].to_numpy(np.float64) for name in LOGITS)
    names = np.array([original(name) for name in table["source"].cat.categories], np.str_)
    in_order = np.argsort(names)
    place = np.empty(len(names), np.int64)
    place[in_order] = np.arange(len(names))
    label = table["label"].cat
    is_fake = np.asarray(label.categories == "fake")
    with np.errstate(invalid="ignore"):  # inf - inf, of a network that diverged
        ranking = {"sigmoid": fake, "softmax": fake - real}
    return ScoreArrays(
        is_fake[label.codes],
        tuple(names[in_order].tolist()),
        place[table["source"].cat.codes],
        ranking,
        {kind: expit(values) for kind, values in ranking.items()},
    )
