"""`cyborg maps …`"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.cli import app, complaints
from app.cli.context import Context, opened
from app.cli.remote import remote
from saliency.parameter_descriptions import STEPS
from saliency.parameter_options import Asked, with_parameters
from saliency.parameters import MapParameters

if TYPE_CHECKING:
    from collections.abc import Iterator


maps = typer.Typer(help="Saliency maps.", no_args_is_help=True)
app.add_typer(maps, name="maps")

StudyName = Annotated[str, typer.Argument(help="Name of the study.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

SHOWN = 20


@maps.command("build")
@with_parameters(*STEPS)
def build(
    study: StudyName,
    *,
    asked: Asked,
    jobs: Annotated[int | None, typer.Option(help="Processes; one per core.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Build the saliency maps of a study from its annotations.

    Maps whose annotations have not changed since an earlier map set of the same parameters are taken over.
    """
    if server := remote():
        made = server.post(f"/api/studies/{study}/maps", json={"parameters": dict(asked)}).json()
        print(
            json.dumps(made) if as_json else f"Map set {made['version']} is {made['state']} on {server.url}."
        )
        return
    with opened() as context:
        summary = _built(context, study, asked, jobs=jobs or os.cpu_count() or 1)
    print(
        json.dumps(summary)
        if as_json
        else "Map set {version}: {maps} maps from {annotations} annotations; {reused} maps are those of an "
        "earlier set.".format(**summary)
    )


def _built(context: Context, study: str, asked: Asked, *, jobs: int) -> dict[str, Any]:
    from app.maps.building import build_map_set
    from app.maps.service import request_map_set
    from app.studies.service import find_study

    parameters = MapParameters.from_dict(asked)
    with Progress(console=complaints, transient=True) as progress:
        task = progress.add_task("Building maps", total=None)
        with context.sessions.begin() as session:
            study_row = find_study(session, study)
            map_set_id = request_map_set(session, study_row, parameters, queued=False).id
        build_map_set(
            context.sessions,
            context.blobs,
            map_set_id,
            jobs=jobs,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    return summarise(context, map_set_id)


def summarise(context: Context, map_set_id: int) -> dict[str, int | str | None]:
    from sqlalchemy import func, select

    from app.models import MapSet, SaliencyMap

    with context.sessions() as session:
        map_set = session.get_one(MapSet, map_set_id)
        count = select(func.count()).where(SaliencyMap.map_set_id == map_set_id)
        return {
            "map_set": map_set.id,
            "version": map_set.version,
            "maps": session.scalar(count),
            "reused": map_set.reused,
            "annotations": map_set.annotations,
            "inputs_hash": map_set.inputs_hash,
        }


@maps.command("diff")
def diff(
    study: StudyName,
    old: Annotated[int, typer.Argument(help="Version of the earlier map set.")],
    new: Annotated[
        int | None, typer.Argument(help="Version of the later one; the newest if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed from one map set to another: parameters, and images, the most changed first."""
    if server := remote():
        versions = {"old": old} | ({} if new is None else {"new": new})
        described = server.get(f"/api/studies/{study}/maps/diff", params=versions).json()
    else:
        described = _compared(study, old, new)
    print(json.dumps(described)) if as_json else _print(described)


def _compared(study: str, old: int, new: int | None) -> dict[str, Any]:
    from app.api.results import difference_view
    from app.studies.service import find_study

    with opened() as context, context.sessions() as session:
        found = difference_view(session, find_study(session, study), old, new)
    return found.model_dump(mode="json")


def _print(described: dict[str, Any]) -> None:
    for line in _lines(described):
        print(line)
    if changed := described["changed"]:
        table = Table("image", "label", "source", "r", "annotators", title="The most changed")
        for change in changed[:SHOWN]:
            r = "–" if change["correlation"] is None else f"{change['correlation']:.3f}"
            before, after = change["annotators"]
            table.add_row(
                str(change["image_id"]), change["label"], change["source"], r, f"{before} → {after}"
            )
        Console(soft_wrap=True).print(table)


def _lines(described: dict[str, Any]) -> Iterator[str]:
    yield f"From map set {described['old']} to {described['new']}:"
    for name, (before, after) in described["parameters"].items():
        yield f"  {name}: {before} → {after}"
    counts = ", ".join(f"{len(described[kind])} {kind}" for kind in ("changed", "added", "removed"))
    yield f"  images: {counts}, {described['same']} the same"
