"""Asking for a map set: a form with one field for each parameter of a map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import create_model

from app.errors import BadInput
from app.forms import Fields
from saliency.parameter_descriptions import (
    COUNTING,
    MERGING,
    STEPS,
    Description,
    Number,
    OneOf,
    ParameterError,
)
from saliency.parameters import DEFAULTS, DESCRIPTIONS, TYPES, MapParameters


def _field_name(name: str, described: Description) -> str:
    return (described.values.in_percent if isinstance(described.values, Number) else "") or name


FIELDS: Final = {name: _field_name(name, described) for name, described in DESCRIPTIONS.items()}
"""What the form calls each parameter: its name, or that of its percentage."""

_DEFINITIONS: Final[dict[str, Any]] = {field: (TYPES[name], DEFAULTS[name]) for name, field in FIELDS.items()}
_Fields: Any = create_model("ParameterFields", __base__=Fields, **_DEFINITIONS)


class BuildForm(_Fields):
    """One field for each parameter; one that is missing keeps its default, as in `MapParameters`."""

    def parameters(self) -> MapParameters:
        """What was asked for; a bad value is `BadInput` and names its parameter."""
        try:
            return MapParameters.from_dict({name: self._value(name) for name in FIELDS})
        except ParameterError as error:
            raise BadInput(f"{error}.") from None

    def _value(self, name: str) -> Any:
        value = getattr(self, FIELDS[name])
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=UTC)  # the form says that its times are UTC
        return value / 100 if FIELDS[name] != name and value is not None else value


@dataclass(frozen=True, slots=True)
class FormField:
    """A parameter as the template draws it.

    kind : which sort of field, as in `saliency.parameter_descriptions`
    options : value and label of each, for a choice and for names
    highest : of a number, in the unit of the field
    required : whether the field must not be empty
    placeholder : what an empty field shows
    """

    name: str
    kind: str
    label: str
    hint: str
    options: Sequence[tuple[str, str]]
    highest: float
    required: bool
    placeholder: str


def headings(known: Mapping[str, Sequence[str]]) -> dict[str, list[FormField]]:
    """The fields of the form by heading.

    known : names to choose from, by parameter; a parameter that takes names and has none is left out
    """
    return {heading: list(_fields(heading, known)) for heading in (COUNTING, MERGING)}


def _fields(heading: str, known: Mapping[str, Sequence[str]]) -> Iterator[FormField]:
    for name, described in DESCRIPTIONS.items():
        values, field = described.values, FIELDS[name]
        options = _options(name, described, known)
        if STEPS[described.step] == heading and (options or values.kind not in ("choice", "names")):
            yield FormField(
                name=field,
                kind=values.kind,
                label=described.label,
                hint=described.hint or described.help,
                options=options,
                highest=values.highest * (1 if field == name else 100) if isinstance(values, Number) else 0,
                required=DEFAULTS[name] is not None,
                placeholder=described.absent or "–",
            )


def _options(name: str, described: Description, known: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    if isinstance(described.values, OneOf):
        return list(described.values.labels.items())
    return [(value, value.replace("_", " ")) for value in known.get(name, ())]
