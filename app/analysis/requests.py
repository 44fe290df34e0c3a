"""Request an analysis of a study, abort it, or find it by number."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.analysis import queries
from app.analysis.queries import Choice
from app.background import NumberingLock, WorkKind, abort, lock_numbers, next_version, queue_work
from app.errors import NotFound
from app.jobs import ANALYSE
from app.models import UNFINISHED, JobState, Study, StudyAnalysis

ANALYSES: Final = WorkKind(StudyAnalysis, "analysis", ANALYSE, "analysis_id")


def request_analysis(
    session: Session, study: Study, choice: Choice, *, staff_id: int | None
) -> StudyAnalysis:
    """Add an analysis of a study and the job that computes it.

    An analysis of the same choice and the same decisions that is unfinished or has succeeded is returned
    instead.
    """
    lock_numbers(session, NumberingLock.ANALYSES, study.id)
    fingerprint = queries.fingerprint(session, study.id)
    same = session.scalar(
        select(StudyAnalysis)
        .where(
            StudyAnalysis.study_id == study.id,
            StudyAnalysis.state.in_((*UNFINISHED, JobState.SUCCEEDED)),
            StudyAnalysis.parameters == choice.to_dict(),
            StudyAnalysis.seen == fingerprint,
        )
        .order_by(StudyAnalysis.version.desc())
        .limit(1)
    )
    if same:
        return same
    analysis = StudyAnalysis(
        study_id=study.id,
        version=next_version(session, StudyAnalysis, study.id),
        parameters=choice.to_dict(),
        seen=fingerprint,
        created_by=staff_id,
    )
    session.add(analysis)
    queue_work(session, ANALYSES, analysis, lock=f"analysis:{study.id}")
    return analysis


def abort_analysis(session: Session, analysis: StudyAnalysis) -> None:
    """Abort a queued or running analysis."""
    abort(session, ANALYSES, analysis)


def find_analysis(session: Session, study: Study, version: int) -> StudyAnalysis:
    """An analysis of a study by its version."""
    query = select(StudyAnalysis).where(StudyAnalysis.study_id == study.id, StudyAnalysis.version == version)
    if analysis := session.scalar(query):
        return analysis
    raise NotFound(f"The study {study.slug} has no analysis {version}.")
