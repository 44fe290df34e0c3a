"""Facts for the descriptions of a study as a published dataset: counts, dates, authors."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.exports.contents import Contents
from app.models import (
    Annotation,
    Arm,
    Decision,
    Participant,
    ParticipantState,
    Source,
    Study,
    Trial,
    is_judgement,
)

VERSION: Final = "1.0.0"
"""Of a dataset as it is first published; whoever publishes it again counts on."""

SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")

NOBODY: Final = "Authors not given at export"


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """Facts of a study that every description of its data needs."""

    slug: str
    title: str
    creators: tuple[str, ...]
    license: str
    url: str
    judgements_wanted: int
    arms: tuple[str, ...]
    painting_arms: tuple[str, ...]
    sources: tuple[str, ...]
    people: int
    programs: int
    withdrawn: int
    judgements: int
    annotations: int
    began_at: datetime
    ended_at: datetime

    @property
    def released(self) -> date:
        """The day of the last decision: a date that the data have, whenever they are exported."""
        return self.ended_at.astimezone(UTC).date()

    @property
    def abstract(self) -> str:
        crowd = f"{self.people} people" + (f" and {self.programs} programs" if self.programs else "")
        return (
            f"{crowd} made {self.judgements} judgements of pairs of faces, one real and one synthetic, and "
            f"painted {self.annotations} annotations of what a judgement rests on."
        )


def facts_of(session: Session, study: Study, contents: Contents) -> DatasetFacts:
    """Count what a study has collected."""
    of_study = Participant.study_id == study.id
    is_program = Participant.source == Source.SIMULATED
    people = session.execute(
        select(
            func.count().filter(~is_program),
            func.count().filter(is_program),
            func.count().filter(Participant.state == ParticipantState.WITHDRAWN),
        ).where(of_study)
    ).one()
    counts = session.execute(
        select(
            func.count(Decision.id).filter(is_judgement()),
            func.count(Annotation.id),
            func.min(Decision.decided_at),
            func.max(Decision.decided_at),
        )
        .select_from(Trial)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Decision, Decision.trial_id == Trial.id)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .where(of_study)
    ).one()
    arms = session.execute(
        select(Arm.name, Arm.annotate).where(Arm.study_id == study.id).order_by(Arm.id)
    ).all()
    sources = session.scalars(select(Participant.source).where(of_study).distinct()).all()
    return DatasetFacts(
        slug=study.slug,
        title=f"{study.title} (pilot)" if study.is_pilot else study.title,
        creators=contents.creator,
        license=contents.license,
        url=contents.url,
        judgements_wanted=study.judgements,
        arms=tuple(name for name, _ in arms),
        painting_arms=tuple(name for name, annotate in arms if annotate),
        sources=tuple(sorted(sources)),
        people=people[0],
        programs=people[1],
        withdrawn=people[2],
        judgements=counts[0],
        annotations=counts[1],
        began_at=counts[2] or study.created_at,
        ended_at=counts[3] or study.created_at,
    )


def citation(facts: DatasetFacts) -> bytes:
    """`CITATION.cff` of the dataset, version 1.2.0 of that format. A JSON string is a YAML string, too."""
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use this dataset, please cite it."',
        "type: dataset",
        f"title: {_quoted(facts.title)}",
        "authors:",
        *(f"  - name: {_quoted(name)}" for name in facts.creators or (NOBODY,)),
        f"abstract: {_quoted(facts.abstract)}",
        f"version: {_quoted(VERSION)}",
        f"date-released: {_quoted(facts.released.isoformat())}",
    ]
    if facts.license:
        is_identifier = SPDX.fullmatch(facts.license)
        lines.append(f"{'license' if is_identifier else 'license-url'}: {_quoted(facts.license)}")
    if facts.url:
        lines.append(f"url: {_quoted(facts.url)}")
    return ("\n".join(lines) + "\n").encode()


def cite_as(facts: DatasetFacts) -> str:
    """The citation as one line."""
    who = ", ".join(facts.creators) or NOBODY
    return f"{who} ({facts.released.year}). {facts.title} [Data set]." + (
        f" {facts.url}" if facts.url else ""
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
