"""Names and order of estimates on pages and in reports."""

from typing import Any, Final

from accuracy.findings.estimates import SECTIONS, Analysis, Estimate, amount, bounds, probability

IN_TABLES: Final = tuple(section for section in SECTIONS if section != "pairs")


def tables(analysis: Analysis) -> list[tuple[str, list[Estimate]]]:
    """(title, estimates) of every section that has some, without the one of single pairs."""
    sections = [(SECTIONS[section], analysis.of(section)) for section in IN_TABLES]
    return [(title, estimates) for title, estimates in sections if estimates]


NAMES: Final = {
    "accuracy": "Accuracy",
    "d_prime": "d′",
    "hits": "Hits",
    "false_alarms": "False alarms",
    "criterion": "Criterion",
    "left_choices": "“Left” chosen",
    "fake_choices": "“Fake” chosen",
    "difference": "Difference",
    "permutation_test": "Permutation test",
    "odds_ratio": "Odds ratio",
    "d_prime_difference": "Difference in d′",
    "minimum_detectable": "Minimum detectable effect",
    "participants_needed": "Participants for five points",
    "decision_ms": "Time to decide",
    "annotation_ms": "Time painting",
    "total_ms": "Time over a trial",
    "decision_time_ratio": "Ratio of decision times",
    "difference_at_equal_time": "Difference at equal decision time",
    "total_time_ratio": "Ratio of times over a trial",
    "difference_at_equal_total_time": "Difference at equal time over a trial",
    "odds_ratio_per_doubling_of_decision_ms": "Odds per doubling of decision time",
    "odds_ratio_per_doubling_of_annotation_ms": "Odds per doubling of painting time",
    "odds_ratio_per_doubling_of_area": "Odds per doubling of painted area",
    "odds_ratio_per_ten_trials": "Odds per ten trials",
    "ratio_of_learning": "Ratio of learning",
    "sd_of_participants": "Spread of participants",
    "median_participant": "Median participant",
}


def part(estimate: Estimate) -> str:
    """The part of the decisions in words; empty for all of them."""
    return ", ".join(piece.replace("=", ": ", 1) for piece in estimate.within.split(";") if piece)


def headlines(analysis: Analysis) -> list[Estimate]:
    """The main difference of every comparison: the one for other people and other pictures."""
    return [
        estimate
        for estimate in analysis.of("difference", "difference")
        if estimate.method.startswith("clustered") and not estimate.within
    ]


def intervals(analysis: Analysis) -> str:
    """The sentence that explains the intervals of the numbers in large type."""
    pictures = "other" if analysis.items else "these"
    holm = "; p is corrected over all differences (Holm)" if len(headlines(analysis)) > 1 else ""
    return (
        "With each value is its 95 % interval: it would cover the truth in 95 of 100 studies of other people "
        f"with {pictures} pictures{holm}."
    )


def subject(analysis: Analysis) -> str:
    """What a report is about: whose accuracy, and whether painting is part of it."""
    who = "Accuracy of simulated participants" if analysis.simulated else "Human accuracy"
    painted = set(analysis.paints)
    if not painted:
        return who
    return f"{who} with painting" if painted == set(analysis.arms) else f"{who} with and without painting"


WORDS: Final[dict[str, Any]] = {
    "amount": amount,
    "bounds": bounds,
    "probability": probability,
    "names": NAMES,
    "part": part,
    "tables": tables,
    "headlines": headlines,
    "subject": subject,
    "intervals": intervals,
}
