"""`cyborg maps …`"""

import json
import os
from enum import StrEnum
from typing import Annotated

import typer
from rich.progress import Progress
from sqlalchemy import func, select

from app.cli import app, complaints
from app.cli.context import Context, opened
from app.models import MapSet, SaliencyMap

maps = typer.Typer(help="Saliency maps.", no_args_is_help=True)
app.add_typer(maps, name="maps")


class Include(StrEnum):
    CORRECT = "correct"
    ALL = "all"


class Scale(StrEnum):
    MINMAX = "minmax"
    PEAK = "peak"


@maps.command("build")
def build(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    sigma: Annotated[float, typer.Option(help="Blur in pixels of the annotated image.")] = 5.0,
    include: Annotated[Include, typer.Option(help="Which annotations count.")] = Include.CORRECT,
    min_annotators: Annotated[int, typer.Option(help="Fewer than that on an image: no map.")] = 1,
    scale: Annotated[Scale, typer.Option(help="How a map is brought into 0 … 1.")] = Scale.MINMAX,
    jobs: Annotated[int | None, typer.Option(help="Processes; one per core.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Build the saliency maps of a study from its annotations."""
    from app.maps.building import build_map_set
    from app.maps.service import request_map_set
    from app.recruitment.service import find_study
    from saliency.parameters import MapParameters

    parameters = MapParameters(sigma, include.value, min_annotators, scale.value)
    with opened() as context, Progress(console=complaints, transient=True) as progress:
        task = progress.add_task("Building maps", total=None)
        with context.sessions.begin() as session:
            found = find_study(session, study)
            map_set_id = request_map_set(session, found, parameters, queued=False).id
        build_map_set(
            context.sessions,
            context.blobs,
            map_set_id,
            jobs=jobs or os.cpu_count() or 1,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
        summary = summarise(context, map_set_id)
    print(
        json.dumps(summary)
        if as_json
        else "Map set {version}: {maps} maps from {annotations} annotations.".format(**summary)
    )


def summarise(context: Context, map_set_id: int) -> dict[str, int | str | None]:
    with context.sessions() as session:
        map_set = session.get_one(MapSet, map_set_id)
        count = select(func.count()).where(SaliencyMap.map_set_id == map_set_id)
        return {
            "map_set": map_set.id,
            "version": map_set.version,
            "maps": session.scalar(count),
            "annotations": map_set.annotations,
            "inputs_hash": map_set.inputs_hash,
        }
