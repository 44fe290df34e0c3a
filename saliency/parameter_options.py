"""Command lines: one option for each parameter of a map."""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Final

import typer

from saliency.parameter_descriptions import STEPS, Count, Description, Moment, Names, Number, OneOf, Step
from saliency.parameters import DEFAULTS, DESCRIPTIONS, TYPES

Asked = Mapping[str, Any]
"""Values by parameter, as `MapParameters.from_dict` reads them; those that were left out are missing."""
METAVARS: Final = {"names": "NAME", "moment": "TIME"}


def with_parameters(*steps: Step) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some steps' parameters in place of its own parameter `asked`."""
    options = {name: _option(name, said) for name, said in DESCRIPTIONS.items() if said.step in steps}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        declared = signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def with_options(**given: Any) -> None:
            asked = {name: given.pop(name) for name in options}
            command(**given, asked={name: value for name, value in asked.items() if value is not None})

        parameters = [
            parameter
            for old in declared
            for parameter in (options.values() if old.name == "asked" else [old])
        ]
        # What Typer reads to make a command line of a function.
        with_options.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def _option(name: str, said: Description) -> Parameter:
    option = typer.Option(
        option_name(name),
        help=said.help,
        metavar=METAVARS.get(said.values.kind),
        rich_help_panel=STEPS[said.step],
    )
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=None if DEFAULTS[name] == () else DEFAULTS[name],
        annotation=Annotated[_type_of(name, said), option],
    )


def option_name(name: str) -> str:
    """Return the option of a parameter, such as `--first-annotators`."""
    return DESCRIPTIONS[name].option or f"--{name.replace('_', '-')}"


def _type_of(name: str, said: Description) -> Any:
    """Return the type that Typer reads; names and moments are checked by `MapParameters`."""
    match said.values:
        case Names():
            return list[str] | None
        case Moment():
            return str | None
        case Number() | Count() | OneOf():
            return TYPES[name]
