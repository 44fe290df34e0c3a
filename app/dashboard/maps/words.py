"""The parameters of a map set in the words of its pages."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from saliency.parameters import MapParameters

WEIGHTS: Final = {
    "accuracy": "the accurate count more",
    "fast": "the fast count more",
    "slow": "the slow count more",
}
GRANULARITIES: Final = {"area": "area", "box": "one box", "boxes": "boxes"}


def in_words(recorded: Mapping[str, Any]) -> str:
    """What was asked for: the blur and whose annotations always, all else where it is not the default."""
    return ", ".join(_phrases(MapParameters.from_dict(recorded)))


def _phrases(parameters: MapParameters) -> Iterator[str]:
    if parameters.sigma_share is None:
        yield f"σ {parameters.sigma_px:g} px"
    else:
        yield f"σ {100 * parameters.sigma_share:g} % of the side"
    yield f"{parameters.include} decisions"
    yield from _narrowing(parameters)
    yield from _merging(parameters)


def _narrowing(parameters: MapParameters) -> Iterator[str]:
    if parameters.arms:
        yield f"arm {' or '.join(parameters.arms)}"
    if parameters.questions:
        yield f"question {' or '.join(parameters.questions)}"
    if parameters.without_flags:
        yield f"without the flag {' or '.join(parameters.without_flags)}"
    if parameters.first_annotators:
        yield f"first {parameters.first_annotators} annotators"
    if parameters.decided_from:
        yield f"decided from {_moment(parameters.decided_from)}"
    if parameters.decided_before:
        yield f"decided before {_moment(parameters.decided_before)}"


def _merging(parameters: MapParameters) -> Iterator[str]:
    if parameters.min_annotators > 1:
        yield f"at least {parameters.min_annotators} annotators"
    if parameters.weight != "equal":
        yield WEIGHTS[parameters.weight]
    if parameters.scale == "peak":
        yield "divided by the peak"
    if parameters.granularity != "map":
        yield f"{GRANULARITIES[parameters.granularity]} from {parameters.threshold:g} on"


def _moment(moment: datetime) -> str:
    return moment.strftime("%-d %b %Y, %H:%M UTC")
