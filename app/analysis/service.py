"""Compute an analysis of a study, and store it with the hash of its input."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

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
from app.analysis.requests import ANALYSES
from app.background import Attempt, StopCheck, carry_out
from app.db import SessionFactory, snapshot
from app.models import Study, StudyAnalysis
from app.storage import BlobStore

logger = logging.getLogger(__name__)

PAINTING_PERCENT: Final = 60  # of the work when there are annotations to rasterise

OnPercent = Callable[[int], None]


def compute(
    session: Session,
    study: Study,
    choice: Choice,
    *,
    others: Sequence[DecisionFile] = (),
    on_percent: OnPercent = lambda _percent: None,
) -> ReportedAnalysis:
    """Analyse the decisions of a study, beside those of files that can be compared with it.

    A file can be compared if it has the same design, and is of people or of programs as the study is. The
    analysis names files that cannot.

    others : files of decisions collected elsewhere
    on_percent : called with the percentage that is done
    """
    decisions = reading.read_decisions(session, study.id, choice)
    digest = reading.inputs_hash(decisions)
    areas, averages = _painted(session, study.id, choice, on_percent)
    frame = decisions.frame.assign(area=decisions.frame["decision_id"].map(areas))
    decisions = replace(decisions, frame=frame)
    compared = analyse_beside(
        decisions,
        others,
        name=f"{study.title} (pilot)" if study.is_pilot else study.title,
        simulated=choice.who == "simulated",
        notes=_notes(session, study.id, choice),
        on_progress=lambda done, parts: on_percent(
            PAINTING_PERCENT + round((95 - PAINTING_PERCENT) * done / parts)
        ),
    )
    analysis = compared.analysis
    if choice.without:
        analysis = _with_flagged(session, study, choice, analysis)
    drawings = figures(compared.decisions, analysis, averages)
    return ReportedAnalysis(analysis, compared.decisions, drawings, digest)


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
    estimates = [
        the_difference(both(everybody, arm, against), arm, against, section="difference", within=EVERYBODY)
        for arm, against in compared(everybody.arms)
    ]
    return replace(analysis, estimates=(*analysis.estimates, *estimates))


EVERYBODY: Final = "participants=flagged ones included"


# ---- stored analyses ----


def run_analysis(
    sessions: SessionFactory,
    blobs: BlobStore,
    analysis_id: int,
    *,
    should_stop: StopCheck = lambda: None,
) -> None:
    """Compute an analysis; one that has ended already stays as it is.

    should_stop : called at every step
    `Interrupted`: `should_stop` says so, or somebody has aborted the analysis
    """

    def run(attempt: Attempt[StudyAnalysis], analysis: StudyAnalysis) -> None:
        with snapshot(sessions) as session:
            results = _results(session, blobs, analysis, lambda percent: attempt.report(percent, 100))
        with sessions.begin() as session:
            attempt.succeed(session, done=100, total=100, **results)

    carry_out(sessions, ANALYSES, analysis_id, run, should_stop=should_stop)


def _results(
    session: Session, blobs: BlobStore, analysis: StudyAnalysis, on_percent: OnPercent
) -> dict[str, Any]:
    """What is stored of an analysis: no table of single decisions, because a withdrawal must delete those."""
    study = session.get_one(Study, analysis.study_id)
    fingerprint = queries.fingerprint(
        session, study.id
    )  # before the decisions are read: better old than wrong
    made_at = datetime.now(UTC)
    computed = compute(session, study, Choice.from_dict(analysis.parameters), on_percent=on_percent)
    drawings = draw(computed.figures)
    facts = Facts(made_at, computed.inputs_hash)
    files = {
        "report.html": html(computed.analysis, drawings, facts).encode(),
        "report.pdf": pdf(computed.analysis, computed.figures, facts),
        "estimates.csv": estimates_csv(computed.analysis).encode(),
    }
    return {
        "seen": fingerprint,
        "built_at": made_at,
        "inputs_hash": computed.inputs_hash,
        "result": computed.analysis.to_dict(),
        "figures": [
            {
                "name": figure.name,
                "title": figure.title,
                "caption": figure.caption,
                "blob": blobs.put(figure.svg),
            }
            for figure in drawings
        ],
        "files": {name: blobs.put(data) for name, data in files.items()},
    }
