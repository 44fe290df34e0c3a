"""Everything that is said about a table of decisions, as a list of estimates."""

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd

from app.analysis import comparison, regression
from app.analysis.cautions import cautions
from app.analysis.comparison import Interval, Sample
from app.analysis.estimates import Analysis, Caution, Estimate, Scope, Section, corrected
from app.analysis.proportions import Floats, detection, dprime_of_choice, kept_inside, wilson
from app.analysis.table import Decisions

MOST_PAIRWISE: Final = 6  # arms; more are compared with the first alone
MOST_STEPS: Final = 6  # parts of the sequence of trials
PLANNED: Final = 0.05  # a difference worth planning for: five points

Told = Callable[[int, int], None]


def analyse(
    decisions: Decisions,
    *,
    name: str,
    simulated: bool = False,
    notes: Iterable[str] = (),
    on_progress: Told = lambda _done, _total: None,
) -> Analysis:
    """Every estimate that the columns of a table allow; no decision gives none, and a caution.

    on_progress : told how many of the parts are done
    """
    estimates: list[Estimate] = []
    found: list[Caution] = list(cautions(decisions))
    parts = PARTS if not decisions.frame.empty else ()
    for done, part in enumerate(parts):
        on_progress(done, len(parts))
        estimates += part(decisions)
    found += _unfitted(estimates)
    return Analysis(
        name=name,
        design=decisions.design,
        simulated=simulated,
        decisions=len(decisions.frame),
        participants=decisions.participants,
        items=decisions.items,
        arms=tuple(decisions.arms),
        estimates=tuple(estimates),
        cautions=tuple(found),
        notes=tuple(notes),
    )


def _unfitted(estimates: Iterable[Estimate]) -> Iterator[Caution]:
    missing = [one for one in estimates if one.method.startswith("logistic") and one.value is None]
    if missing:
        names = sorted({f"{one.measure} of {one.of}" for one in missing})
        yield Caution(
            "no_convergence",
            f"These models have no answer, because they separate right from wrong or did not converge: "
            f"{', '.join(names)}.",
        )


def scope(decisions: Decisions, section: Section, of: str, within: str = "") -> Scope:
    correct = int(decisions.frame["correct"].sum())
    size = len(decisions.frame), correct, decisions.participants, decisions.items
    return Scope(section, of, within, *size)


def compared(arms: list[str]) -> list[tuple[str, str]]:
    """(arm, the arm it is compared with): every two, or everybody with the first when there are many."""
    twos = combinations(arms, 2) if len(arms) <= MOST_PAIRWISE else ((arms[0], other) for other in arms[1:])
    return [(other, one) for one, other in twos]


def both(decisions: Decisions, arm: str, against: str) -> Decisions:
    return decisions.of(decisions.frame["arm"].isin([arm, against]))


# ---- each arm ----


