"""What people answered: hits, false alarms, and the d′ and criterion that follow from them."""

from collections.abc import Iterator
from typing import Final

from accuracy.decisions.table import Decisions
from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.detection import (
    AnswerShare,
    DetectionMeasure,
    criterion,
    dprime_forced_choice,
    dprime_yes_no,
)

DELTA_METHOD: Final = (
    "delta method, clustered by participants and pairs, t; no interval where a share is 0 or 1"
)


def yes_answer(decisions: Decisions) -> str:
    """The choice that counts as "yes": a side in a forced choice, a label with single images."""
    return "left" if decisions.design == "2afc" else "fake"


def hits_and_false_alarms(decisions: Decisions) -> tuple[AnswerShare, AnswerShare] | None:
    """ "Yes" where that was right, and where it was wrong; None where choices or answers are not known."""
    if not decisions.has("choice", "answer"):
        return None
    yes, frame = yes_answer(decisions), decisions.frame
    said_yes = (frame["choice"] == yes).to_numpy(dtype=float)
    known = frame["choice"].notna() & frame["answer"].notna()
    signal = (known & (frame["answer"] == yes)).to_numpy(dtype=float)
    noise = (known & (frame["answer"] != yes)).to_numpy(dtype=float)
    return AnswerShare(said_yes, signal), AnswerShare(said_yes, noise)


def has_dprime(decisions: Decisions) -> bool:
    """Whether the columns that d′ needs are there."""
    return decisions.design == "2afc" or decisions.has("choice", "answer")


def dprime_of(decisions: Decisions) -> DetectionMeasure | None:
    """d′ by the formula of the design; None where it is not defined."""
    if decisions.design == "2afc":
        return dprime_forced_choice(decisions.frame["correct"].to_numpy(dtype=float))
    answers = hits_and_false_alarms(decisions)
    return None if answers is None else dprime_yes_no(*answers)


def criterion_of(decisions: Decisions) -> DetectionMeasure | None:
    """The criterion; None where it is not defined."""
    answers = hits_and_false_alarms(decisions)
    return None if answers is None else criterion(*answers)


def answer_rates(decisions: Decisions) -> Iterator[tuple[str, str, ClusteredSample]]:
    """(measure, meaning, sample in which "yes" is 1) of hits, of false alarms, and of every "yes"."""
    answers = hits_and_false_alarms(decisions)
    if answers is None:
        return
    yes, forced_choice = yes_answer(decisions), decisions.design == "2afc"
    signal = "the answer was on the left" if forced_choice else "the image was fake"
    hits, false_alarms = answers
    signal_share = hits.total / (hits.total + false_alarms.total)
    all_answers = AnswerShare(hits.given, hits.counted + false_alarms.counted)
    sample = decisions.sample()
    for measure, share, meaning in (
        ("hits", hits, f"How often people chose “{yes}” when {signal}"),
        ("false_alarms", false_alarms, f"How often people chose “{yes}” when that was wrong"),
        (
            f"{yes}_choices",
            all_answers,
            f"Share of all decisions for “{yes}”; the answer was that in {100 * signal_share:.1f} %",
        ),
    ):
        counted = share.counted == 1
        rate_sample = ClusteredSample(
            share.given[counted], sample.participant[counted], sample.item[counted], sample.arm[counted]
        )
        yield measure, meaning, rate_sample
