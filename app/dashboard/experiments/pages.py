"""Datasets and experiments."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ConfigDict
from sqlalchemy.orm import Session

from app.dashboard.experiments import queries
from app.dashboard.paging import cut
from app.dashboard.waiting import Waiting, waiting
from app.deps import Blobs, Config, CurrentStaff, Db, Editor
from app.errors import AppError, NotFound
from app.experiments.datasets import FreezeParameters, checked_parameters
from app.experiments.detectors import Entrant, detectors_on, forget_detector, import_scores
from app.experiments.errands import request_freeze
from app.experiments.outcomes import outcome_of
from app.experiments.service import ENDED, abort_experiment, results, runs_of
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import Dataset, MapSet, Study
from app.stimuli.setting_aside import set_aside_unshown
from app.web import page
from training.reporting.results import cautions_of, to_csv

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)

FREEZE_DEFAULTS: Final = FreezeParameters().model_dump()


class ListAddress(Fields):
    """What the address of the list says: the last experiment seen."""

    after: int = 0


@router.get("")
def experiments(
    request: Request, db: Db, _staff: CurrentStaff, place: Annotated[ListAddress, Query()]
) -> HTMLResponse:
    return list_page(request, db, after=place.after)


def list_page(request: Request, db: Session, *, after: int = 0, **context: Any) -> HTMLResponse:
    lines, freezes = queries.experiments(db, before=after), queries.freezes(db)
    return page(
        request,
        "staff/experiments.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if context.get("error") else HTTPStatus.OK,
        page=cut(request, lines, size=queries.PAGE_SIZE, key=lambda line: line.experiment.id),
        datasets=queries.datasets(db),
        freezable=queries.freezable(db),
        freezes=freezes,
        works=freezing(freezes),
        is_simulated=queries.is_simulated,
        values=FREEZE_DEFAULTS | context.get("values", {}),
        error=context.get("error"),
    )


class FreezeForm(Fields):
    """The form as it was sent; its values are checked by `FreezeParameters`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    map_set: int = 0
    size: str = ""
    val: str = ""
    test: str = ""
    seed: str = ""
    crop: bool = False
    """An unticked box is not sent."""
    test_on_unshown: bool = False
    """Images that no study shows get the split test first."""


@router.post("")
def freeze(
    request: Request, db: Db, config: Config, editor: Editor, asked: Annotated[FreezeForm, Form()]
) -> Response:
    """Ask a worker for it; the list shows how far it is."""
    map_set = db.get(MapSet, asked.map_set)
    try:
        if map_set is None:
            raise NotFound("Choose a map set.")
        parameters = checked_parameters(**asked.model_dump(exclude={"map_set", "test_on_unshown"}))
        with db.begin_nested():  # what is set aside is taken back if the freeze is refused
            if asked.test_on_unshown:
                set_aside_unshown(db, db.get_one(Study, map_set.study_id))
            request_freeze(db, map_set, parameters, datasets_dir=config.datasets_dir, staff_id=editor.id)
    except AppError as error:
        return list_page(request, db, values=asked.model_dump(), error=str(error))
    return RedirectResponse(f"{router.prefix}#freezes", HTTPStatus.SEE_OTHER)


@router.get("/datasets/state.json")
def freezes_state(db: Db, _staff: CurrentStaff) -> dict[int, Waiting]:
    """How far each freeze is that is under way or has just ended, for a page that waits."""
    return freezing(queries.freezes(db))


def freezing(freezes: Sequence[queries.Freeze]) -> dict[int, Waiting]:
    return waiting((one.errand.id, one.errand) for one in freezes)


@router.get("/{experiment_id}")
def experiment(request: Request, db: Db, _staff: CurrentStaff, experiment_id: int) -> HTMLResponse:
    """What the database knows; what takes reading every score is asked for by the page itself."""
    found = queries.get_experiment(db, experiment_id)
    dataset = db.get_one(Dataset, found.dataset_id)
    summary = results(db, found)
    runs = runs_of(db, found)
    return page(
        request,
        "staff/experiment.html",
        experiment=found,
        author=queries.author_of(db, found),
        dataset=dataset,
        test_images=test_images(dataset),
        study=db.get_one(Study, dataset.study_id),
        simulated=queries.is_simulated(dataset),
        results=summary,
        grid=queries.Grid.of(summary),
        scores=sorted({run.config.get("score", "sigmoid") for run in runs}),
        works={"runs": runs_waiting(summary.states)},
        runs=runs,
        detectors=detectors_on(db, dataset),
        gallery=queries.galleries(runs),
    )


