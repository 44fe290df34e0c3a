"""A table of decisions: what every statistic reads, whichever study or file it came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from accuracy.statistics.clusters import ClusteredSample, codes

Design = Literal["2afc", "single"]

NEEDED: Final = ("participant", "arm", "correct")
COLUMNS: Final = {
    "participant": "who decided; one person has one id",
    "arm": "the condition the participant was in",
    "correct": "1 or 0",
    "item": "the pair shown; the image in a single-image design",
    "source": "generator of the fake image",
    "question": "`real` = which one is real?, `fake` = which one is fake?",
    "choice": "`left` or `right`; `real` or `fake` in a single-image design",
    "answer": "what the correct choice would have been",
    "position": "number of the trial among the participant's main trials, from 1",
    "decision_ms": "from the appearance to the choice",
    "annotation_ms": "spent painting",
    "area": "share of the image that was painted; only in the file that the command writes, because every "
    "annotation has to be drawn for it",
}


@dataclass(frozen=True, slots=True)
class Decisions:
    """One row per decision, with the columns of `COLUMNS` that are known; only `NEEDED` are always there.

    `paints` names the arms that ask for an annotation.
    """

    frame: pd.DataFrame
    design: Design = "2afc"
    paints: frozenset[str] = frozenset()

    def has(self, *names: str) -> bool:
        """Whether every column is there with at least one value."""
        return all(name in self.frame and bool(self.frame[name].notna().any()) for name in names)

    @property
    def arms(self) -> list[str]:
        """Arms with a decision: those that do not paint first, then by name; the first are the reference."""
        return sorted(set(self.frame["arm"]), key=lambda arm: (arm in self.paints, arm))

    def of(self, chosen: "pd.Series[bool]") -> "Decisions":
        return Decisions(self.frame[chosen], self.design, self.paints)

    def of_arm(self, arm: str) -> "Decisions":
        return self.of(self.frame["arm"] == arm)

    def levels(self, name: str) -> list[str]:
        """The values of a column, sorted; none when it is not there."""
        return sorted(self.frame[name].dropna().unique()) if self.has(name) else []

    def sample(self, arm: str | None = None, against: str | None = None) -> ClusteredSample:
        """Decisions as codes: those of one arm, or of `arm` (1) and the arm it is compared with (0)."""
        frame = self.frame
        if arm is not None:
            frame = frame[frame["arm"].isin([arm, against] if against is not None else [arm])]
        return sample_of(frame, ones=[arm] if against is not None else [])

    @property
    def participants(self) -> int:
        return int(self.frame["participant"].nunique())

    @property
    def in_several_arms(self) -> int:
        """Participants with a decision in more than one arm."""
        return int((self.frame.groupby("participant")["arm"].nunique() > 1).sum())

    @property
    def others(self) -> str:
        """For whom and what intervals hold: other people and, where items are known, other pictures."""
        return "other people and other pictures" if self.has("item") else "other people with these pictures"

    @property
    def items(self) -> int:
        return int(self.frame["item"].nunique()) if "item" in self.frame else 0


def sample_of(frame: pd.DataFrame, *, ones: Sequence[str | None]) -> ClusteredSample:
    """Decisions as codes; arms in `ones` are arm 1. Each decision without an item counts as another item."""
    item = codes(frame["item"]) if "item" in frame else np.full(len(frame), -1)
    unknown = item < 0
    item = np.where(unknown, item.max(initial=-1) + np.cumsum(unknown), item)
    arm = frame["arm"].isin(list(ones)).to_numpy().astype(np.intp)
    correct = frame["correct"].to_numpy(dtype=np.float64)
    return ClusteredSample(correct, codes(frame["participant"]), item, arm)
