"""`cyborg simulate`"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli import app, complaints
from app.cli.context import Context, opened


def progress_bar() -> Progress:
    """On a terminal only; gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal)


@app.command()
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
    from app.demo.answers import answer_key, known_flaws
    from app.demo.crowd import admit_simulated
    from app.demo.crowd import simulate as run_crowd
    from app.recruitment.service import find_study

    with opened() as context:
        with context.sessions.begin() as session:
            found = find_study(session, study)
            admit_simulated(session, found, mix=mix)
            trials = found.trials_per_participant
        key = answer_key(context.sessions, known_flaws(context.settings.data_dir))
        with served(context, url) as base_url, progress_bar() as progress:
            task = progress.add_task("Simulated decisions", total=participants * trials)
            report = run_crowd(
                base_url,
                study,
                participants=participants,
                seed=seed,
                key=key,
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
