"""The page of a study's accuracy with and without painting."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from accuracy.findings.estimates import Analysis
from accuracy.findings.extremes import PairTally, extremes
from accuracy.reporting.words import WORDS
from app.analysis import queries
from app.analysis.queries import Choice, Who
from app.analysis.requests import find_analysis, request_analysis
from app.dashboard.waiting import Waiting
from app.deps import Blobs, CurrentStaff, Db, Editor
from app.errors import NotFound
from app.forms import Fields
from app.models import Image, JobState, Pair, Study, StudyAnalysis
from app.studies.service import find_study
from app.studies.tallies import cells
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/analysis", include_in_schema=False)

UNDER_WAY: Final = (JobState.QUEUED, JobState.RUNNING)
MEDIA: Final = {
    "report.html": "text/html; charset=utf-8",
    "report.pdf": "application/pdf",
    "estimates.csv": "text/csv; charset=utf-8",
}
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class AnalysisAddress(Fields):
    """What the address of the page says."""

    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """None: the newest analysis that has ended."""


class AnalysisForm(Fields):
    """The form as it was sent."""

    who: Who
    without: tuple[str, ...] = ()
    """Kinds of quality flags."""


def versions_of(session: Session, study: Study) -> Sequence[StudyAnalysis]:
    """Every analysis of a study, the newest first."""
    query = select(StudyAnalysis).where(StudyAnalysis.study_id == study.id)
    return session.scalars(query.order_by(StudyAnalysis.version.desc())).all()


@router.get("")
def analysis(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[AnalysisAddress, Query()]
) -> HTMLResponse:
    study = find_study(db, slug)
    versions = versions_of(db, study)
    shown = find_analysis(db, study, wanted.version) if wanted.version else _newest(versions)
    judged = cells(db, study.id)
    who: Who = "simulated" if queries.programs_alone(judged) else "people"
    choice = Choice.from_dict(shown.parameters) if shown else Choice(who)
    found = Analysis.from_dict(shown.result) if shown and shown.result else None
    return page(
        request,
        "staff/analysis.html",
        study=study,
        versions=versions,
        shown=shown,
        analysis=found,
        extremes=_with_pictures(db, study, found) if found else [],
        stale=bool(shown and shown.seen != queries.seen(db, study.id)),
        under_way=next((one for one in versions if one.state in UNDER_WAY), None),
        works=_works(versions),
        choice=choice,
        both=len({cell.simulated for cell in judged}) == 2,
        flags=queries.flag_kinds(db, study.id, choice.who),
        **WORDS,
    )


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A pair that was hard or easy, with its pictures."""

    tally: PairTally
    real: Image
    fake: Image


def _with_pictures(session: Session, study: Study, found: Analysis) -> list[tuple[str, list[ShownPair]]]:
    """(words, pairs) of the hardest and of the easiest pairs; a pair that is gone is left out."""
    hardest, easiest = extremes(found)
    real, fake = aliased(Image), aliased(Image)
    wanted = [int(one.item) for one in (*hardest, *easiest)]
    rows = session.execute(
        select(Pair.id, real, fake)
        .join(real, real.id == Pair.real_image_id)
        .join(fake, fake.id == Pair.fake_image_id)
        .where(Pair.study_id == study.id, Pair.id.in_(wanted))
    )
    pictures = {str(pair): (one, other) for pair, one, other in rows}
    return [
        (words, [ShownPair(one, *pictures[one.item]) for one in pairs if one.item in pictures])
        for words, pairs in (("Hardest", hardest), ("Easiest", easiest))
    ]


def _newest(versions: Sequence[StudyAnalysis]) -> StudyAnalysis | None:
    """The newest one that has ended."""
    return next((one for one in versions if one.state not in UNDER_WAY), None)


def _works(versions: Sequence[StudyAnalysis]) -> dict[int, Waiting]:
    return {one.version: Waiting(one.state, one.done, 100) for one in versions}


@router.post("")
def ask(db: Db, staff: Editor, slug: str, asked: Annotated[AnalysisForm, Form()]) -> RedirectResponse:
    study = find_study(db, slug)
    choice = queries.checked(db, study.id, Choice(asked.who, tuple(sorted(set(asked.without)))))
    requested = request_analysis(db, study, choice, staff_id=staff.id)
    query = f"?version={requested.version}" if requested.state is JobState.SUCCEEDED else ""
    return RedirectResponse(f"/staff/studies/{slug}/analysis{query}", HTTPStatus.SEE_OTHER)


@router.get("/state.json")
def state(db: Db, _staff: CurrentStaff, slug: str) -> dict[int, Waiting]:
    """How far each analysis is, in percent, by version, for a page that waits."""
    return _works(versions_of(db, find_study(db, slug)))


@router.get("/{version}/decisions.csv")
def decisions(db: Db, _staff: CurrentStaff, slug: str, version: int) -> Response:
    """The decisions that the analysis chose, as they are now: who withdrew since is not in it."""
    from accuracy.reporting.tidy import decisions_csv
    from app.analysis.reading import read_decisions  # with pandas, which no other page needs

    study = find_study(db, slug)
    choice = Choice.from_dict(find_analysis(db, study, version).parameters)
    table = decisions_csv(read_decisions(db, study.id, choice))
    return Response(table, media_type="text/csv; charset=utf-8", headers=_saved(f"{slug}-decisions.csv"))


@router.get("/{version}/figures/{name}.svg")
def figure(db: Db, blobs: Blobs, _staff: CurrentStaff, slug: str, version: int, name: str) -> Response:
    found = find_analysis(db, find_study(db, slug), version)
    for one in found.figures or ():
        if one["name"] == name:
            return Response(blobs.get(one["blob"]), media_type="image/svg+xml")
    raise NotFound("There is no such figure.")


@router.get("/{version}/{name}")
def file(db: Db, blobs: Blobs, _staff: CurrentStaff, slug: str, version: int, name: str) -> Response:
    found = find_analysis(db, find_study(db, slug), version)
    blob = (found.files or {}).get(name)
    if blob is None or name not in MEDIA:
        raise NotFound("There is no such file.")
    headers = (
        {"Content-Security-Policy": REPORT_POLICY} if name == "report.html" else _saved(f"{slug}-{name}")
    )
    return Response(blobs.get(blob), media_type=MEDIA[name], headers=headers)


def _saved(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
