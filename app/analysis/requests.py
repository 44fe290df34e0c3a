"""Analyses of a study, as staff ask for them and find them by number."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.analysis import queries
from app.analysis.queries import Choice
from app.errors import NotFound
from app.jobs import ANALYSE, enqueue
from app.models import JobState, Study, StudyAnalysis

NUMBERING_LOCK: Final = 4713
"""First key of the advisory lock under which a study's analyses are numbered; the second is the study."""


def request_analysis(
    session: Session, study: Study, choice: Choice, *, staff_id: int | None
) -> StudyAnalysis:
    """The study's next analysis, and the job that computes it.

    The same choice on the same decisions was asked for before and did not fail: that one, and no job.
    """
    session.execute(select(func.pg_advisory_xact_lock(NUMBERING_LOCK, study.id)))
    now = queries.seen(session, study.id)
    same = session.scalar(
        select(StudyAnalysis)
        .where(
            StudyAnalysis.study_id == study.id,
            StudyAnalysis.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED)),
            StudyAnalysis.parameters == choice.to_dict(),
            StudyAnalysis.seen == now,
        )
        .order_by(StudyAnalysis.version.desc())
        .limit(1)
    )
    if same:
        return same
    last = session.scalar(select(func.max(StudyAnalysis.version)).where(StudyAnalysis.study_id == study.id))
    asked = StudyAnalysis(
        study_id=study.id,
        version=(last or 0) + 1,
        parameters=choice.to_dict(),
        seen=now,
        created_by=staff_id,
    )
    session.add(asked)
    session.flush()  # the job refers to it
    enqueue(session, ANALYSE, lock=f"analysis:{study.id}", analysis_id=asked.id)
    return asked


def find_analysis(session: Session, study: Study, version: int) -> StudyAnalysis:
    """An analysis of a study by its version."""
    query = select(StudyAnalysis).where(StudyAnalysis.study_id == study.id, StudyAnalysis.version == version)
    if found := session.scalar(query):
        return found
    raise NotFound(f"The study {study.slug} has no analysis {version}.")
