"""The judgements behind a dataset: of each pair, and of each image, over all arms of its study."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Float, case, cast, func, select
from sqlalchemy.orm import Session

from app.analysis.queries import judgements
from app.models import Decision, Image, Pair, Participant, Trial, TrialKind
from training.data.judgements import JudgedImage, ShownPair

COUNT = func.count()
CORRECT = func.count(case((Decision.correct, 1)))
MEDIAN_MS = cast(func.percentile_cont(0.5).within_group(Decision.decision_ms), Float)


def shown_pairs(session: Session, study_id: int) -> Iterator[ShownPair]:
    """The main pairs of a study, with the judgements that count; those of practice and checks are none."""
    judged = judgements(select(Trial.pair_id, COUNT.label("judgements"), CORRECT.label("correct")), study_id)
    tally = judged.group_by(Trial.pair_id).subquery()
    query = (
        select(
            Pair.real_image_id,
            Pair.fake_image_id,
            func.coalesce(tally.c.judgements, 0),
            func.coalesce(tally.c.correct, 0),
        )
        .outerjoin(tally, tally.c.pair_id == Pair.id)
        .where(Pair.study_id == study_id, Pair.kind == TrialKind.MAIN)
    )
    for real, fake, count, correct in session.execute(query):
        yield ShownPair(str(real), str(fake), count, correct)


def judged_images(session: Session, study_id: int) -> Iterator[JudgedImage]:
    """Each image of the study that was judged: how often, how often rightly, and how fast."""
    query = (
        judgements(select(Image.id, COUNT, CORRECT, MEDIAN_MS), study_id)
        .join(Image, Image.id.in_((Pair.real_image_id, Pair.fake_image_id)))
        .group_by(Image.id)
    )
    for image_id, count, correct, median_ms in session.execute(query):
        yield JudgedImage(str(image_id), count, correct, round(median_ms, 1))


def who_judged(session: Session, study_id: int) -> frozenset[UUID]:
    """The participants whose judgements count now."""
    return frozenset(session.scalars(judgements(select(Participant.id).distinct(), study_id)))
