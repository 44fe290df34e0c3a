"""What goes along with being right: time, painting, and the place in the sequence."""

from collections.abc import Iterator

import numpy as np

from app.analysis import comparison, regression
from app.analysis.comparison import Interval
from app.analysis.estimates import Estimate
from app.analysis.scopes import both, compared, scope
from app.analysis.table import Decisions


def time(decisions: Decisions) -> Iterator[Estimate]:
    for column, what in (("decision_ms", "decide"), ("annotation_ms", "paint")):
        for arm in decisions.arms if decisions.has(column) else ():
            own = decisions.of(decisions.frame[column].gt(0) & (decisions.frame["arm"] == arm))
            if own.frame.empty:
                continue
            logs = np.log(own.frame[column].to_numpy(dtype=float))
            yield scope(own, "time", arm).estimate(
                column,
                _without_p(regression.exponential(comparison.mean(logs, own.sample()))),
                unit="ms",
                method="geometric mean, clustered by participants and pairs, t",
                meaning=f"How long it typically takes to {what} in {arm}: the geometric mean, which single "
                "long pauses move little.",
            )
    timed = decisions.of(decisions.frame["decision_ms"].notna()) if decisions.has("decision_ms") else None
    for arm, against in compared(timed.arms) if timed else ():
        assert timed is not None  # noqa: S101 - the loop is empty without it
        yield from _at_equal_time(both(timed, arm, against), arm, against)


def _at_equal_time(pair: Decisions, arm: str, against: str) -> Iterator[Estimate]:
    here = scope(pair, "time", f"{arm} − {against}")
    logs = np.log(np.maximum(pair.frame["decision_ms"].to_numpy(dtype=float), 1.0))
    yield here.estimate(
        "decision_time_ratio",
        regression.exponential(comparison.mean_difference(logs, pair.sample(arm, against))),
        unit="ratio",
        method="geometric means, clustered by participants and pairs, t",
        meaning=f"How many times as long {arm} takes to decide as {against}.",
    )
    plain = comparison.difference(pair.sample(arm, against))
    yield here.estimate(
        "difference_at_equal_time",
        regression.difference_at_equal_time(pair.frame, arm),
        unit="points",
        method="logistic, arm and log time with its square, averaged; clustered by participants and pairs, t",
        meaning="The difference had both arms taken the same time to decide; without that it is "
        f"{100 * (plain.value or 0):+.1f} points. ".replace("-", "−")
        + "What time explains is gone, so what is left is not time; but who takes longer was not dealt "
        "out at random.",
    )


def _without_p(one: Interval) -> Interval:
    return Interval(one.value, one.low, one.high)


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
            own = decisions.of((decisions.frame["arm"] == arm) & decisions.frame[column].gt(0))
            if own.frame.empty:
                continue
            yield scope(own, "painting", arm).estimate(
                f"odds_ratio_per_doubling_of_{column}",
                regression.odds_per(own.frame, np.log2(own.frame[column].to_numpy(dtype=float))),
                unit="ratio",
                method="logistic within participants, clustered by participants and pairs, t",
                meaning=f"How many times the odds of being correct change when the same person is {what}.",
            )


def learning(decisions: Decisions) -> Iterator[Estimate]:
    if not decisions.has("position"):
        return
    placed = decisions.of(decisions.frame["position"].notna())
    for arm in placed.arms:
        own = placed.of_arm(arm)
        yield scope(own, "learning", arm).estimate(
            "odds_ratio_per_ten_trials",
            regression.odds_per(own.frame, own.frame["position"].to_numpy(dtype=float) / 10),
            unit="ratio",
            method="logistic within participants, clustered by participants and pairs, t",
            meaning="How many times the odds of being correct change over ten trials; above 1 people get "
            "better.",
        )
    for arm, against in compared(placed.arms):
        pair = both(placed, arm, against)
        yield scope(pair, "learning", f"{arm} − {against}").estimate(
            "ratio_of_learning",
            regression.difference_in_learning(pair.frame, arm),
            unit="ratio",
            method="logistic, arm by position, clustered by participants and pairs, t",
            meaning=f"How many times as fast the odds grow in {arm} as in {against}; 1 is the same learning.",
        )
