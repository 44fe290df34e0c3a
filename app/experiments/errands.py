"""Errands: what staff ask for on a page and a worker does, because it takes longer than a page may."""

import base64
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.errors import AppError, BadInput, WrongState
from app.experiments.datasets import FreezeParameters, check_usable, freeze_dataset
from app.experiments.scoring import FaceBox, answer_in, prepared
from app.jobs import RUN_ERRAND, enqueue
from app.models import UNFINISHED, Errand, ErrandKind, JobState, MapSet, Run
from app.storage import BlobStore

IMAGE: Final = "image"
"""Argument that is forgotten when the errand ends."""
TELL_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 0.5
EXPORT: Final = (sys.executable, "-m", "training", "export")
SCORE: Final = (sys.executable, "-m", "training", "score")
SCORES_KEPT: Final = timedelta(hours=1)
EXPORTED: Final = "detector.zip"
"""In the run folder, beside its checkpoints."""


class Interrupted(Exception):
    """The worker has to stop; another one will do it."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an errand needs to be done; `should_stop` is asked now and then."""

    sessions: SessionFactory
    blobs: BlobStore
    should_stop: Callable[[], bool] = lambda: False


def request_freeze(
    session: Session,
    map_set: MapSet,
    parameters: FreezeParameters,
    *,
    datasets_dir: Path,
    staff_id: int | None,
) -> Errand:
    """Freeze a dataset in the background; the same request that is still under way is not made twice."""
    check_usable(map_set)
    arguments = {
        "map_set": map_set.id,
        "parameters": parameters.model_dump(mode="json"),
        "datasets_dir": str(datasets_dir),
    }
    return _requested(session, ErrandKind.FREEZE, arguments, staff_id)


def request_export(session: Session, run: Run, *, staff_id: int | None) -> Errand:
    """Export a finished run in the background."""
    if run.state is not JobState.SUCCEEDED:
        raise WrongState(f"This run is {run.state}; a detector is exported when its numbers are known.")
    return _requested(session, ErrandKind.EXPORT, {"run": str(run.id)}, staff_id)


def request_score(
    session: Session, run: Run, content: bytes, *, called: str, face: FaceBox | None, staff_id: int
) -> Errand:
    """Let a finished run look at an image file, in the background; see `prepared` for `face`.

    The image is forgotten once it is scored, the answer an hour later, or when the same person asks anew.
    """
    if run.state is not JobState.SUCCEEDED:
        raise WrongState(f"This run is {run.state}; it scores images when it has finished.")
    image = prepared(content, called=called, face=face)
    mine = (Errand.kind == ErrandKind.SCORE) & (Errand.created_by == staff_id)
    session.execute(delete(Errand).where(mine))
    arguments = {
        "run": str(run.id),
        "called": called,
        "width": image.width,
        "height": image.height,
        "cropped": face is not None,
        IMAGE: base64.b64encode(image.png).decode(),
    }
    return _queued(session, ErrandKind.SCORE, arguments, staff_id)


def newest_score(session: Session, run: Run, staff_id: int) -> Errand | None:
    """What this person asked this run last."""
    mine = (Errand.kind == ErrandKind.SCORE) & (Errand.created_by == staff_id)
    this = Errand.arguments["run"].astext == str(run.id)
    return session.scalar(select(Errand).where(mine & this).order_by(Errand.id.desc()).limit(1))


def forget_scores(session: Session) -> None:
    """Forget answers about images that nobody comes for any more."""
    old = Errand.created_at < datetime.now(UTC) - SCORES_KEPT
    session.execute(delete(Errand).where(Errand.kind == ErrandKind.SCORE, old))


def _requested(session: Session, kind: ErrandKind, arguments: dict[str, Any], staff_id: int | None) -> Errand:
    same = (Errand.kind == kind) & (Errand.arguments == arguments) & Errand.state.in_(UNFINISHED)
    known = session.scalar(select(Errand).where(same).limit(1))
    return known or _queued(session, kind, arguments, staff_id)


def _queued(session: Session, kind: ErrandKind, arguments: dict[str, Any], staff_id: int | None) -> Errand:
    errand = Errand(kind=kind, arguments=arguments, created_by=staff_id)
    session.add(errand)
    session.flush()  # the job refers to it
    enqueue(session, RUN_ERRAND, lock=f"errand:{kind}", errand_id=errand.id)
    return errand