def _arms(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        own = decisions.of_arm(arm)
        here = scope(own, "arms", arm)
        yield here.estimate(
            "accuracy",
            comparison.accuracy(own.sample()),
            unit="share",
            method=CLUSTERED_WILSON,
            meaning="Share of decisions that are correct; the interval is for other people and other "
            "pictures of the same kinds.",
        )
        yield from _detection(own, here)


CLUSTERED_WILSON: Final = "Wilson at the effective number of decisions (participants and pairs)"
PERCENTILE: Final = "bootstrap over participants, percentile"


def detection_sums(decisions: Decisions) -> Floats | None:
    """(P, 4) what every participant adds to the counts of `proportions.detection`."""
    if not decisions.has("choice", "answer"):
        return None
    yes = "left" if decisions.design == "2afc" else "fake"
    said = (decisions.frame["choice"] == yes).to_numpy(dtype=float)
    signal = (decisions.frame["answer"] == yes).to_numpy(dtype=float)
    columns = np.column_stack([said * signal, signal, said * (1 - signal), 1 - signal])
    return np.asarray(
        pd.DataFrame(columns).groupby(decisions.frame["participant"].to_numpy()).sum().to_numpy(), dtype=float
    )


def dprime_sums(decisions: Decisions) -> tuple[Floats, Callable[[Floats], Floats]] | None:
    """What participants add to d', and d' of the sums: from the share correct in a forced choice, from hits
    and false alarms with single images. None when that is not known."""
    if decisions.design == "2afc":
        people = comparison.people(decisions.sample(), 0)
        sums = np.column_stack([people.correct, people.total])
        return sums, lambda of: np.asarray(dprime_of_choice(kept_inside(of[..., 0], of[..., 1])))
    counts = detection_sums(decisions)
    if counts is None:
        return None
    return counts, lambda of: np.asarray(detection(of, two_alternatives=False)[0])


def _share(of: int, all_of: int) -> Callable[[Floats], Floats]:
    """One column of sums divided by another; NaN for nothing."""

    def share(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[..., of] / sums[..., all_of])

    return share


def _detection(own: Decisions, here: Scope) -> Iterator[Estimate]:
    forced = own.design == "2afc"
    if found := dprime_sums(own):
        sums, dprime = found
        yield here.estimate(
            "d_prime",
            comparison.percentile(float(dprime(sums.sum(axis=0))), comparison.resampled(sums, dprime)),
            unit="d'",
            method=PERCENTILE,
            meaning=(
                "How far apart real and fake look, in standard deviations: √2·Φ⁻¹(share correct); 0 is "
                "guessing."
                if forced
                else "How far apart real and fake look, in standard deviations: z(hits) − z(false alarms); 0 "
                "is guessing."
            ),
        )
    counts = detection_sums(own)
    if counts is None:
        return
    total = counts.sum(axis=0)
    yes, signal = ("left", "the answer was on the left") if forced else ("fake", "the image was fake")
    shares = {
        "hits": (0, 1, f"How often people chose “{yes}” when {signal}."),
        "false_alarms": (2, 3, f"How often people chose “{yes}” when that was wrong."),
    }
    for measure, (said, of, meaning) in shares.items():
        share = _share(said, of)
        yield here.estimate(
            measure,
            comparison.percentile(float(share(total)), comparison.resampled(counts, share)),
            unit="share",
            method=PERCENTILE,
            meaning=meaning,
        )

    def criterion(sums: Floats) -> Floats:
        return np.asarray(detection(sums, two_alternatives=forced)[1])

    yield here.estimate(
        "criterion",
        comparison.percentile(float(criterion(total)), comparison.resampled(counts, criterion)),
        unit="criterion",
        method=PERCENTILE,
        meaning=f"Leaning away from “{yes}”: 0 is none, below 0 is a preference for it.",
    )

    def leaning(sums: Floats) -> Floats:
        return np.asarray((sums[..., 0] + sums[..., 2]) / np.maximum(sums[..., 1] + sums[..., 3], 1))

    yield here.estimate(
        "left_choices" if forced else "fake_choices",
        comparison.percentile(float(leaning(total)), comparison.resampled(counts, leaning)),
        unit="share",
        method=PERCENTILE,
        meaning=f"Share of all decisions for “{yes}”; the answer was that in "
        f"{100 * total[1] / (total[1] + total[3]):.1f} %.",
    )


# ---- between arms ----


def _differences(decisions: Decisions) -> list[Estimate]:
    main: list[Estimate] = []
    others: list[Estimate] = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        main.append(the_difference(pair, arm, against, section="difference"))
        others += _other_views(pair, arm, against, sample=pair.sample(arm, against))
    return corrected(main) + others


def the_difference(
    pair: Decisions, arm: str, against: str, *, section: Section, within: str = ""
) -> Estimate:
    """Accuracy of `arm` minus that of `against`, among the decisions of these two."""
    return scope(pair, section, f"{arm} − {against}", within).estimate(
        "difference",
        comparison.difference(pair.sample(arm, against)),
        unit="points",
        method="clustered by participants and pairs, t",
        meaning=f"Percentage points that {arm} is more often correct than {against}; the interval is for "
        "other people and other pictures.",
    )


def _other_views(pair: Decisions, arm: str, against: str, *, sample: Sample) -> Iterator[Estimate]:
    here = scope(pair, "difference", f"{arm} − {against}")
    yield here.estimate(
        "difference",
        comparison.bootstrap_difference(sample),
        unit="points",
        method="bootstrap-t over participants",
        meaning="The same difference for these very pairs: only the participants are drawn again.",
    )
    test = comparison.permutation_test(sample)
    yield here.estimate(
        "permutation_test",
        Interval(None, p=test.p if test else None),
        unit="points",
        method=_permutation_method(test),
        meaning="How often dealing the same people to the two arms anew gives a difference as large as "
        "this one.",
    )
    yield here.estimate(
        "odds_ratio",
        regression.exponential(comparison.log_odds_ratio(sample)),
        unit="ratio",
        method="logistic, estimating equations clustered by participants and pairs, t",
        meaning=f"How many times the odds of a correct decision in {arm} are those in {against}; 1 is no "
        "difference.",
    )
    yield from _dprime_difference(pair, arm, against, here)
    yield from _detectable(sample, here)


def _permutation_method(test: comparison.Permutation | None) -> str:
    if test is None:
        return "permutation of participants"
    ways = f"all {test.ways}" if test.exact else f"{test.ways} random"
    return f"permutation of participants, t, {ways} ways"


def _dprime_difference(pair: Decisions, arm: str, against: str, here: Scope) -> Iterator[Estimate]:
    parts = [dprime_sums(pair.of_arm(one)) for one in (arm, against)]
    values, drawn = [], []
    for seed, part in enumerate(parts):
        if part is None:
            return
        sums, dprime = part
        values.append(float(dprime(sums.sum(axis=0))))
        drawn.append(comparison.resampled(sums, dprime, seed=seed))
    yield here.estimate(
        "d_prime_difference",
        comparison.percentile(values[0] - values[1], drawn[0] - drawn[1]),
        unit="d'",
        method=PERCENTILE,
        meaning="The difference in d', which does not depend on where the accuracy lies between chance and "
        "perfect.",
    )


def _detectable(sample: Sample, here: Scope) -> Iterator[Estimate]:
    found = comparison.difference(sample)
    if found.se is None:
        return
    yield here.estimate(
        "minimum_detectable",
        Interval(comparison.minimum_detectable(found.se, found.df)),
        unit="points",
        method="power 80 %, two-sided 5 %",
        meaning="The smallest true difference that a study like this one finds in 80 of 100 repetitions.",
    )
    needed = here.participants * (comparison.minimum_detectable(found.se, found.df) / PLANNED) ** 2
    yield here.estimate(
        "participants_needed",
        Interval(float(np.ceil(needed))),
        unit="people",
        method="power 80 %, two-sided 5 %",
        meaning="Participants of both arms together for finding a true difference of five points that often, "
        "with as many trials each and more pairs in proportion.",
    )


def _sources(decisions: Decisions) -> list[Estimate]:
    sources = decisions.levels("source")
    if len(sources) < 2:
        return []
    found = []
    for arm, against in compared(decisions.arms):
        pair = both(decisions, arm, against)
        found += [
            the_difference(
                pair.of(pair.frame["source"] == source),
                arm,
                against,
                section="sources",
                within=f"source={source}",
            )
            for source in sources
        ]
    return corrected(found)


# ---- parts of the decisions ----


def steps(decisions: Decisions) -> "pd.Series[str] | None":
    """The part of the sequence that each decision is from, as "01–05"; None without positions."""
    if not decisions.has("position"):
        return None
    position = decisions.frame["position"].astype(float)
    last = int(position.max())
    length = int(np.ceil(last / MOST_STEPS))
    start = ((position.clip(lower=1) - 1) // length * length + 1).fillna(0).astype(int)
    width = len(str(last))
    return start.map(lambda at: f"{at:0{width}d}–{min(at + length - 1, last):0{width}d}" if at else "")


def _cells(decisions: Decisions) -> Iterator[Estimate]:
    frame = decisions.frame
    columns: dict[str, pd.Series[str]] = {
        name: frame[name] for name in ("source", "question", "answer") if decisions.has(name)
    }
    if (of_step := steps(decisions)) is not None:
        columns["position"] = of_step
    for arm in decisions.arms:
        for name, values in columns.items():
            called = {"answer": "side" if decisions.design == "2afc" else "label"}.get(name, name)
            for level in sorted(values.dropna().unique()):
                own = decisions.of((values == level) & (frame["arm"] == arm))
                yield scope(own, "cells", arm, f"{called}={level}").estimate(
                    "accuracy",
                    comparison.accuracy(own.sample()),
                    unit="share",
                    method=CLUSTERED_WILSON,
                    meaning=f"Share of correct decisions in {arm} where {called} is {level}.",
                )


def _pairs(decisions: Decisions) -> Iterator[Estimate]:
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


# ---- time, painting, learning, people ----


def _time(decisions: Decisions) -> Iterator[Estimate]:
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
    for arm, against in compared(decisions.arms) if timed else ():
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


def _painting(decisions: Decisions) -> Iterator[Estimate]:
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


def _learning(decisions: Decisions) -> Iterator[Estimate]:
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


def _people(decisions: Decisions) -> Iterator[Estimate]:
    for arm in decisions.arms:
        own = decisions.of_arm(arm)
        people = comparison.people(own.sample(), 0)
        if len(people.total) < 2:
            continue
        shares = people.correct / people.total
        share = people.correct.sum() / people.total.sum()
        chance = float(np.sqrt(np.mean(share * (1 - share) / people.total)))
        here = scope(own, "people", arm)
        yield here.estimate(
            "sd_of_participants",
            Interval(float(shares.std(ddof=1))),
            unit="share",
            method="standard deviation",
            meaning="How much accuracy differs from person to person; if all were equally good, chance alone "
            f"would make it {100 * chance:.1f} %.",
        )
        yield here.estimate(
            "median_participant",
            Interval(float(np.median(shares))),
            unit="share",
            method="median",
            meaning="Half of the participants are more accurate than this.",
        )


PARTS: Final[tuple[Callable[[Decisions], Iterable[Estimate]], ...]] = (
    _arms,
    _differences,
    _sources,
    _time,
    _painting,
    _learning,
    _people,
    _cells,
    _pairs,
)
