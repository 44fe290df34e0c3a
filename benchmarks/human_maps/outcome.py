"""What a finished run says about the test faces, with and without the shortcut on them."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from training.metrics import auc

Condition = Literal["absent", "random", "follows", "reversed"]
CONDITIONS: Final[tuple[Condition, ...]] = ("absent", "random", "follows", "reversed")
"""Where the shortcut is on the test faces: on none, on a random half, on the fakes, on the real ones."""
GROUPS: Final = ("unseen", "seen")


@dataclass(frozen=True, slots=True)
class Answers:
    """The test faces of one run, in one order."""

    plain: NDArray[np.float64]  # (N,) score without the shortcut
    marked: NDArray[np.float64]  # (N,) score of the same picture with it
    fake: NDArray[np.bool_]
    unseen: NDArray[np.bool_]

    def part(self, keep: NDArray[np.bool_]) -> "Answers":
        return Answers(self.plain[keep], self.marked[keep], self.fake[keep], self.unseen[keep])

    def scores(self, condition: Condition) -> NDArray[np.float64]:
        """(N,) the scores under a condition; `random` is the same half for every run."""
        coin = np.random.default_rng(0).random(len(self.fake)) < 0.5
        marked = {
            "absent": ~self.fake & self.fake,
            "random": coin,
            "follows": self.fake,
            "reversed": ~self.fake,
        }
        return np.where(marked[condition], self.marked, self.plain)


def read_scores(path: Path, *, column: str = "logit_fake") -> Answers:
    """`scores/test.csv` of a run on a generated world."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = {row["image_id"]: row for row in csv.DictReader(stream)}
    plain = [row for name, row in sorted(rows.items()) if name.endswith("-plain")]
    marked = [rows[row["image_id"].replace("-plain", "-marked")] for row in plain]

    def value(row: dict[str, str]) -> float:
        return float(row["logit_fake"]) - (float(row["logit_real"]) if column == "softmax" else 0.0)

    return Answers(
        np.array([value(row) for row in plain]),
        np.array([value(row) for row in marked]),
        np.array([row["label"] == "fake" for row in plain]),
        np.array(["unseen" in row["source"] for row in plain]),
    )


def summary(tested: Answers) -> dict[str, float]:
    """AUC per group and condition; `shortcut` = how well scores tell marked real faces from plain ones."""
    result: dict[str, float] = {}
    for group in GROUPS:
        part = tested.part(tested.unseen == (group == "unseen"))
        for condition in CONDITIONS:
            result[f"{group}/{condition}"] = auc(part.scores(condition), part.fake) or 0.0
    real = tested.part(~tested.fake)
    both = np.concatenate([real.plain, real.marked])
    result["shortcut"] = auc(both, np.arange(len(both)) >= len(real.plain)) or 0.0
    return result
