"""What the columns of somebody else's file of decisions are, as a small TOML says it.

name = "Bray et al. 2023"
design = "single"              # or "2afc"
[columns]
participant = "ppantID"        # ours = theirs
correct = "correct"
[values.correct]               # theirs = ours, where they differ; "" leaves it out
incorrect = false
[missing]                      # ours = what stands for no value
position = ["-1"]
[constants]
arm = "control"                # a column they do not have
[join]
file = "images.csv"            # a second table beside the first, and the column that both have
on = "image"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from accuracy.decisions.table import COLUMNS, NEEDED, Design
from accuracy.errors import DecisionsError
from saliency.files.text import TextFileError, read_toml

USUAL: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "."})
"""What stands for no value where the mapping says nothing."""

Value = str | int | float | bool
Separator = Field(None, min_length=1, max_length=1)


class Join(BaseModel):
    """A second table, with one row for each value of a column that both have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Beside the file of decisions."""
    on: str
    key: str | None = None
    """What the second table calls that column; None: the same."""
    encoding: str | None = None
    delimiter: str | None = Separator

    @property
    def theirs(self) -> str:
        return self.key or self.on


class ColumnMap(BaseModel):
    """How the columns of a file are read; see the module."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    design: Design
    encoding: str | None = None
    """None: UTF-16 by its mark, otherwise UTF-8, and Windows-1252 for the lines that are not."""
    delimiter: str | None = Separator
    """None: what separates the header so that it has these columns."""
    decimal: Literal[".", ","] = "."
    missing: frozenset[str] | dict[str, frozenset[str]] = {}
    """A list is for every column, a table for the columns it names; the others have `USUAL`."""
    same_items: bool = False
    """Whether pair or image names mean the same pictures as in the study that it is compared with."""
    columns: dict[str, str]
    values: dict[str, dict[str, Value]] = {}
    constants: dict[str, Value] = {}
    join: Join | None = None
    paints: frozenset[str] = frozenset()
    """Arms that painted."""
    simulated: bool = False
    """Whether programs decided, not people."""

    @model_validator(mode="after")
    def marks_differ(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal cannot be the same")
        return self

    def is_missing(self, name: str, text: str) -> bool:
        """Whether a text stands for no value in the column that we call `name`; an empty one always does."""
        words = self.missing.get(name, USUAL) if isinstance(self.missing, Mapping) else self.missing
        return not text or text in words


def read_mapping(path: Path) -> ColumnMap:
    """The TOML that says what the columns of a file are; `DecisionsError` says what is wrong with it."""
    try:
        mapping = ColumnMap.model_validate(read_toml(path))
    except TextFileError as error:
        raise DecisionsError(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DecisionsError(f"{path}: {f'{where}: ' if where else ''}{first['msg']}.") from error
    given = [*mapping.columns, *mapping.constants]
    missing = mapping.missing if isinstance(mapping.missing, Mapping) else {}
    for name in [*given, *mapping.values, *missing]:
        if name not in COLUMNS:
            raise DecisionsError(f"{path}: there is no column {name}; there are {', '.join(COLUMNS)}.")
    for name in NEEDED:
        if name not in given and not (name == "correct" and {"choice", "answer"} <= set(given)):
            raise DecisionsError(f"{path}: [columns] must say which column is {name}.")
    return mapping