def test_images(dataset: Dataset) -> int:
    return int((dataset.counts.get("test") or {}).get("images", 0))


@router.get("/{experiment_id}/details")
def details(request: Request, db: Db, blobs: Blobs, _staff: CurrentStaff, experiment_id: int) -> HTMLResponse:
    """The tables that take reading every score: differences, every generator, what an annotation is worth."""
    found = queries.get_experiment(db, experiment_id)
    outcome = outcome_of(db, blobs, found)
    tables = outcome.tables()
    return page(
        request,
        "staff/experiment_details.html",
        experiment=found,
        outcome=outcome,
        paired=tables["paired"],
        test_images=test_images(db.get_one(Dataset, found.dataset_id)),
        detectors=queries.imported(tables["summary"]),
        by_source=queries.by_source(tables["sources"]),
        worth=tables["worth"],
        cautions=cautions_of(outcome.results),
        metrics=queries.SOURCE_METRICS,
        files=sorted(tables),
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
    shown = outcome.figures(chosen, source if source in sources else "")
    return {"architectures": known, "architecture": chosen, "sources": sources, "figures": shown}


@router.get("/{experiment_id}/tables/{name}.csv")
def table(db: Db, blobs: Blobs, _staff: CurrentStaff, experiment_id: int, name: str) -> Response:
    """A table of the report, as a file."""
    outcome = outcome_of(db, blobs, queries.get_experiment(db, experiment_id))
    rows = outcome.tables().get(name)
    if rows is None:
        raise NotFound(f"There is no table {name} of this experiment.")
    disposition = f'attachment; filename="experiment-{experiment_id}-{name}.csv"'
    return Response(to_csv(rows), media_type="text/csv", headers={"Content-Disposition": disposition})


@router.post("/{experiment_id}/scores")
def import_detectors(
    request: Request,
    db: Db,
    blobs: Blobs,
    editor: Editor,
    experiment_id: int,
    file: UploadFile,
    name: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Somebody else's detector enters the comparison by its scores."""
    page_of = f"{router.prefix}/{experiment_id}#detectors"
    dataset = db.get_one(Dataset, queries.get_experiment(db, experiment_id).dataset_id)
    called = (file.filename or "scores.csv").rpartition("/")[2][:60]
    try:
        entrants = import_scores(
            db,
            blobs,
            dataset,
            file.file.read(),
            called=called,
            name=name.strip() or None,
            staff_id=editor.id,
        )
    except AppError as error:
        return leave_for(page_of, request, Flash("danger", "Nothing was imported", (str(error),)))
    number = "1 detector is" if len(entrants) == 1 else f"{len(entrants)} detectors are"
    told = tuple(in_words(one) for one in entrants)
    return leave_for(page_of, request, Flash("ok", f"{number} in the comparison", told))


def in_words(one: Entrant) -> str:
    """What was imported of a detector, and what looks wrong with it."""
    auc = "no AUC" if one.auc is None else f"AUC {one.auc:.3f}"
    upside_down = one.auc is not None and one.auc < 0.5
    return "; ".join(
        [
            f"{one.name}: {one.images} images, {auc}",
            *(["below chance, so perhaps its higher scores mean real"] if upside_down else []),
            *([f"{one.ignored} rows about other splits were left out"] if one.ignored else []),
        ]
    )


@router.post("/{experiment_id}/detectors/forget")
def forget(
    db: Db, _editor: Editor, experiment_id: int, name: Annotated[str, Form(max_length=60)]
) -> Response:
    found = queries.get_experiment(db, experiment_id)
    forget_detector(db, db.get_one(Dataset, found.dataset_id), name)
    return RedirectResponse(f"{router.prefix}/{experiment_id}#detectors", HTTPStatus.SEE_OTHER)


@router.get("/{experiment_id}/state.json")
def state(db: Db, _staff: CurrentStaff, experiment_id: int) -> dict[str, Waiting]:
    """How far the runs are, for a page that waits."""
    states = queries.states_of(db, [experiment_id]).get(experiment_id, {})
    return {"runs": runs_waiting({state.value: number for state, number in states.items()})}


def runs_waiting(states: Mapping[str, int]) -> Waiting:
    told = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    ended = sum(number for state, number in states.items() if state in ENDED)
    return Waiting(told, ended, sum(states.values()))


@router.post("/{experiment_id}/abort")
def abort(db: Db, _editor: Editor, experiment_id: int) -> Response:
    abort_experiment(db, queries.get_experiment(db, experiment_id))
    return RedirectResponse(f"{router.prefix}/{experiment_id}", HTTPStatus.SEE_OTHER)
