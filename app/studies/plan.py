"""What a visit holds beside its main trials: small, because every request reads it."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from app.models import StudyContent
from app.studies.parts import (
    BreaksSpec,
    ClosingQuestion,
    DeviceSpec,
    EndingsSpec,
    PanelSpec,
    QuizQuestion,
    QuizSpec,
)

if TYPE_CHECKING:
    from app.studies.schemas import StudySpec


class VisitPlan(BaseModel):
    """The steps of a visit and where it may end. Without anything said it is main trials alone."""

    model_config = ConfigDict(frozen=True)

    device: DeviceSpec = DeviceSpec()
    quiz: QuizSpec | None = None
    has_practice: bool = False
    max_failed: int | None = None
    """Checks that a participant may fail; None for any number."""
    traps: int = 0
    """Main trials with a trap."""
    breaks: BreaksSpec | None = None
    questions: tuple[ClosingQuestion, ...] = ()
    exclude_studies: tuple[str, ...] = ()
    links_only: bool = False
    endings: EndingsSpec = EndingsSpec()
    panel: PanelSpec | None = None

    @property
    def quiz_questions(self) -> dict[str, QuizQuestion]:
        """By the id under which a browser knows them."""
        asked = self.quiz.questions if self.quiz else ()
        return {f"q{number}": question for number, question in enumerate(asked, 1)}


def visit_column(spec: "StudySpec") -> dict[str, Any]:
    """What `Study.visit` keeps of a description."""
    plan = VisitPlan(
        device=spec.device,
        quiz=spec.quiz,
        has_practice=spec.practice is not None,
        max_failed=spec.checks.max_failed if spec.checks else None,
        traps=spec.checks.traps if spec.checks else 0,
        breaks=spec.breaks,
        questions=spec.questions,
        exclude_studies=spec.exclude_studies,
        links_only=spec.links_only,
        endings=spec.endings,
        panel=spec.panel,
    )
    # With its defaults: a later version may have others, and a study keeps the rules that it was made with.
    return plan.model_dump(mode="json", exclude_none=True)


def plan_of(content: StudyContent) -> VisitPlan:
    return VisitPlan.model_validate(content.visit)
