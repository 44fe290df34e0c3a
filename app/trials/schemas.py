"""The participant API: the bodies of requests and answers."""

import json
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from app.messages import Answer, Body, DocumentedAs
from app.models import INPUT_FACTS, Question, Side
from saliency.masks.strokes import MAX_POINTS, MAX_STROKES, Tool

LONGEST_TIME_MS: Final = 86_400_000  # a day
MAX_EVENTS: Final = 500  # of a decision
MAX_INPUT: Final = 10_000_000  # of any count or length in `app.models.INPUT_FACTS`
MAX_ANSWER_CHARACTERS: Final = 4_000  # of one answer

Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_TIME_MS, allow_inf_nan=False)]
Fact = Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=32)]
TextInputs = Annotated[int, Field(ge=0, le=MAX_INPUT)]
ShortText = Annotated[str, Field(max_length=MAX_ANSWER_CHARACTERS)]


class TrialEvent(Body):
    """Something that happened while a pair was shown, with at most four short facts of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Fact]

    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    t_ms: Milliseconds
    """Milliseconds since the pair appeared."""

    @model_validator(mode="after")
    def _is_small(self) -> Self:
        facts = self.model_extra or {}
        if len(facts) > 4 or any(len(name) > 32 for name in facts):
            raise ValueError("an event has at most four facts with short names")
        return self

    @model_validator(mode="after")
    def _counts(self) -> Self:
        expected, facts = INPUT_FACTS.get(self.kind), self.model_extra or {}
        if expected is None:
            return self
        if set(facts) != expected or not all(map(_is_count, facts.values())):
            raise ValueError(f"{self.kind} has the facts {', '.join(sorted(expected))}: whole numbers from 0")
        return self


def _is_count(value: float | str) -> bool:
    return isinstance(value, float) and value.is_integer() and 0 <= value <= MAX_INPUT


class StrokeShape(Body):
    """One stroke. This class documents it; `saliency.masks.strokes.parse_strokes` checks it."""

    tool: Tool
    radius: float
    """Half the width of brush and eraser in image pixels; 0 for a lasso."""
    points: list[tuple[float, float, float]]
    """Each is x and y in image pixels and ms since the pair appeared."""


class DecisionBody(Body):
    """What a participant decided on one trial, and what they painted."""

    choice: Side
    decision_ms: Milliseconds
    """Milliseconds from the frame in which both faces appeared to the last change of the choice."""
    annotation_ms: Milliseconds | None = None
    """Milliseconds from the choice to the submission."""
    strokes: list[Annotated[Any, DocumentedAs(StrokeShape)]] | None = None
    """In the order in which they were painted."""
    events: list[TrialEvent] = Field([], max_length=MAX_EVENTS)
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
    pastes: TextInputs | None = None
    """How often something was pasted into a text field; null where there was none."""
    drops: TextInputs | None = None
    """How often something was dragged into one."""


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


class Picture(Answer):
    """A picture with its own size in pixels."""

    url: str
    width: int
    height: int


class AdviceView(Answer):
    """What a model says of the pair; the arm decides which of it is there."""

    decision: Side | None
    """The face that it takes for the fake one."""
    confidence: float | None
    """How sure it is, in [0, 1]."""
    left_map: str | None
    """Address of a PNG with transparency, of the face's size, to lay over the face."""
    right_map: str | None


class TrialView(Answer):
    """Nothing in here says which face is fake, or which pair is a check."""

    id: UUID
    kind: Literal["practice", "main", "check"]
    """`check` is a region check: there is nothing to choose, and `prompt` says what to paint."""
    position: int
    """From 1."""
    total: int
    question: Question | None
    """Which face is asked for. Null in a region check."""
    prompt: str | None = None
    """Null in every trial but a region check."""
    left: Picture
    right: Picture | None
    """Null in a region check."""
    annotate: bool
    advice: AdviceView | None = None
    trap: bool = False
    """Whether the page puts a button into its markup that nobody sees."""


class AnnotationRule(Answer):
    """What an annotation must have. Areas are fractions of the image that the mask covers."""

    min_strokes: int
    min_area: float
    max_area: float


class NextTrial(Answer):
    """The trial that comes now."""

    trial: TrialView
    upcoming: list[TrialView]
    """The trials after it, so that a page without network can go on. None after a practice trial."""
    preload: list[str]
    """Addresses of the pictures of `upcoming`."""
    rule: AnnotationRule
    """Of the study. It holds for every trial but a region check, which wants something painted."""
    draft: dict[str, JsonValue] | None = None
    """Of `trial`, as it was sent last."""


class QuizQuestionView(Answer):
    """A question of the quiz, without its answer."""

    id: str
    text: str
    options: list[str]


class QuizStep(Answer):
    kind: Literal["quiz"] = "quiz"
    questions: list[QuizQuestionView]
    attempts_left: int


class ClosingQuestionView(Answer):
    """A question after the last trial."""

    id: str
    text: str
    kind: Literal["choice", "text"]
    options: list[str] | None
    required: bool


class QuestionsStep(Answer):
    kind: Literal["questions"] = "questions"
    questions: list[ClosingQuestionView]


class NextStep(Answer):
    """The page of questions that comes now."""

    step: QuizStep | QuestionsStep


class Completion(Answer):
    """How the visit has ended."""

    ending: Literal["finished", "screened_out", "quota_full", "closed"]
    code: str | None
    """Null where the platform that the participant came from would know none."""
    message: str
    """Why the visit is over."""
    is_owed: bool = False
    """Whether it ended early after work that counts."""
    redirect_url: str | None = None
    reference: str
    """What to quote in a letter to the staff."""
    debrief_html: str | None = None
    """Shown before the code."""


class Done(Answer):
    """The visit is over."""

    done: Literal[True] = True
    completion: Completion


class Feedback(Answer):
    """After a practice trial."""

    correct: bool
    fake: Side


class Saved(Answer):
    saved: Literal[True] = True


class Decided(Saved):
    feedback: Feedback | None = Field(None, exclude_if=lambda feedback: feedback is None)
    """Left out but after a practice trial."""


class QuizResult(Answer):
    passed: bool
    wrong: list[str]
    """Ids of the questions answered wrongly."""
    attempts_left: int
