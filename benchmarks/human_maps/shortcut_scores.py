"""The scores of a run on test faces with and without the shortcut, and AUC under each condition."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.ranking import Ranking, auc

Condition = Literal["absent", "random", "follows", "reversed"]
CONDITIONS: Final[tuple[Condition, ...]] = ("random", "absent", "follows", "reversed")
"""Where the shortcut is on the test faces: anywhere, on none, on the fakes, on the real ones."""
GROUPS: Final = ("unseen", "seen")


@dataclass(frozen=True, slots=True)
class PairedScores:
    """Scores of each test face without and with the shortcut, (N,) each."""

    plain: NDArray[np.float64]  # (N,) score without the shortcut
    marked: NDArray[np.float64]  # (N,) score of the same picture with it
    fake: NDArray[np.bool_]
    unseen: NDArray[np.bool_]

    def part(self, keep: NDArray[np.bool_]) -> "PairedScores":
        return PairedScores(self.plain[keep], self.marked[keep], self.fake[keep], self.unseen[keep])

    def under(self, condition: Condition) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Scores and truth under a condition. In `random`, every face counts once with and once without."""
        match condition:
            case "absent":
                return self.plain, self.fake
            case "random":
                return np.concatenate([self.plain, self.marked]), np.tile(self.fake, 2)
            case "follows":
                return np.where(self.fake, self.marked, self.plain), self.fake
            case "reversed":
                return np.where(self.fake, self.plain, self.marked), self.fake


def read_scores(path: Path, *, score: str = "sigmoid") -> PairedScores:
    """`scores/test.csv` of a run on a generated world."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = {row["image_id"]: row for row in csv.DictReader(stream)}
    plain = [row for name, row in sorted(rows.items()) if name.endswith("-plain")]
    marked = [rows[row["image_id"].replace("-plain", "-marked")] for row in plain]

    def value(row: dict[str, str]) -> float:
        return float(row["logit_fake"]) - (float(row["logit_real"]) if score == "softmax" else 0.0)

    return PairedScores(
        np.array([value(row) for row in plain]),
        np.array([value(row) for row in marked]),
        np.array([row["label"] == "fake" for row in plain]),
        np.array(["unseen" in row["source"] for row in plain]),
    )


def summary(tested: PairedScores) -> dict[str, float]:
    """AUC per group and condition; `shortcut` = how well scores tell marked real faces from plain ones."""
    result: dict[str, float] = {}
    for group in GROUPS:
        part = tested.part(tested.unseen == (group == "unseen"))
        for condition in CONDITIONS:
            result[f"{group}/{condition}"] = auc(Ranking.of(*part.under(condition))) or 0.0
    real = tested.part(~tested.fake)
    both = np.concatenate([real.plain, real.marked])
    result["shortcut"] = auc(Ranking.of(both, np.arange(len(both)) >= len(real.plain))) or 0.0
    return result
