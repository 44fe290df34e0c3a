"""What is said of each arm: accuracy, d', criterion, side bias, and how much people differ."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import pandas as pd

from app.analysis import comparison
from app.analysis.comparison import Interval
from app.analysis.estimates import Estimate, Scope, Unit
from app.analysis.proportions import Floats, detection, dprime_of_choice, kept_inside
from app.analysis.scopes import scope
from app.analysis.table import Decisions


def of_arms(decisions: Decisions) -> Iterator[Estimate]:
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
        apart = "√2·Φ⁻¹(share correct)" if forced else "z(hits) − z(false alarms)"
        meaning = f"How far apart real and fake look, in standard deviations: {apart}; 0 is guessing."
        yield _over_people(here, "d_prime", *found, unit="d'", meaning=meaning)
    counts = detection_sums(own)
    if counts is not None:
        yield from _rates(counts, here, forced=forced)
        yield from _leanings(counts, here, forced=forced)


def _over_people(
    here: Scope, measure: str, sums: Floats, of: Callable[[Floats], Floats], *, unit: Unit, meaning: str
) -> Estimate:
    """A function of sums over participants, with the interval of other participants."""
    value = float(of(sums.sum(axis=0)))
    interval = comparison.percentile(value, comparison.resampled(sums, of))
    return here.estimate(measure, interval, unit=unit, method=PERCENTILE, meaning=meaning)


def _rates(counts: Floats, here: Scope, *, forced: bool) -> Iterator[Estimate]:
    yes, signal = ("left", "the answer was on the left") if forced else ("fake", "the image was fake")
    shares = {
        "hits": (0, 1, f"How often people chose “{yes}” when {signal}."),
        "false_alarms": (2, 3, f"How often people chose “{yes}” when that was wrong."),
    }
    for measure, (said, of, meaning) in shares.items():
        yield _over_people(here, measure, counts, _share(said, of), unit="share", meaning=meaning)


def _leanings(counts: Floats, here: Scope, *, forced: bool) -> Iterator[Estimate]:
    yes, total = "left" if forced else "fake", counts.sum(axis=0)

    def criterion(sums: Floats) -> Floats:
        return np.asarray(detection(sums, two_alternatives=forced)[1])

    meaning = f"Leaning away from “{yes}”: 0 is none, below 0 is a preference for it."
    yield _over_people(here, "criterion", counts, criterion, unit="criterion", meaning=meaning)

    def leaning(sums: Floats) -> Floats:
        return np.asarray((sums[..., 0] + sums[..., 2]) / np.maximum(sums[..., 1] + sums[..., 3], 1))

    expected = f"{100 * total[1] / (total[1] + total[3]):.1f} %"
    meaning = f"Share of all decisions for “{yes}”; the answer was that in {expected}."
    measure = "left_choices" if forced else "fake_choices"
    yield _over_people(here, measure, counts, leaning, unit="share", meaning=meaning)


def people_in_arms(decisions: Decisions) -> Iterator[Estimate]:
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
