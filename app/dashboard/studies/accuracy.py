"""The page of a study's accuracy with and without painting."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from accuracy.findings.estimates import Analysis
from accuracy.reporting.words import WORDS
from app.analysis.queries import Choice, Who, checked, fingerprint, flag_kinds, programs_alone
from app.analysis.requests import abort_analysis, find_analysis, request_analysis
from app.dashboard.background import WorkProgress, progress_by_number
from app.dashboard.studies import queries
from app.deps import Blobs, CurrentStaff, Db, Editor
from app.errors import NotFound
from app.forms import Fields
from app.models import UNFINISHED, JobState, StudyAnalysis
from app.studies.service import find_study
from app.studies.tallies import cells
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/analysis", include_in_schema=False)

MEDIA: Final = {
    "report.html": "text/html; charset=utf-8",
    "report.pdf": "application/pdf",
    "estimates.csv": "text/csv; charset=utf-8",
}
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class AnalysisView(Fields):
    """The query of the address of the page."""

    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """None: the newest analysis that has ended."""


class AnalysisForm(Fields):
    """The form as it was sent."""

    who: Who
    without: tuple[str, ...] = ()
    """Kinds of quality flags."""


@router.get("")
def analysis(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, view: Annotated[AnalysisView, Query()]
) -> HTMLResponse:
    study = find_study(db, slug)
    versions = queries.analyses_of(db, study)
    shown = find_analysis(db, study, view.version) if view.version else _newest(versions)
    judged = cells(db, study.id)
    who: Who = "simulated" if programs_alone(judged) else "people"
    choice = Choice.from_dict(shown.parameters) if shown else Choice(who)
    result = Analysis.from_dict(shown.result) if shown and shown.result else None
    return page(
        request,
        "staff/analysis.html",
        study=study,
        versions=versions,
        shown=shown,
        analysis=result,
        extremes=queries.extreme_pairs(db, study, result) if result else [],
        stale=bool(shown and shown.seen != fingerprint(db, study.id)),
        under_way=next((analysis for analysis in versions if analysis.state in UNFINISHED), None),
        works=_progress(versions),
        choice=choice,
        both=len({cell.simulated for cell in judged}) == 2,
        flags=flag_kinds(db, study.id, choice.who),
        **WORDS,
    )


def _newest(versions: Sequence[StudyAnalysis]) -> StudyAnalysis | None:
    """The newest one that has ended."""
    return next((one for one in versions if one.state not in UNFINISHED), None)


def _progress(versions: Sequence[StudyAnalysis]) -> dict[int, WorkProgress]:
    return progress_by_number((analysis.version, analysis) for analysis in versions)


@router.post("")
def ask(db: Db, staff: Editor, slug: str, asked: Annotated[AnalysisForm, Form()]) -> RedirectResponse:
    study = find_study(db, slug)
    choice = checked(db, study.id, Choice(asked.who, tuple(sorted(set(asked.without)))))
    requested = request_analysis(db, study, choice, staff_id=staff.id)
    query = f"?version={requested.version}" if requested.state is JobState.SUCCEEDED else ""
    return RedirectResponse(f"/staff/studies/{slug}/analysis{query}", HTTPStatus.SEE_OTHER)


@router.get("/state.json")
def state(db: Db, _staff: CurrentStaff, slug: str) -> dict[int, WorkProgress]:
    """How far each analysis is, in percent, by version, for a page that waits."""
    return _progress(queries.analyses_of(db, find_study(db, slug)))


@router.post("/{version:int}/abort")
def abort(db: Db, _editor: Editor, slug: str, version: int) -> RedirectResponse:
    abort_analysis(db, find_analysis(db, find_study(db, slug), version))
    return RedirectResponse(f"/staff/studies/{slug}/analysis", HTTPStatus.SEE_OTHER)


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


@router.get("/{version}/{stem}.{suffix}")
def file(
    db: Db, blobs: Blobs, _staff: CurrentStaff, slug: str, version: int, stem: str, suffix: str
) -> Response:
    analysis, name = find_analysis(db, find_study(db, slug), version), f"{stem}.{suffix}"
    blob = (analysis.files or {}).get(name)
    if blob is None or name not in MEDIA:
        raise NotFound("There is no such file.")
    headers = (
        {"Content-Security-Policy": REPORT_POLICY} if name == "report.html" else _saved(f"{slug}-{name}")
    )
    return Response(blobs.get(blob), media_type=MEDIA[name], headers=headers)


def _saved(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
