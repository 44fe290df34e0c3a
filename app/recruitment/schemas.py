"""What a browser sends to take part, and what it gets."""

import json
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue

from app.messages import Answer, Body
from app.models import Source

Identifier = Annotated[str, Field(min_length=1, max_length=200)]


MOST_CLIENT_CHARACTERS: Final = 10_000


def _short(client: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(client)) > MOST_CLIENT_CHARACTERS:
        raise ValueError(f"at most {MOST_CLIENT_CHARACTERS} characters of JSON are kept")
    return client


class Enrolment(Body):
    """Consent, given by a person (or by a program that says it is one)."""

    source: Source
    external_id: Identifier | None = None
    """The id that MTurk, Prolific or a panel has of the person: it names them, and proves nothing."""
    link_token: Identifier | None = None
    """From the page, for whoever came by a plain link; the same one again resumes."""
    via: Identifier | None = None
    """The token of a reusable link that the address has."""
    assignment_id: Identifier | None = None
    """MTurk's assignment, Prolific's submission, or a secret of the client's own: the same one again with
    the same `external_id` or single-use link resumes."""
    consent: Literal[True]
    consent_version: Identifier
    client: Annotated[dict[str, JsonValue], AfterValidator(_short)] = Field({}, max_length=40)
    website: JsonValue = None
    """A field that people do not see. Whatever fills it in is no person."""


class ArmView(Answer):
    annotate: bool


class Enrolled(Answer):
    token: str
    participant: UUID
    arm: ArmView
    trials: int
    version: int
    """Of the study, in which this participant began: the page shows its texts."""


class Return(Body):
    """A link by which staff let somebody back in."""

    code: Identifier


class Withdrawn(Answer):
    withdrawn: Literal[True] = True
    reference: str
    redirect_url: str | None = None
    code: str | None = None


class DeviceNeeds(Answer):
    """What a study asks of a device; CSS pixels."""

    min_width: int
    min_height: int
    touch: bool
    """Whether a touch screen alone will do."""


class WayOutView(Answer):
    """Where somebody is sent whose visit ends, and with which code."""

    redirect_url: str | None
    code: str | None


class PageData(Answer):
    """What the participant's page is served with, in its element `#page`."""

    study: str
    title: str
    version: int
    """Of the study, whose texts this page has."""
    state: Literal["open", "paused", "closed", "full"]
    """The study's as this visitor meets it: `full` where nobody new gets in."""
    consent_version: str
    source: Source
    external_id: str | None
    assignment_id: str | None
    turk_submit_to: str | None
    link_token: str | None
    """Names a participant who came without an id. Null for one with an id."""
    via: str | None
    """The token of the reusable link that the address has."""
    panel: str | None
    """What people who come through the study's own panel call it."""
    preview: bool
    device: DeviceNeeds
    check_image: str
    """Address of a small picture: whether it loads says whether pictures do."""
    ways_out: dict[Literal["declined", "closed", "quota_full"], WayOutView]
    """Of the ends that a page can come to without asking the server."""
    breaks_every: int | None
    """A break is offered after every so many main trials."""
    has_quiz: bool
    has_practice: bool
