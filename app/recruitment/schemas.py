"""What a browser sends to take part, and what it gets."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.models import Source

Identifier = Annotated[str, Field(min_length=1, max_length=200)]


class Enrolment(BaseModel):
    """Consent, given by a person (or by a program that says it is one)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source
    external_id: Identifier | None = None
    """MTurk's or Prolific's worker id; the same one again resumes."""
    assignment_id: Identifier | None = None
    consent: Literal[True]
    consent_version: Identifier
    client: Annotated[dict[str, JsonValue], Field(max_length=40)] = {}


class ArmView(BaseModel):
    annotate: bool


class Enrolled(BaseModel):
    token: str
    participant: UUID
    arm: ArmView
    trials: int


PageData = dict[str, Any]
