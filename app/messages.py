"""What a participant's browser sends and gets, as base classes.

Field names, types and docstrings go into the OpenAPI document, and from there into
`annotation_ui/participant.d.ts` (see `app.contract`).
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Body(BaseModel):
    """What a browser sends. A field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """What a browser gets. Every field is there; one that has nothing to say is null."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)


def facts_of(row: object, shape: type[Answer]) -> dict[str, Any]:
    """The attributes of a row that the fields of an answer are named after."""
    return {name: getattr(row, name) for name in shape.model_fields}


@dataclass(frozen=True, slots=True)
class DocumentedAs:
    """Annotates a value that other code checks: the OpenAPI document shows it as this class."""

    shape: type[BaseModel]

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.shape.__pydantic_core_schema__)
