"""Background tasks: freeze a dataset, export a detector, score an image, audit images for shortcuts."""

import base64
import shutil
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.background import Attempt, Interrupted, StopCheck, WorkKind, abort, carry_out, queue_work
from app.db import SessionFactory, snapshot
from app.errors import AppError, BadInput, NotAllowed, NotFound, WrongState
from app.experiments.audits import arguments_of, make_audit
from app.experiments.datasets import FreezeParameters, check_usable, freeze_dataset
from app.experiments.scoring import answer_in, prepared
from app.jobs import RUN_TASK
from app.models import UNFINISHED, BackgroundTask, JobState, MapSet, Run, Staff, Study, TaskKind
from app.storage import BlobStore
from saliency.images.crop import FaceBox

IMAGE: Final = "image"
"""Argument that is deleted when the task ends."""
CHECK_EVERY_S: Final = 0.5
EXPORT: Final = (sys.executable, "-m", "training", "export")
SCORE: Final = (sys.executable, "-m", "training", "score")
SCORES_KEPT: Final = timedelta(hours=1)
EXPORTED: Final = "detector.zip"
"""In the run folder, beside its checkpoints."""


def _without_image(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != IMAGE}


def delete_image(session: Session, task_id: int) -> None:
    """Delete the image that was sent to be scored, which is never kept after the task."""
    without_image = BackgroundTask.arguments.op("-")(IMAGE)
    session.execute(
        update(BackgroundTask).where(BackgroundTask.id == task_id).values(arguments=without_image),
        execution_options={"synchronize_session": False},
    )


TASKS: Final = WorkKind(BackgroundTask, "background task", RUN_TASK, "task_id", discard=delete_image)


def request_freeze(
    session: Session,
    map_set: MapSet,
    parameters: FreezeParameters,
    *,
    datasets_dir: Path,
    staff_id: int | None,
) -> BackgroundTask:
    """Freeze a dataset in the background; an unfinished task of the same request is returned instead."""
    check_usable(map_set, session.get_one(Study, map_set.study_id))
    arguments = {
        "map_set": map_set.id,
        "parameters": parameters.model_dump(mode="json"),
        "datasets_dir": str(datasets_dir),
    }
    return _requested(session, TaskKind.FREEZE, arguments, staff_id)


def request_export(session: Session, run: Run, *, staff_id: int | None) -> BackgroundTask:
    """Export a finished run in the background; an unfinished task of the same run is returned instead."""
    if run.state is not JobState.SUCCEEDED:
        raise WrongState(f"This run is {run.state}; a detector is exported when its numbers are known.")
    return _requested(session, TaskKind.EXPORT, {"run": str(run.id)}, staff_id)


def request_audit(session: Session, study: Study | None, *, staff_id: int | None) -> BackgroundTask:
    """Audit the imported images, or those of a study, in the background.

    A task that waits already is returned instead; one that runs may have looked before images came.
    """
    arguments = arguments_of(study.slug if study else None)
    same = (BackgroundTask.kind == TaskKind.AUDIT) & (BackgroundTask.arguments == arguments)
    waiting = select(BackgroundTask).where(same, BackgroundTask.state == JobState.QUEUED).limit(1)
    return session.scalar(waiting) or _queued(session, TaskKind.AUDIT, arguments, staff_id)


def request_score(
    session: Session, run: Run, content: bytes, *, called: str, face: FaceBox | None, staff_id: int
) -> BackgroundTask:
    """Score an image file with a finished run, in the background; see `prepared` for `face`.

    The image is deleted once it is scored; the answer after an hour, or with the person's next request.
    """
    if run.state is not JobState.SUCCEEDED:
        raise WrongState(f"This run is {run.state}; it scores images when it has finished.")
    image = prepared(content, called=called, face=face)
    of_this_person = (BackgroundTask.kind == TaskKind.SCORE) & (BackgroundTask.created_by == staff_id)
    session.execute(delete(BackgroundTask).where(of_this_person))
    arguments = {
        "run": str(run.id),
        "called": called,
        "width": image.width,
        "height": image.height,
        "cropped": face is not None,
        IMAGE: base64.b64encode(image.png).decode(),
    }
    return _queued(session, TaskKind.SCORE, arguments, staff_id)


def newest_score(session: Session, run: Run, staff_id: int) -> BackgroundTask | None:
    """The last task in which this person scored an image with this run."""
    of_this_person = (BackgroundTask.kind == TaskKind.SCORE) & (BackgroundTask.created_by == staff_id)
    of_this_run = BackgroundTask.arguments["run"].astext == str(run.id)
    return session.scalar(
        select(BackgroundTask).where(of_this_person & of_this_run).order_by(BackgroundTask.id.desc()).limit(1)
    )


def delete_old_scores(session: Session) -> None:
    """Delete scores of images that are older than an hour."""
    old = BackgroundTask.created_at < datetime.now(UTC) - SCORES_KEPT
    session.execute(delete(BackgroundTask).where(BackgroundTask.kind == TaskKind.SCORE, old))


def _requested(
    session: Session, kind: TaskKind, arguments: dict[str, Any], staff_id: int | None
) -> BackgroundTask:
    """The unfinished task of the same kind and arguments, or a new one."""
    same = (BackgroundTask.kind == kind) & (BackgroundTask.arguments == arguments)
    unfinished = select(BackgroundTask).where(same, BackgroundTask.state.in_(UNFINISHED)).limit(1)
    return session.scalar(unfinished) or _queued(session, kind, arguments, staff_id)


