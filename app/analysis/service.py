"""Analyses of a study: computed once, stored with the hash of their input."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from accuracy.analyse import analyse_beside
from accuracy.decisions.reading import DecisionFile
from accuracy.findings.differences import the_difference
from accuracy.findings.estimates import Analysis
from accuracy.findings.scopes import both, compared
from accuracy.reporting.figures import figures
from accuracy.reporting.files import ReportedAnalysis
from accuracy.reporting.painting import PaintedAverages, painted
from accuracy.reporting.report import Facts, draw, html, pdf
from accuracy.reporting.tidy import estimates_csv
from app.analysis import queries, reading
from app.analysis.queries import Choice
from app.db import SessionFactory, snapshot
from app.errors import AppError, WrongState
from app.models import JobState, Study, StudyAnalysis
from app.storage import BlobStore

logger = logging.getLogger(__name__)

COMPUTING_LOCK: Final = 4714
"""First key of the advisory lock that whoever computes an analysis holds; the second is the analysis."""

PAINTING_PERCENT: Final = 60  # of the work when there are annotations to rasterise

OnPercent = Callable[[int], None]


class Stopped(Exception):
    """The analysis was asked to stop before it was done."""


def compute(
    session: Session,
    study: Study,
    choice: Choice,
    *,
    others: Sequence[DecisionFile] = (),
    on_percent: OnPercent = lambda _percent: None,
) -> ReportedAnalysis:
    """Analyse the decisions of a study, beside those of files that can be compared with it: of the same
    design, and of people where it is people and of programs where it is programs. The others are named.

    on_percent : called with the percent that are done
    """
    decisions = reading.read_decisions(session, study.id, choice)
    digest = reading.inputs_hash(decisions)
    areas, averages = _painted(session, study.id, choice, on_percent)
    frame = decisions.frame.assign(area=decisions.frame["decision_id"].map(areas))
    decisions = replace(decisions, frame=frame)
    compared = analyse_beside(
        decisions,
        others,
        name=study.title,
        simulated=choice.who == "simulated",
        notes=_notes(session, study.id, choice),
        on_progress=lambda done, parts: on_percent(
            PAINTING_PERCENT + round((95 - PAINTING_PERCENT) * done / parts)
        ),
    )
    analysis = compared.analysis
    if choice.without:
        analysis = _with_flagged(session, study, choice, analysis)
    drawn = figures(compared.decisions, analysis, averages)
    return ReportedAnalysis(analysis, compared.decisions, drawn, digest)


def _painted(
    session: Session, study_id: int, choice: Choice, on_percent: OnPercent
) -> tuple[dict[int, float], PaintedAverages]:
    total = max(reading.annotation_count(session, study_id, choice), 1)
    with closing(reading.annotation_rows(session, study_id, choice)) as rows:
        return painted(rows, on_each=lambda done: on_percent(round(PAINTING_PERCENT * done / total)))


def _notes(session: Session, study_id: int, choice: Choice) -> Iterator[str]:
    if not choice.without:
        return
    remaining = queries.participant_count(session, study_id, choice)
    everybody = queries.participant_count(session, study_id, replace(choice, without=()))
    yield (
        f"{everybody - remaining} of {everybody} participants are left out, because of the quality flags "
        f"{', '.join(sorted(choice.without))}; the difference is given with and without them."
    )


def _with_flagged(session: Session, study: Study, choice: Choice, analysis: Analysis) -> Analysis:
    """The same differences with everybody, beside those without the flagged participants."""
    everybody = reading.read_decisions(session, study.id, replace(choice, without=()))
    more = [
        the_difference(both(everybody, arm, against), arm, against, section="difference", within=EVERYBODY)
        for arm, against in compared(everybody.arms)
    ]
    return replace(analysis, estimates=(*analysis.estimates, *more))


EVERYBODY: Final = "participants=flagged ones included"


# ---- stored analyses ----


def run_analysis(
    sessions: SessionFactory,
    blobs: BlobStore,
    analysis_id: int,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Compute the analysis that was asked for; one that is computed already stays as it is.

    should_stop : asked at every step; True sends the analysis back to waiting and raises `Stopped`
    """
    with snapshot(sessions) as session:
        if not session.scalar(select(func.pg_try_advisory_xact_lock(COMPUTING_LOCK, analysis_id))):
            raise WrongState("This analysis is being computed already.")
        asked = session.get_one(StudyAnalysis, analysis_id)
        if asked.state is JobState.SUCCEEDED:
            return
        _record(sessions, analysis_id, state=JobState.RUNNING, error=None, done=0)
        try:
            results = _results(session, blobs, asked, _watch(sessions, analysis_id, should_stop))
        except Stopped:
            session.rollback()
            _record(sessions, analysis_id, state=JobState.QUEUED, done=0)
            raise
        except Exception as error:
            session.rollback()
            _record(sessions, analysis_id, state=JobState.FAILED, error=sentence(error))
            raise
    _record(sessions, analysis_id, state=JobState.SUCCEEDED, done=100, **results)


def _results(
    session: Session, blobs: BlobStore, asked: StudyAnalysis, on_percent: OnPercent
) -> dict[str, Any]:
    """What is stored of an analysis. Tables of single decisions are not: somebody who withdraws is gone."""
    study = session.get_one(Study, asked.study_id)
    seen = queries.seen(session, study.id)
    made_at = datetime.now(UTC)
    computed = compute(session, study, Choice.from_dict(asked.parameters), on_percent=on_percent)
    drawn = draw(computed.figures)
    facts = Facts(made_at, computed.inputs_hash)
    files = {
        "report.html": html(computed.analysis, drawn, facts).encode(),
        "report.pdf": pdf(computed.analysis, computed.figures, facts),
        "estimates.csv": estimates_csv(computed.analysis).encode(),
    }
    return {
        "seen": seen,
        "built_at": made_at,
        "inputs_hash": computed.inputs_hash,
        "result": computed.analysis.to_dict(),
        "figures": [
            {"name": one.name, "title": one.title, "caption": one.caption, "blob": blobs.put(one.svg)}
            for one in drawn
        ],
        "files": {name: blobs.put(data) for name, data in files.items()},
    }


def _watch(sessions: SessionFactory, analysis_id: int, should_stop: Callable[[], bool]) -> OnPercent:
    """Write progress when it has moved by five percent, so that pages follow and the database rests."""
    written = 0

    def on_percent(percent: int) -> None:
        nonlocal written
        if should_stop():
            raise Stopped
        if percent >= written + 5:
            written = percent
            _record(sessions, analysis_id, done=percent)

    return on_percent


def _record(sessions: SessionFactory, analysis_id: int, **values: Any) -> None:
    """State is written apart from what is read, so that staff see it while the work goes on."""
    with sessions.begin() as session:
        session.execute(update(StudyAnalysis).where(StudyAnalysis.id == analysis_id).values(**values))


def sentence(error: BaseException) -> str:
    """The sentence for staff about an analysis that failed."""
    if isinstance(error, AppError | OSError):
        return str(error)
    return f"The analysis stopped unexpectedly: {type(error).__name__}: {error}"
