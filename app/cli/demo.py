"""`cyborg demo`, `cyborg simulate`"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli import app, complaints
from app.cli.context import Context, opened
from app.cli.remote import MACHINE, only_here
from app.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accuracy.statistics.intervals import Interval
    from app.demo.chain import Demonstration, Workplace
    from app.settings import Settings


@app.command()
@only_here(MACHINE)
def demo(
    images: Annotated[
        Path | None, typer.Option(help="A manifest or a folder of real images; without it faces are drawn.")
    ] = None,
    participants: Annotated[int, typer.Option(min=2, max=10_000, help="How many people to simulate.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Draws the faces, pairs them and invents the people.")] = 0,
    faces: Annotated[int, typer.Option(min=48, max=20_000, help="How many faces to draw.")] = 600,
    size: Annotated[
        int | None, typer.Option(min=32, max=4096, help="Bring listed images to SIZE × SIZE pixels.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the server; 8000 or a free one if none.")] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop when everything is done.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh/--keep", help="Use a new data folder beside the usual one.")
    ] = False,
) -> None:
    """Run the whole chain with simulated participants, print what came out, and keep serving.

    What came out says nothing about people; the first line tells what it is. Nothing is ever deleted: a
    second demonstration in the same data folder makes another study.
    """
    from app.demo.chain import DemoSettings, Workplace, run_chain
    from app.demo.children import Children, terminated_like_interrupted
    from app.demo.stages import Stages

    settings = _settings(fresh=fresh)
    console = Console()
    order = DemoSettings(images, faces, size, participants, seed)
    children = Children(settings, port=_port(port, settings.port), logs=settings.data_dir / "logs")
    stages = Stages(console)
    with terminated_like_interrupted(), ExitStack() as stack:
        with stages.stage("Start the database") as stage:
            context = stack.enter_context(opened(settings))
            stage.summary = str(settings.data_dir.resolve())
        stack.enter_context(children)
        place = Workplace(settings, context.sessions, context.blobs, children, stages)
        demonstration = run_chain(place, order)
        _print_outcome(console, place, demonstration)
        if no_serve:
            print(f"CYBORG_DATA_DIR={settings.data_dir} cyborg serve shows it in a browser.")
        else:
            _serve_on(console, place, demonstration)


def _settings(*, fresh: bool) -> Settings:
    """The usual settings, or the same with the first data folder `…-demo-N` that does not exist."""
    from app.settings import Settings

    settings = Settings()
    if not fresh:
        return settings
    if settings.database_url or settings.storage_url:
        raise BadInput("--fresh needs the embedded database and storage; unset CYBORG_DATABASE_URL.")
    names = (settings.data_dir.with_name(f"{settings.data_dir.name}-demo-{n}") for n in count(1))
    return Settings(data_dir=next(path for path in names if not path.exists()))


def _port(asked: int | None, usual: int) -> int:
    """The port that was asked for, which must be free; else the usual one, or any that is free."""
    from app.demo.children import free_port, is_free

    if asked is None:
        return usual if is_free(usual) else free_port()
    if not is_free(asked):
        raise BadInput(f"Port {asked} is in use by another program.")
    return asked


def _print_outcome(console: Console, place: Workplace, demonstration: Demonstration) -> None:
    from app.demo.detectors import BASELINE

    console.print()
    console.print(demonstration.headline, style="bold", highlight=False)
    seeds = demonstration.rows[0].seeds
    # A table's own title would be folded to the width of the table.
    console.print(
        f"\nAUC on the {demonstration.split} images, mean of {seeds} seeds, with 95 % intervals; "
        "every map is of simulated participants",
        highlight=False,
    )
    console.print(_aucs(demonstration))
    console.print(f"\nHow much more than {BASELINE}, with 95 % intervals", highlight=False)
    console.print(_gains(demonstration))
    console.print("\nSimulated participants")
    console.print(_people(demonstration))
    console.print()
    console.print(place.stages.table())
    console.print()


def _aucs(demonstration: Demonstration) -> Table:
    """Never over several sources of real images: one of them alone may give itself away."""
    table = _table("AUC ± s.d. over seeds", "over test images")
    for row in demonstration.rows:
        sd = "" if row.sd is None else f" ± {row.sd:.3f}"
        auc = f"{row.auc.value:.3f}{sd}"
        table.add_row(row.scenario, row.real_source, auc, _bounds(row.auc.over_images, "{:.3f}"))
    return table


def _gains(demonstration: Demonstration) -> Table:
    table = _table("more", "over test images", "over seeds")
    for row in demonstration.rows:
        if row.gain is not None:
            study_row = [
                _bounds(interval, "{:+.3f}") for interval in (row.gain.over_images, row.gain.over_seeds)
            ]
            table.add_row(row.scenario, row.real_source, f"{row.gain.value:+.3f}", *study_row)
    return table


def _table(*columns: str) -> Table:
    """Narrow enough for 80 columns; what is too long goes on in the next line, and is not cut off."""
    table = Table(box=None, pad_edge=False)
    for column in ("scenario", "real images of", *columns):
        table.add_column(column, overflow="fold")
    return table


def _bounds(interval: Interval, form: str) -> str:
    if interval.low is None or interval.high is None:
        return "not known"
    return f"{form.format(interval.low)} to {form.format(interval.high)}"


def _people(demonstration: Demonstration) -> Table:
    table = Table(box=None)
    for column in ("arm", "participants", "decisions", "correct"):
        table.add_column(column, justify="left" if column == "arm" else "right")
    for arm in demonstration.arms:
        right = "-" if arm.accuracy is None else f"{arm.accuracy:.1%}"
        table.add_row(arm.name, str(arm.participants), str(arm.decided), right)
    return table


def _serve_on(console: Console, place: Workplace, demonstration: Demonstration) -> None:
    """Print where to look, and wait for Ctrl-C."""
    from app.demo.chain import demo_login

    url = place.children.url
    lines = {
        "Staff (works once)": url + demo_login(place.sessions),
        "Take part yourself": f"{url}/s/{demonstration.slug}",
        "Saliency maps": f"{url}/staff/studies/{demonstration.slug}/maps",
        "Experiment": f"{url}/staff/experiments/{demonstration.experiment}",
    }
    for name, address in lines.items():
        console.print(f"{name:<20} {address}", markup=False, highlight=False, soft_wrap=True)
    console.print("Everything the participants did is simulated. Ctrl-C stops.")
    try:
        while True:
            place.children.check()
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("Stopping.")


def progress_bar() -> Progress:
    """On a terminal only; gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal)


