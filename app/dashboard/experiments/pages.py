"""The list of experiments and the page of one."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.dashboard.background import WorkProgress, progress_by_number
from app.dashboard.experiments import queries, tables
from app.dashboard.paging import cut
from app.deps import Blobs, CurrentStaff, Db, Editor
from app.errors import NotFound
from app.experiments.datasets import FreezeParameters
from app.experiments.detectors import detectors_on
from app.experiments.outcomes import outcome_of
from app.experiments.service import abort_experiment, results, runs_of
from app.forms import Fields
from app.models import ENDED, Dataset, Study
from app.web import page
from training.reporting.finished_runs import cautions_of
from training.reporting.tables import to_csv

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)

FREEZE_DEFAULTS: Final = FreezeParameters().model_dump()


class ExperimentListView(Fields):
    """The query of the list's address."""

    after: int = 0
    """Id of the last experiment seen."""


@router.get("")
def experiments(
    request: Request, db: Db, _staff: CurrentStaff, view: Annotated[ExperimentListView, Query()]
) -> HTMLResponse:
    return list_page(request, db, after=view.after)


def list_page(request: Request, db: Session, *, after: int = 0, **context: Any) -> HTMLResponse:
    lines, freezes = queries.experiments(db, before=after), queries.freezes(db)
    freezable = queries.freezable(db)
    return page(
        request,
        "staff/experiments.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if context.get("error") else HTTPStatus.OK,
        page=cut(request, lines, size=queries.PAGE_SIZE, key=lambda line: line.experiment.id),
        datasets=queries.datasets(db),
        freezable=freezable,
        audited=list(dict.fromkeys(study for _, study in freezable)),
        freezes=freezes,
        works=freezing(freezes),
        is_simulated=tables.is_simulated,
        values=FREEZE_DEFAULTS | context.get("values", {}),
        error=context.get("error"),
    )


def freezing(freezes: Sequence[queries.Freeze]) -> dict[int, WorkProgress]:
    return progress_by_number((freeze.task.id, freeze.task) for freeze in freezes)


@router.get("/{experiment_id}")
def experiment_page(request: Request, db: Db, _staff: CurrentStaff, experiment_id: int) -> HTMLResponse:
    """What the database knows; what takes reading every score is asked for by the page itself."""
    experiment = queries.get_experiment(db, experiment_id)
    dataset = db.get_one(Dataset, experiment.dataset_id)
    summary = results(db, experiment)
    runs = runs_of(db, experiment)
    return page(
        request,
        "staff/experiment.html",
        experiment=experiment,
        author=queries.author_of(db, experiment),
        dataset=dataset,
        test_images=test_images(dataset),
        study=db.get_one(Study, dataset.study_id),
        simulated=tables.is_simulated(dataset),
        results=summary,
        grid=tables.ResultGrid.of(summary),
        scores=sorted({run.config.get("score", "sigmoid") for run in runs}),
        works={"runs": runs_waiting(summary.states)},
        runs=runs,
        detectors=detectors_on(db, dataset),
        gallery=tables.galleries_of(runs),
    )


def test_images(dataset: Dataset) -> int:
    return int((dataset.counts.get("test") or {}).get("images", 0))


@router.get("/{experiment_id}/details")
def details(request: Request, db: Db, blobs: Blobs, _staff: CurrentStaff, experiment_id: int) -> HTMLResponse:
    """The tables that take reading every score: differences, every generator, annotation efficiency."""
    experiment = queries.get_experiment(db, experiment_id)
    outcome = outcome_of(db, blobs, experiment)
    report = outcome.tables()
    return page(
        request,
        "staff/experiment_details.html",
        experiment=experiment,
        outcome=outcome,
        paired=report["paired"],
        test_images=test_images(db.get_one(Dataset, experiment.dataset_id)),
        detectors=tables.imported_aucs(report["summary"]),
        by_source=tables.by_source(report["sources"]),
        degraded=report["degraded_summary"],
        annotation_efficiency=report["annotation_efficiency"],
        cautions=cautions_of(outcome.results),
        metrics=tables.SOURCE_METRICS,
        files=sorted(report),
    )


@router.get("/{experiment_id}/figures.json")
def figures(
    db: Db,
    blobs: Blobs,
    _staff: CurrentStaff,
    experiment_id: int,
    architecture: str = "",
    source: str = "",
) -> dict[str, Any]:
    """The figures of an architecture, as plotly draws them, and one ROC for a source."""
    outcome = outcome_of(db, blobs, queries.get_experiment(db, experiment_id))
    known = outcome.architectures
    if not known:
        return {"architectures": [], "sources": [], "figures": []}
    chosen = architecture if architecture in known else known[0]
    sources = outcome.sources()
    figures = outcome.figures(chosen, source if source in sources else "")
    return {"architectures": known, "architecture": chosen, "sources": sources, "figures": figures}


@router.get("/{experiment_id}/tables/{name}.csv")
def table(db: Db, blobs: Blobs, _staff: CurrentStaff, experiment_id: int, name: str) -> Response:
    """A table of the report, as a file."""
    outcome = outcome_of(db, blobs, queries.get_experiment(db, experiment_id))
    rows = outcome.tables().get(name)
    if rows is None:
        raise NotFound(f"There is no table {name} of this experiment.")
    disposition = f'attachment; filename="experiment-{experiment_id}-{name}.csv"'
    return Response(to_csv(rows), media_type="text/csv", headers={"Content-Disposition": disposition})


@router.get("/{experiment_id}/state.json")
def state(db: Db, _staff: CurrentStaff, experiment_id: int) -> dict[str, WorkProgress]:
    """How far the runs are, for a page that waits."""
    states = queries.states_of(db, [experiment_id]).get(experiment_id, {})
    return {"runs": runs_waiting({state.value: number for state, number in states.items()})}


def runs_waiting(states: Mapping[str, int]) -> WorkProgress:
    in_words = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    ended = sum(number for state, number in states.items() if state in ENDED)
    return WorkProgress(in_words, ended, sum(states.values()))


@router.post("/{experiment_id}/abort")
def abort(db: Db, _editor: Editor, experiment_id: int) -> Response:
    abort_experiment(db, queries.get_experiment(db, experiment_id))
    return RedirectResponse(f"{router.prefix}/{experiment_id}", HTTPStatus.SEE_OTHER)
