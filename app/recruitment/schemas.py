"""What a browser sends to take part, and what it gets."""

import json
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from app.models import Source

Identifier = Annotated[str, Field(min_length=1, max_length=200)]


MOST_CLIENT_CHARACTERS: Final = 10_000


def _short(client: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(client)) > MOST_CLIENT_CHARACTERS:
        raise ValueError(f"at most {MOST_CLIENT_CHARACTERS} characters of JSON are kept")
    return client


class Enrolment(BaseModel):
    """Consent, given by a person (or by a program that says it is one)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source
    external_id: Identifier | None = None
    """MTurk's or Prolific's id of the person: it names them, and proves nothing."""
    link_token: Identifier | None = None
    """From the page, for whoever came by a plain link; the same one again resumes."""
    assignment_id: Identifier | None = None
    """MTurk's assignment, Prolific's submission, or a secret of the client's own: the same one again with
    the same `external_id` resumes."""
    consent: Literal[True]
    consent_version: Identifier
    client: Annotated[dict[str, JsonValue], Field(max_length=40), AfterValidator(_short)] = {}
    website: JsonValue = None
    """A field that people do not see. Whatever fills it in is no person."""


class ArmView(BaseModel):
    annotate: bool


class Enrolled(BaseModel):
    token: str
    participant: UUID
    arm: ArmView
    trials: int


class Return(BaseModel):
    """A link by which staff let somebody back in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Identifier


class Withdrawn(BaseModel):
    withdrawn: Literal[True] = True
    reference: str
    redirect_url: str | None = None
    code: str | None = None


PageData = dict[str, Any]