@app.command()
@only_here(MACHINE)
def simulate(
    study: Annotated[str, typer.Argument(help="Name of an open study.")],
    participants: Annotated[int, typer.Option(min=1, max=100_000, help="How many people to simulate.")] = 40,
    url: Annotated[
        str | None, typer.Option(help="A server on this database; without it one is started.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed invents the same people.")] = 0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="How many take part at a time.")] = 4,
    mix: Annotated[bool, typer.Option("--mix", help="Also where real people took part.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Let simulated participants take a study over HTTP; everything they do is labelled simulated."""
    from app.demo.answers import answer_key, known_artefacts
    from app.demo.crowd import admit_simulated
    from app.demo.crowd import simulate as run_crowd
    from app.studies.service import find_study

    with opened() as context:
        with context.sessions.begin() as session:
            study_row = find_study(session, study)
            admit_simulated(session, study_row, mix=mix)
            trials = study_row.trials_per_participant
        key = answer_key(context.sessions, known_artefacts(context.settings.data_dir))
        with served(context, url) as base_url, progress_bar() as progress:
            task = progress.add_task("Simulated decisions", total=participants * trials)
            report = run_crowd(
                base_url,
                study,
                participants=participants,
                seed=seed,
                key=key,
                sessions=context.sessions,
                threads=threads,
                on_decision=lambda: progress.advance(task),
            )
    print(json.dumps(report.as_json()) if as_json else report.sentence())


@contextmanager
def served(context: Context, url: str | None) -> Iterator[str]:
    """The address of a server: the given one, or one that lives as long as this block."""
    from app.demo.children import Children, free_port, terminated_like_interrupted

    if url is not None:
        yield url.rstrip("/")
        return
    logs = context.settings.data_dir / "logs"
    with terminated_like_interrupted(), Children(context.settings, port=free_port(), logs=logs) as children:
        children.serve()
        yield children.url
