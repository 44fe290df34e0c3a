"""What studies have collected, and their analyses. People and programs are never mixed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from accuracy.findings.estimates import Analysis
from accuracy.findings.extremes import PairTally, extremes
from accuracy.statistics.proportions import Proportion
from app.analysis.queries import Who
from app.dashboard.studies.charts import NO_CHART, Chart, bars, step_in_words
from app.models import Image, Pair, Study, StudyAnalysis, StudyState
from app.overview.schemas import Overview
from app.overview.service import overview
from app.overview.steps import in_steps
from app.studies import tallies
from app.studies.progress import StudyProgress, StudySummary, list_studies, progress
from app.studies.service import is_real
from app.studies.tallies import JudgedCell

K = TypeVar("K")


def open_ones_first(session: Session, *, limit: int | None = None) -> list[StudySummary]:
    """Studies with their progress, without pilots: open ones first, then the newest."""
    is_open = Study.state == StudyState.OPEN
    query = select(Study).where(is_real()).order_by(is_open.desc(), Study.id.desc()).limit(limit)
    return list_studies(session, session.scalars(query).all())


@dataclass(frozen=True, slots=True)
class AccuracyTables:
    """Proportions correct: by arm id, by generator of the fake image, by question, and by arm and either."""

    by_arm: dict[int, Proportion]
    by_source: dict[str, Proportion]
    by_question: dict[str, Proportion]
    by_arm_and_source: dict[tuple[int, str], Proportion]
    by_arm_and_question: dict[tuple[int, str], Proportion]


def accuracy(cells: Iterable[JudgedCell], who: Who) -> AccuracyTables:
    table = AccuracyTables({}, {}, {}, {}, {})
    for cell in cells:
        if cell.simulated is not (who == "simulated"):
            continue
        proportion = Proportion(cell.correct, cell.decided)
        _add(table.by_arm, cell.arm_id, proportion)
        _add(table.by_source, cell.source, proportion)
        _add(table.by_question, cell.question.value, proportion)
        _add(table.by_arm_and_source, (cell.arm_id, cell.source), proportion)
        _add(table.by_arm_and_question, (cell.arm_id, cell.question.value), proportion)
    return table


def _add(table: dict[K, Proportion], key: K, proportion: Proportion) -> None:
    table[key] = table.get(key, Proportion(0, 0)) + proportion


def decisions_over_time(session: Session, study: Study, who: Who) -> Chart:
    """From the first judgement to the last."""
    return _chart(*in_steps(tallies.pace(session, study.id, simulated=who == "simulated")))


def _chart(counts: Sequence[tuple[datetime, int]], step: timedelta | None) -> Chart:
    return NO_CHART if step is None else Chart(bars(counts, step), step_in_words(step))


@dataclass(frozen=True, slots=True)
class Figures:
    """Accuracy and times of people or of programs, and their decisions over time."""

    who: Who
    accuracy: AccuracyTables
    times: dict[int, tallies.Median]
    chart: Chart


@dataclass(frozen=True, slots=True)
class StudyNumbers:
    """What the page of a study counts of everybody."""

    study: Study
    progress: StudyProgress
    overview: Overview

    @property
    def who(self) -> Who:
        """Whose figures to show where nobody says: those of people, if any person took part."""
        return "people" if self.progress.people or not self.progress.simulated else "simulated"

    @property
    def arrivals(self) -> Chart:
        """Participants by the time when they came."""
        seconds = self.overview.arrivals_step_s
        step = None if seconds is None else timedelta(seconds=seconds)
        return _chart([(one.at, one.number) for one in self.overview.arrivals], step)


def study_numbers(session: Session, study: Study) -> StudyNumbers:
    counts = progress(session, study)
    return StudyNumbers(study, counts, overview(session, study, counts=counts))


def figures(session: Session, numbers: StudyNumbers, who: Who) -> Figures:
    study, cells = numbers.study, numbers.progress.cells
    times = tallies.medians(session, study.id, simulated=who == "simulated")
    return Figures(who, accuracy(cells, who), times, decisions_over_time(session, study, who))


def find_by_id(session: Session, study_id: int) -> Study | None:
    return session.get(Study, study_id)


def analyses_of(session: Session, study: Study) -> Sequence[StudyAnalysis]:
    """The newest first."""
    query = select(StudyAnalysis).where(StudyAnalysis.study_id == study.id)
    return session.scalars(query.order_by(StudyAnalysis.version.desc())).all()


@dataclass(frozen=True, slots=True)
class ExtremePair:
    """A pair that was hard or easy, with its pictures."""

    tally: PairTally
    real: Image
    fake: Image


def extreme_pairs(session: Session, study: Study, analysis: Analysis) -> list[tuple[str, list[ExtremePair]]]:
    """("Hardest", pairs) and ("Easiest", pairs) of an analysis; a pair that is gone is left out."""
    hardest, easiest = extremes(analysis)
    real, fake = aliased(Image), aliased(Image)
    ids = [int(pair.item) for pair in (*hardest, *easiest)]
    rows = session.execute(
        select(Pair.id, real, fake)
        .join(real, real.id == Pair.real_image_id)
        .join(fake, fake.id == Pair.fake_image_id)
        .where(Pair.study_id == study.id, Pair.id.in_(ids))
    )
    pictures = {str(pair): images for pair, *images in rows}
    return [
        (words, [ExtremePair(pair, *pictures[pair.item]) for pair in pairs if pair.item in pictures])
        for words, pairs in (("Hardest", hardest), ("Easiest", easiest))
    ]
