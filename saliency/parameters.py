"""The parameters of a saliency map: everything that decides a map besides what was painted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

Include = Literal["correct", "all"]
Weight = Literal["equal", "accuracy", "fast", "slow"]
Scale = Literal["minmax", "peak"]
Granularity = Literal["map", "area", "box", "boxes"]

MAX_SIGMA_PX: Final = 512.0
ANY_FLAG: Final = "any"

_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "include": get_args(Include),
    "weight": get_args(Weight),
    "scale": get_args(Scale),
    "granularity": get_args(Granularity),
}
_NAMES: Final = ("arms", "questions", "without_flags")
_TIMES: Final = ("decided_from", "decided_before")
_NUMBERS: Final = {"sigma_px": MAX_SIGMA_PX, "sigma_share": 1.0, "threshold": 1.0}
_COUNTS: Final = ("min_annotators", "first_annotators")
_OPTIONAL: Final = ("sigma_share", "first_annotators")


class ParameterError(ValueError):
    """A parameter of a map is unknown or out of range; the message names it."""


@dataclass(frozen=True, slots=True)
class MapParameters:
    """What decides a map besides its strokes; recorded with every map set.

    Parameters
    ----------
    sigma_px : standard deviation of the Gaussian in pixels of the annotated image, 0 to 512; 0 does not blur
    include : which annotations count, those of correct decisions or all
    min_annotators : an image with fewer counted annotations has no map; at least 1
    scale : "minmax" maps lowest and highest value to 0 and 1, "peak" only divides by the highest
    sigma_share : standard deviation as a share of the image's shorter side, 0 to 1, instead of `sigma_px`;
        None uses `sigma_px`
    arms : names of the arms whose annotations count; empty for all
    questions : questions whose annotations count; empty for all
    without_flags : kinds of quality flags; an annotation with one of them does not count, "any" stands for
        all kinds; empty leaves flags aside
    first_annotators : only that many annotations with ink count on each image, the earliest; None for all
    decided_from, decided_before : only decisions from the one moment on and before the other count; both
        have a time zone; None does not limit
    weight : how much an annotation counts; see `saliency.maps.inclusion.weights`
    granularity : the map itself, or what is left of it; see `saliency.maps.granularity.coarsen`
    threshold : value of the scaled map from which on a pixel belongs to an area or a box, above 0 up to 1;
        a map of granularity "map" does without
    """

    sigma_px: float = 5.0
    include: Include = "correct"
    min_annotators: int = 1
    scale: Scale = "minmax"
    sigma_share: float | None = None
    arms: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    first_annotators: int | None = None
    decided_from: datetime | None = None
    decided_before: datetime | None = None
    weight: Weight = "equal"
    granularity: Granularity = "map"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        for name in _NAMES:  # in one order, so that equal parameters are equal records
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        for name in _TIMES:
            object.__setattr__(self, name, _moment(name, getattr(self, name)))
        for name, allowed in _CHOICES.items():
            _check_choice(name, getattr(self, name), allowed)
        for name, highest in _NUMBERS.items():
            _check_number(name, getattr(self, name), highest=highest)
        for name in _COUNTS:
            _check_count(name, getattr(self, name))
        self._check_sense()

    def _check_sense(self) -> None:
        if self.threshold == 0:
            raise ParameterError("threshold must be above 0: every pixel reaches 0")
        if self.decided_from and self.decided_before and self.decided_from >= self.decided_before:
            raise ParameterError("decided_from must be before decided_before")

    def sigma_of(self, *, width: int, height: int) -> float:
        """Return the standard deviation in pixels for an image of this size."""
        if self.sigma_share is None:
            return self.sigma_px
        sigma_px = self.sigma_share * min(width, height)
        if sigma_px > MAX_SIGMA_PX:
            raise ParameterError(
                f"sigma_share {self.sigma_share:g} is {sigma_px:g} px on an image of {width}x{height}; "
                f"at most {MAX_SIGMA_PX:g} px are possible"
            )
        return sigma_px

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values that `from_dict` reads back."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MapParameters":
        """Read `to_dict`; an unknown name is an error, a missing one takes its default."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise ParameterError(f"{name!r} is not a parameter of a saliency map")
        return cls(**values)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _names(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise ParameterError(f"{name} must be a list of names, not {value!r}")
    if not all(isinstance(one, str) and one for one in value):
        raise ParameterError(f"{name} must be a list of names, not {list(value)!r}")
    return tuple(sorted(set(value)))


def _moment(name: str, value: object) -> datetime | None:
    """Return a moment in UTC, from itself or from its ISO 8601 form."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ParameterError(f"{name} must be a moment such as 2026-03-01T12:00:00+00:00, not {value!r}")
    return moment.astimezone(UTC)


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ParameterError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def _check_number(name: str, value: object, *, highest: float) -> None:
    if value is None and name in _OPTIONAL:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
        raise ParameterError(f"{name} must be a number from 0 to {highest:g}, not {value!r:.40}")


def _check_count(name: str, value: object) -> None:
    if value is None and name in _OPTIONAL:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ParameterError(f"{name} must be a whole number of at least 1, not {value!r}")
