"""What can be said of a parameter, so that checks, command lines, pages and documentation say the same."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

MAX_COUNT: Final = 2**31 - 1

Step = Literal["blur", "filter", "first", "minimum", "weight", "shape"]
"""The step of the builder that reads a parameter; `STEPS` gives the heading of each."""
COUNTING: Final = "Which annotations count"
MERGING: Final = "How they become a map"
STEPS: Final[Mapping[Step, str]] = {
    "blur": MERGING,
    "filter": COUNTING,
    "first": COUNTING,
    "minimum": COUNTING,
    "weight": MERGING,
    "shape": MERGING,
}


class ParameterError(ValueError):
    """A parameter of a map is unknown or out of range; the message names it."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number from 0 to `highest`; where `in_percent` is given, pages ask for it in percent by that name."""

    kind: ClassVar = "number"
    highest: float
    in_percent: str = ""

    def checked(self, name: str, value: object) -> object:
        """Return the value, or raise `ParameterError`; the other sorts do the same."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= self.highest:
            raise ParameterError(f"{name} must be a number from 0 to {self.highest:g}, not {value!r:.40}")
        return value


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from 1 to `MAX_COUNT`."""

    kind: ClassVar = "count"

    def checked(self, name: str, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(f"{name} must be a whole number of at least 1, not {value!r}")
        if value > MAX_COUNT:
            raise ParameterError(f"{name} must be a whole number of at most {MAX_COUNT}")
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several names, each with what a page calls it."""

    kind: ClassVar = "choice"
    labels: Mapping[str, str]

    def checked(self, name: str, value: object) -> object:
        if value not in tuple(self.labels):
            raise ParameterError(f"{name} must be one of {', '.join(self.labels)}, not {value!r}")
        return value


@dataclass(frozen=True, slots=True)
class Names:
    """Any number of names of one sort of thing, such as "arm"."""

    kind: ClassVar = "names"
    thing: str

    def checked(self, name: str, value: object) -> object:
        """Sorted and each once, so that equal parameters are equal records."""
        if isinstance(value, str) or not isinstance(value, Collection):
            raise ParameterError(f"{name} must be a list of names, not {value!r}")
        if not all(isinstance(item, str) and item for item in value):
            raise ParameterError(f"{name} must be a list of names, not {list(value)!r}")
        return tuple(sorted(set(value)))


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment with a time zone, as itself or in ISO 8601; kept in UTC."""

    kind: ClassVar = "moment"

    def checked(self, name: str, value: object) -> object:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = None
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ParameterError(f"{name} must be a moment such as 2026-03-01T12:00:00+00:00, not {value!r}")
        return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is said of a parameter wherever it is asked for, checked or shown.

    Parameters
    ----------
    step : which part of the builder reads it; commands that do without that step do without the option
    values : what it may be; a parameter whose default is None may be None as well
    label : of its field on a page, and its name in the words of a map set
    help : one sentence for command lines
    hint : below its field on a page; `help` unless given
    meaning : in the table of docs/saliency.md, in Markdown; `help` unless given
    option : on command lines; the parameter's own name unless given
    absent : what it means to leave it out, where the default is None or no names
    needs : field that every annotation must have when it is asked for; of a choice, by value
    words : of a map set: the phrase, "" for none; label and value, unless it has the default, if not given
    """

    step: Step
    values: Number | Count | OneOf | Names | Moment
    label: str
    help: str
    hint: str = ""
    meaning: str = ""
    option: str = ""
    absent: str = ""
    needs: str | Mapping[str, str] = ""
    words: Callable[[Any], str] | None = None
