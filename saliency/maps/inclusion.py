"""Which annotations count in a map, and how much.

Filters come first, then the earliest so many of those with ink, then weights.
"""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from saliency.maps.annotations import Annotation
from saliency.parameters import ANY_FLAG, DESCRIPTIONS, MapParameters


class MissingField(ValueError):
    """An annotation lacks what a parameter needs; the message names both."""


def needed_fields(parameters: MapParameters) -> dict[str, str]:
    """Return the fields that every annotation must have, each with the first parameter that needs it."""
    needs: dict[str, str] = {}
    for name, described in DESCRIPTIONS.items():
        value = getattr(parameters, name)
        if isinstance(described.needs, str):
            field = described.needs if value not in (None, ()) else ""
        else:
            field = described.needs.get(value, "")
        if field:
            needs.setdefault(field, name)
    return needs


def check_fields(annotation: Annotation, parameters: MapParameters) -> None:
    """Raise `MissingField` when a parameter needs what the annotation does not tell."""
    for field, parameter in needed_fields(parameters).items():
        if getattr(annotation, field) is None:
            raise MissingField(
                f"annotation {annotation.annotation_id} has no {field}, which the parameter {parameter} needs"
            )


def included(annotations: Iterable[Annotation], parameters: MapParameters) -> list[Annotation]:
    """Return the annotations that pass every filter, in the order of their decisions, then of their ids.

    The order of the argument makes no difference. Without times all are in the order of their ids.
    """
    needed = needed_fields(parameters)
    passed = []
    for annotation in annotations:
        if needed:
            check_fields(annotation, parameters)
        if _passes(annotation, parameters):
            passed.append(annotation)
    if "decided_at" in needed:
        return sorted(passed, key=lambda annotation: (annotation.decided_at, annotation.annotation_id))
    return sorted(passed, key=lambda annotation: annotation.annotation_id)


def _passes(annotation: Annotation, parameters: MapParameters) -> bool:
    return (
        (annotation.correct or parameters.include == "all")
        and (not parameters.arms or annotation.arm in parameters.arms)
        and (not parameters.questions or annotation.question in parameters.questions)
        and not _flagged(annotation.flags or (), parameters.without_flags)
        and _in_window(annotation, parameters)
    )


def _flagged(flags: Sequence[str], unwanted: Sequence[str]) -> bool:
    return bool(flags) and (ANY_FLAG in unwanted or not set(flags).isdisjoint(unwanted))


def _in_window(annotation: Annotation, parameters: MapParameters) -> bool:
    first, end, moment = parameters.decided_from, parameters.decided_before, annotation.decided_at
    if moment is None:
        return True
    return (first is None or moment >= first) and (end is None or moment < end)


def weights(annotations: Sequence[Annotation], parameters: MapParameters) -> Iterator[float]:
    """Yield how much each of the annotations of one image counts, from 0 to 1.

    equal : 1
    accuracy : max(0, 2a - 1) for a participant of accuracy a: of two images, somebody who knows the answer
        in a share k of the trials and guesses in the rest is right in a = k + (1 - k) / 2 of them (the
        correction for guessing of high-threshold theory). At chance or below, the annotation counts nothing
    fast : m / (m + t) for a decision that took t, m the median of the annotations given: a half at the
        median, 1 for no time at all
    slow : t / (m + t), one minus that; when all took no time at all, both are a half
    """
    match parameters.weight:
        case "equal":
            yield from (1.0 for _ in annotations)
        case "accuracy":
            yield from (max(0.0, 2 * (annotation.accuracy or 0.0) - 1) for annotation in annotations)
        case "fast":
            yield from _speeds(annotations)
        case "slow":
            yield from (1 - speed for speed in _speeds(annotations))


def _speeds(annotations: Sequence[Annotation]) -> Iterator[float]:
    times = [annotation.decision_ms or 0.0 for annotation in annotations]
    middle = median(times) if times else 0.0
    for time in times:
        yield middle / (middle + time) if middle + time else 0.5
