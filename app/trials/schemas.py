"""The participant API: what is shown, what comes back."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.models import Question, Side, TrialKind

Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]


class DecisionBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: Side
    decision_ms: Milliseconds
    """From the frame in which both faces appeared to the last change of the choice."""
    annotation_ms: Milliseconds | None = None
    """From the choice to the submission."""
    strokes: Annotated[list[dict[str, JsonValue]], Field(max_length=2000)] | None = None
    events: Annotated[list[dict[str, JsonValue]], Field(max_length=1000)] = []
    """What happened meanwhile: the tab hidden, the focus lost, a resize, a reload."""


class Picture(BaseModel):
    url: str
    width: int
    height: int


class TrialView(BaseModel):
    """Nothing in here says which face is fake."""

    id: UUID
    kind: TrialKind
    position: int
    total: int
    question: Question
    left: Picture
    right: Picture
    annotate: bool


class AnnotationRule(BaseModel):
    min_strokes: int


class NextTrial(BaseModel):
    trial: TrialView
    upcoming: list[TrialView]
    """The trials after it, so that a page without network can go on."""
    preload: list[str]
    rule: AnnotationRule


class Completion(BaseModel):
    code: str
    message: str
    redirect_url: str | None = None


class Done(BaseModel):
    done: Literal[True] = True
    completion: Completion


class Saved(BaseModel):
    saved: Literal[True] = True
