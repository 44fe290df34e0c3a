"""Abort a background task."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from app.dashboard.images.audits import audit_address
from app.deps import CurrentStaff, Db
from app.experiments.background_tasks import abort_own_task, find_task
from app.models import BackgroundTask, TaskKind

router: Final = APIRouter(prefix="/staff/tasks", include_in_schema=False)


@router.post("/{task_id}/abort")
def abort(db: Db, staff: CurrentStaff, task_id: int) -> RedirectResponse:
    """Stop a task: editors any, everybody else those that they asked for."""
    task = find_task(db, task_id)
    abort_own_task(db, task, staff)
    return RedirectResponse(page_of(task), HTTPStatus.SEE_OTHER)


def page_of(task: BackgroundTask) -> str:
    """The page that shows the task."""
    if task.kind is TaskKind.FREEZE:
        return "/staff/experiments"
    if task.kind is TaskKind.AUDIT:
        return audit_address(task.arguments["study"])
    return f"/staff/runs/{task.arguments['run']}/model"