def _queued(
    session: Session, kind: TaskKind, arguments: dict[str, Any], staff_id: int | None
) -> BackgroundTask:
    task = BackgroundTask(kind=kind, arguments=arguments, created_by=staff_id)
    session.add(task)
    queue_work(session, TASKS, task, lock=f"task:{kind}")
    return task


def find_task(session: Session, task_id: int) -> BackgroundTask:
    task = session.get(BackgroundTask, task_id)
    if task is None:
        raise NotFound(f"There is no background task {task_id}.")
    return task


def abort_task(session: Session, task: BackgroundTask) -> None:
    """Abort a queued or running task."""
    abort(session, TASKS, task)


def abort_own_task(session: Session, task: BackgroundTask, staff: Staff) -> None:
    """Abort a task: editors any, everybody else those that they asked for, or `NotAllowed`."""
    if not staff.role.may_edit and task.created_by != staff.id:
        raise NotAllowed("You can abort only what you have asked for.")
    abort_task(session, task)


def export_of(run: Run) -> Path:
    """Path of the export of a run, whether or not it has been made."""
    return Path(run.folder) / EXPORTED


def newest_export(session: Session, run: Run) -> BackgroundTask | None:
    """The last task that exports this run."""
    of_this_run = (BackgroundTask.kind == TaskKind.EXPORT) & (
        BackgroundTask.arguments == {"run": str(run.id)}
    )
    return session.scalar(
        select(BackgroundTask).where(of_this_run).order_by(BackgroundTask.id.desc()).limit(1)
    )


def do_task(
    sessions: SessionFactory, blobs: BlobStore, task_id: int, *, should_stop: StopCheck = lambda: None
) -> None:
    """Do a task and write its result, or why it failed; one that has ended stays as it is."""

    def run(attempt: Attempt[BackgroundTask], task: BackgroundTask) -> None:
        try:
            result = _result(attempt, blobs, task)
        except AppError as error:
            attempt.stop(JobState.FAILED, str(error))
            return
        with sessions.begin() as session:
            attempt.succeed(session, result=result, arguments=_without_image(task.arguments))

    carry_out(sessions, TASKS, task_id, run, should_stop=should_stop)


def _result(attempt: Attempt[BackgroundTask], blobs: BlobStore, task: BackgroundTask) -> dict[str, Any]:
    match task.kind:
        case TaskKind.FREEZE:
            return _freeze(attempt, blobs, task.arguments)
        case TaskKind.EXPORT:
            return _export(attempt, task.arguments)
        case TaskKind.SCORE:
            return _score(attempt, task.arguments)
        case TaskKind.AUDIT:
            with snapshot(attempt.sessions) as session:
                return make_audit(session, blobs, task.arguments["study"], attempt.report)


def _freeze(attempt: Attempt[BackgroundTask], blobs: BlobStore, arguments: dict[str, Any]) -> dict[str, Any]:
    datasets_dir = Path(arguments["datasets_dir"])
    datasets_dir.mkdir(parents=True, exist_ok=True)
    with attempt.sessions.begin() as session:
        map_set = session.get(MapSet, arguments["map_set"])
        if map_set is None:
            raise BadInput("The map set is gone.")
        dataset = freeze_dataset(
            session,
            blobs,
            map_set,
            None,
            datasets_dir=datasets_dir,
            parameters=FreezeParameters.model_validate(arguments["parameters"]),
            on_progress=attempt.report,
        )
        return {"dataset": dataset.id}


def _export(attempt: Attempt[BackgroundTask], arguments: dict[str, Any]) -> dict[str, Any]:
    target = export_of(_run_of(attempt, arguments))
    draft = target.with_name(f".{EXPORTED}.partial")
    folder = draft / target.parent.name
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _output_of(attempt, [*EXPORT, str(target.parent), str(folder)])
        packed = draft / EXPORTED
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"{folder.name}/{path.name}")
        packed.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {"bytes": target.stat().st_size}


def _score(attempt: Attempt[BackgroundTask], arguments: dict[str, Any]) -> dict[str, Any]:
    folder = _run_of(attempt, arguments).folder
    with tempfile.NamedTemporaryFile(prefix="cyborg-score-", suffix=".png") as file:
        file.write(base64.b64decode(arguments[IMAGE]))
        file.flush()
        output = _output_of(attempt, [*SCORE, folder, file.name, "--json", "--device", "cpu"])
    return answer_in(output).model_dump()


def _run_of(attempt: Attempt[BackgroundTask], arguments: dict[str, Any]) -> Run:
    with attempt.sessions() as session:
        run = session.get(Run, arguments["run"])
    if run is None:
        raise BadInput("The run is gone.")
    return run


def _output_of(attempt: Attempt[BackgroundTask], command: list[str]) -> str:
    """Run a command of `training` and return its output; `BadInput` with the last line of its errors."""
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=CHECK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                _check_or_kill(attempt, process)
    if process.returncode:
        raise BadInput(_last_line(errors) or f"It ended with exit code {process.returncode}.")
    return output


def _check_or_kill(attempt: Attempt[BackgroundTask], process: subprocess.Popen[str]) -> None:
    try:
        attempt.check()
    except Interrupted:
        process.kill()
        raise


def _last_line(text: str) -> str:
    """The last line of a child process's errors, without the word "Error:"."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error:").strip() if lines else ""
