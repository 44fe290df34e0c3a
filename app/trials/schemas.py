"""The participant API: what is shown, what comes back."""

import json
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from app.models import Question, Side
from saliency.masks.strokes import MAX_POINTS, MAX_STROKES

Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]
Fact = Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=32)]
ShortText = Annotated[str, Field(max_length=4000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrialEvent(Body):
    """Something that happened while a pair was shown, with at most four short facts of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Fact]

    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    t_ms: Milliseconds
    """Since the pair appeared."""

    @model_validator(mode="after")
    def _is_small(self) -> Self:
        facts = self.model_extra or {}
        if len(facts) > 4 or any(len(name) > 32 for name in facts):
            raise ValueError("an event has at most four facts with short names")
        return self


class DecisionBody(Body):
    choice: Side
    decision_ms: Milliseconds
    """From the frame in which both faces appeared to the last change of the choice."""
    annotation_ms: Milliseconds | None = None
    """From the choice to the submission."""
    strokes: list[Any] | None = None
    """Read and limited by `saliency.masks.strokes.parse_strokes`."""
    events: Annotated[list[TrialEvent], Field(max_length=500)] = []
    """What happened meanwhile: the tab hidden, the focus lost, a resize, a reload."""


LONGEST_DRAFT: Final = 25 * MAX_POINTS + 100 * MAX_STROKES + 100_000  # characters of JSON
"""What the largest annotation comes to, with `[1023.4,1023.4,1234567],` for a point, and its events."""


def _is_drawing(draft: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(draft)) > LONGEST_DRAFT:
        raise ValueError(f"at most {LONGEST_DRAFT} characters of JSON are kept")
    return draft


class DraftBody(Body):
    """What the page wants back when it is opened again, here or elsewhere; nobody else reads it."""

    draft: Annotated[dict[str, Any], AfterValidator(_is_drawing)]


class QuizBody(Body):
    answers: Annotated[dict[str, int], Field(max_length=100)]
    """Question id to the option chosen, counted from 1."""


class AnswersBody(Body):
    answers: Annotated[dict[str, ShortText], Field(max_length=100)]
    """Question id to what was answered; an option as it is written."""


class DeviceBody(Body):
    """What the page's device check found; CSS pixels."""

    width: Annotated[float, Field(ge=0, le=100_000)]
    height: Annotated[float, Field(ge=0, le=100_000)]
    pixel_ratio: Annotated[float, Field(ge=0, le=100)]
    pointer: Literal["none", "coarse", "fine"]
    """The most exact one that there is."""
    touch: bool
    images_load: bool
    passed: bool


class Picture(BaseModel):
    url: str
    width: int
    height: int


class AdviceView(BaseModel):
    """What a model says of the pair; the arm decides which of it is there."""

    decision: Side | None
    """The face that it takes for the fake one."""
    confidence: float | None
    left_map: str | None
    """Address of a PNG with transparency, of the face's size, to lay over the face."""
    right_map: str | None


class TrialView(BaseModel):
    """Nothing in here says which face is fake, or which pair is a check."""

    id: UUID
    kind: Literal["practice", "main", "check"]
    """`check` is a region check: there is nothing to choose, and `prompt` says what to paint."""
    position: int
    total: int
    question: Question | None
    prompt: str | None = None
    left: Picture
    right: Picture | None
    annotate: bool
    advice: AdviceView | None = None


class AnnotationRule(BaseModel):
    """Of the study, for every trial but a region check, which wants something painted; the areas are
    fractions of the image that the mask covers."""

    min_strokes: int
    min_area: float
    max_area: float


class NextTrial(BaseModel):
    trial: TrialView
    upcoming: list[TrialView]
    """The trials after it, so that a page without network can go on. None after a practice trial."""
    preload: list[str]
    rule: AnnotationRule
    draft: dict[str, JsonValue] | None = None
    """Of `trial`, as it was sent last."""


class QuizQuestionView(BaseModel):
    id: str
    text: str
    options: list[str]


class QuizStep(BaseModel):
    kind: Literal["quiz"] = "quiz"
    questions: list[QuizQuestionView]
    attempts_left: int


class ClosingQuestionView(BaseModel):
    id: str
    text: str
    kind: Literal["choice", "text"]
    options: list[str] | None
    required: bool


class QuestionsStep(BaseModel):
    kind: Literal["questions"] = "questions"
    questions: list[ClosingQuestionView]


class NextStep(BaseModel):
    step: QuizStep | QuestionsStep


class Completion(BaseModel):
    ending: Literal["finished", "screened_out", "quota_full", "closed"]
    code: str | None
    """None where the platform that somebody comes from would know none."""
    message: str
    """Why the visit is over."""
    is_owed: bool = False
    """Whether it ended early after work that counts."""
    redirect_url: str | None = None
    reference: str
    """What to quote in a letter to the staff."""
    debrief_html: str | None = None


class Done(BaseModel):
    done: Literal[True] = True
    completion: Completion


class Feedback(BaseModel):
    """After a practice trial."""

    correct: bool
    fake: Side


class Saved(BaseModel):
    saved: Literal[True] = True


class Decided(Saved):
    feedback: Feedback | None = None


class QuizResult(BaseModel):
    passed: bool
    wrong: list[str]
    """Ids of the questions answered wrongly."""
    attempts_left: int