def export_of(run: Run) -> Path:
    """Where the export of a run is when it has been made."""
    return Path(run.folder) / EXPORTED


def newest_export(session: Session, run: Run) -> Errand | None:
    """The last time that somebody asked for the export of this run."""
    mine = (Errand.kind == ErrandKind.EXPORT) & (Errand.arguments == {"run": str(run.id)})
    return session.scalar(select(Errand).where(mine).order_by(Errand.id.desc()).limit(1))


def do_errand(work: Work, errand_id: int) -> None:
    """Do an errand and say in its row how it went; one that has ended is left alone."""
    with work.sessions.begin() as session:
        errand = session.get(Errand, errand_id, with_for_update=True)
        if errand is None or errand.state not in UNFINISHED:
            return
        errand.state, errand.error = JobState.RUNNING, None
        kind, arguments = errand.kind, errand.arguments
    kept = {name: value for name, value in arguments.items() if name != IMAGE}
    end = partial(_end, work.sessions, errand_id, arguments=kept)
    try:
        result = _done(work, errand_id, kind, arguments)
    except Interrupted:
        raise
    except AppError as error:
        end(state=JobState.FAILED, error=str(error))
    except Exception as error:
        sentence = f"Unexpected {type(error).__name__}: {error}"
        end(state=JobState.FAILED, error=sentence)
        raise
    else:
        end(state=JobState.SUCCEEDED, result=result)


def _done(work: Work, errand_id: int, kind: ErrandKind, arguments: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case ErrandKind.FREEZE:
            return _freeze(work, errand_id, arguments)
        case ErrandKind.EXPORT:
            return _export(work, arguments)
        case ErrandKind.SCORE:
            return _score(work, arguments)


def _end(sessions: SessionFactory, errand_id: int, **values: Any) -> None:
    with sessions.begin() as session:
        mine = update(Errand).where(Errand.id == errand_id)
        session.execute(mine.values(ended_at=datetime.now(UTC), **values))


def _freeze(work: Work, errand_id: int, arguments: dict[str, Any]) -> dict[str, Any]:
    told = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if work.should_stop():
            raise Interrupted
        if done < total and time.monotonic() - told < TELL_EVERY_S:
            return
        told = time.monotonic()
        with work.sessions.begin() as session:
            session.execute(update(Errand).where(Errand.id == errand_id).values(done=done, total=total))

    home = Path(arguments["datasets_dir"])
    home.mkdir(parents=True, exist_ok=True)
    with work.sessions.begin() as session:
        map_set = session.get(MapSet, arguments["map_set"])
        if map_set is None:
            raise BadInput("The map set is gone.")
        dataset = freeze_dataset(
            session,
            work.blobs,
            map_set,
            None,
            datasets_dir=home,
            parameters=FreezeParameters.model_validate(arguments["parameters"]),
            on_progress=tell,
        )
        return {"dataset": dataset.id}


def _export(work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
    target = export_of(_run_of(work, arguments))
    draft = target.with_name(f".{EXPORTED}.partial")
    folder = draft / target.parent.name
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _finish(work, [*EXPORT, str(target.parent), str(folder)])
        packed = draft / EXPORTED
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"{folder.name}/{path.name}")
        packed.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {"bytes": target.stat().st_size}


def _score(work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
    folder = _run_of(work, arguments).folder
    with tempfile.NamedTemporaryFile(prefix="cyborg-score-", suffix=".png") as file:
        file.write(base64.b64decode(arguments[IMAGE]))
        file.flush()
        said = _finish(work, [*SCORE, folder, file.name, "--json", "--device", "cpu"])
    return answer_in(said).model_dump()


def _run_of(work: Work, arguments: dict[str, Any]) -> Run:
    with work.sessions() as session:
        run = session.get(Run, arguments["run"])
    if run is None:
        raise BadInput("The run is gone.")
    return run


def _finish(work: Work, command: list[str]) -> str:
    """Run a command of `training` to its end and return what it prints; its complaint becomes ours."""
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while True:
            try:
                said, complaint = process.communicate(timeout=LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if work.should_stop():
                    process.kill()
                    raise Interrupted from None
    if process.returncode:
        raise BadInput(_last_line(complaint) or f"It ended with exit code {process.returncode}.")
    return said


def _last_line(text: str) -> str:
    """The last thing that a child process said, without the word "Error:"."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error:").strip() if lines else ""
