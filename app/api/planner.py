"""What a study takes, before money is spent on it."""

from typing import Final

from fastapi import APIRouter

from app.deps import Config, Db, Editor
from app.planning.planner import plan_study
from app.planning.schemas import PlannerBody, PlannerView
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api/studies", tags=["studies"])


@router.post("/{slug}/planner")
def ask_planner(db: Db, config: Config, _editor: Editor, slug: str, asked: PlannerBody) -> PlannerView:
    """Participants, hours, cost with fees and tax, and the smallest difference that is found.

    Asks a marketplace and spends nothing; where none is connected or it does not answer, `complaint` says so
    and the rewards are there. `like` estimates the standard deviations from another study's judgements.
    """
    return plan_study(db, config, find_study(db, slug), asked)
