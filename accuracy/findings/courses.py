"""Accuracy against time, painting, and the position in the sequence."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from accuracy.decisions.table import Decisions
from accuracy.findings import regression
from accuracy.findings.estimates import Estimate, signed
from accuracy.findings.scopes import both, compared, scope
from accuracy.statistics.clustered_proportions import clustered_difference
from accuracy.statistics.intervals import UNDEFINED, Interval
from accuracy.statistics.logistic import common_support, exponentiated
from accuracy.statistics.means import clustered_mean, clustered_mean_difference

SPENT: Final = {
    "decision_ms": "to decide",
    "annotation_ms": "to paint",
    "total_ms": "over a trial, deciding and painting together,",
}
LEAST_OVERLAP: Final = 0.05
"""Of `common_support`: with less, times are too different for a difference at equal time."""


def time(decisions: Decisions) -> Iterator[Estimate]:
    whole = with_total(decisions)
    for column, what in SPENT.items():
        timed = whole if column == "total_ms" else decisions
        for arm in timed.arms if timed.has(column) else ():
            in_arm = timed.of(timed.frame[column].gt(0) & (timed.frame["arm"] == arm))
            if in_arm.frame.empty:
                continue
            logs = np.log(in_arm.frame[column].to_numpy(dtype=float))
            yield scope(in_arm, "time", arm).estimate(
                column,
                _without_p(exponentiated(clustered_mean(logs, in_arm.sample()))),
                unit="ms",
                method="geometric mean, clustered by participants and pairs, t",
                meaning=f"How long it typically takes {what} in {arm}: the geometric mean, which single "
                "long pauses move little.",
            )
    for table, column in ((decisions, "decision_ms"), (whole, "total_ms")):
        if not table.has(column):
            continue
        timed = table.of(table.frame[column].notna())
        for arm, against in compared(timed.arms):
            yield from _at_equal_time(both(timed, arm, against), arm, against, column)


def with_total(decisions: Decisions) -> Decisions:
    """With a column `total_ms`: deciding and painting together, 0 for painting in an arm that never painted.

    Without that column where nobody is known to have painted: it would be the time to decide again.
    """
    if not decisions.has("decision_ms", "annotation_ms"):
        return decisions
    frame = decisions.frame
    painted = frame["annotation_ms"].astype(float)
    paints = set(frame.loc[painted.notna(), "arm"]) | decisions.paints
    painted = painted.mask(painted.isna() & ~frame["arm"].isin(paints), 0.0)
    total = frame["decision_ms"].astype(float) + painted
    return Decisions(frame.assign(total_ms=total), decisions.design, decisions.paints)


def _at_equal_time(pair: Decisions, arm: str, against: str, column: str) -> Iterator[Estimate]:
    pair_scope = scope(pair, "time", f"{arm} − {against}")
    total = column == "total_ms"
    logs = np.log(np.maximum(pair.frame[column].to_numpy(dtype=float), 1.0))
    sample = pair.sample(arm, against)
    yield pair_scope.estimate(
        "total_time_ratio" if total else "decision_time_ratio",
        exponentiated(clustered_mean_difference(logs, sample)),
        unit="ratio",
        method="geometric means, clustered by participants and pairs, t",
        meaning=f"How many times as long {arm} takes {SPENT[column]} as {against}.",
    )
    shared = common_support(logs[sample.arm == 1], logs[sample.arm == 0])
    comparable = shared >= LEAST_OVERLAP
    yield pair_scope.estimate(
        "difference_at_equal_total_time" if total else "difference_at_equal_time",
        regression.difference_at_equal_time(pair.frame, arm, column) if comparable else UNDEFINED,
        unit="points",
        method=EQUAL_TIME if comparable else "not computed: the times hardly overlap",
        meaning=_equal_time(clustered_difference(sample), total=total)
        if comparable
        else f"Not computed: only {100 * shared:.0f} % of the decisions in one arm took as long as "
        "those of the other, so a model would extrapolate to equal times.",
    )


EQUAL_TIME: Final = (
    "logistic, arm and log time with its square, averaged; clustered by participants and pairs, t"
)


def _equal_time(plain: Interval, *, total: bool) -> str:
    what = "the same time over a trial, painting included" if total else "the same time to decide"
    remains = (
        "Painting comes after the last choice, so its time can help where a choice is thought over again and "
        "in later trials"
        if total
        else "What time explains is gone, so what is left is not time"
    )
    return (
        f"The difference had both arms taken {what}; without that it is {signed(100 * (plain.value or 0))} "
        f"points. {remains}; but who takes longer was not assigned at random."
    )


def _without_p(interval: Interval) -> Interval:
    return Interval(interval.value, interval.low, interval.high)


def painting(decisions: Decisions) -> Iterator[Estimate]:
    doublings = {
        "decision_ms": "taking twice as long to decide",
        "annotation_ms": "painting for twice as long",
        "area": "painting twice the area",
    }
    for column, what in doublings.items():
        if not decisions.has(column):
            continue
        for arm in decisions.arms:
            in_arm = decisions.of((decisions.frame["arm"] == arm) & decisions.frame[column].gt(0))
            if in_arm.frame.empty:
                continue
            yield scope(in_arm, "painting", arm).estimate(
                f"odds_ratio_per_doubling_of_{column}",
                regression.odds_ratio_per_unit(
                    in_arm.frame, np.log2(in_arm.frame[column].to_numpy(dtype=float))
                ),
                unit="ratio",
                method="logistic within participants, clustered by participants and pairs, t",
                meaning=f"How many times the odds of being correct change when the same person is {what}.",
            )


def learning(decisions: Decisions) -> Iterator[Estimate]:
    if not decisions.has("position"):
        return
    placed = decisions.of(decisions.frame["position"].notna())
    for arm in placed.arms:
        in_arm = placed.of_arm(arm)
        yield scope(in_arm, "learning", arm).estimate(
            "odds_ratio_per_ten_trials",
            regression.odds_ratio_per_unit(in_arm.frame, in_arm.frame["position"].to_numpy(dtype=float) / 10),
            unit="ratio",
            method="logistic within participants, clustered by participants and pairs, t",
            meaning="How many times the odds of being correct change over ten trials; above 1 people get "
            "better.",
        )
    for arm, against in compared(placed.arms):
        pair = both(placed, arm, against)
        yield scope(pair, "learning", f"{arm} − {against}").estimate(
            "ratio_of_learning",
            regression.ratio_of_learning(pair.frame, arm),
            unit="ratio",
            method="logistic, arm by position, clustered by participants and pairs, t",
            meaning=f"How many times as fast the odds grow in {arm} as in {against}; 1 is the same learning.",
        )
