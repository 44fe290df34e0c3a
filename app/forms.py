"""What a form or the query of an address brings, read in one way on every page."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Fields(BaseModel):
    """The fields of a form or of an address.

    Browsers send a field that was left empty as an empty text. Here it counts as not sent: it gets its
    default, and is missing when it has none. So a blank number is never read as a number.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, sent: Any) -> Any:
        if not isinstance(sent, Mapping):
            return sent
        return {name: _filled(value) for name, value in sent.items() if not _is_blank(value)}


def _is_blank(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_blank(item) for item in value)
    return isinstance(value, str) and not value.strip()


def _filled(value: object) -> object:
    return [item for item in value if not _is_blank(item)] if isinstance(value, list) else value
