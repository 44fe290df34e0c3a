"""Accuracy in parts of the decisions: by source, question, side, position, and on each pair."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from accuracy.decisions.table import Decisions
from accuracy.findings.arms import CLUSTERED_WILSON
from accuracy.findings.estimates import Estimate, Scope
from accuracy.findings.scopes import scope
from accuracy.statistics.clustered_proportions import clustered_proportion
from accuracy.statistics.intervals import Interval
from accuracy.statistics.proportions import wilson

MOST_STEPS: Final = 6  # parts of the sequence of trials


def steps(decisions: Decisions) -> "pd.Series[str] | None":
    """The part of the sequence that each decision is from, as "1–5"; None without positions.

    A decision whose position is not known is from no part.
    """
    if not decisions.has("position"):
        return None
    position = decisions.frame["position"].astype(float)
    last = int(position.max())
    length = int(np.ceil(last / MOST_STEPS))
    start = ((position.clip(lower=1) - 1) // length * length + 1).fillna(0).astype(int)

    def words(at: int) -> str | None:
        end = min(at + length - 1, last)
        return None if not at else str(at) if at == end else f"{at}–{end}"

    return start.map(words)


def in_order(level: str) -> tuple[int, str]:
    """A key that puts parts of the sequence in theirs, and everything else by name."""
    number = level.partition("–")[0]
    return (int(number) if number.isdecimal() else 0, level)


def cells(decisions: Decisions) -> Iterator[Estimate]:
    frame = decisions.frame
    columns: dict[str, pd.Series[str]] = {
        name: frame[name] for name in ("source", "question", "answer") if decisions.has(name)
    }
    if (of_step := steps(decisions)) is not None:
        columns["position"] = of_step
    for arm in decisions.arms:
        for name, values in columns.items():
            title = {"answer": "side" if decisions.design == "2afc" else "label"}.get(name, name)
            for level in sorted(values.dropna().unique(), key=lambda value: in_order(str(value))):
                cell = decisions.of((values == level) & (frame["arm"] == arm))
                yield scope(cell, "cells", arm, f"{title}={level}").estimate(
                    "accuracy",
                    clustered_proportion(cell.sample()),
                    unit="share",
                    method=CLUSTERED_WILSON,
                    meaning=f"Share of correct decisions in {arm} where {title} is {level}.",
                )


def pairs(decisions: Decisions) -> Iterator[Estimate]:
    if not decisions.has("item"):
        return
    keys = ["arm", "item", *(["source"] if decisions.has("source") else [])]
    counts = decisions.frame.groupby(keys)["correct"].agg(["sum", "size"]).reset_index()
    for row in counts.to_dict("records"):
        low, high = wilson(row["sum"] / row["size"], row["size"])
        within = f"item={row['item']}" + (f";source={row['source']}" if "source" in row else "")
        yield Scope("pairs", row["arm"], within, row["size"], int(row["sum"]), row["size"], 1).estimate(
            "accuracy",
            Interval(row["sum"] / row["size"], low, high),
            unit="share",
            method="Wilson",
            meaning="Share of the participants in this arm who decided this one correctly.",
        )
