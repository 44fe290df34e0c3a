"""`cyborg analyse`"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from app.cli import app, complaints
from app.cli.context import opened
from app.cli.remote import remote
from app.errors import BadInput

if TYPE_CHECKING:
    from accuracy.decisions.reading import DecisionFile
    from accuracy.reporting.files import ReportedAnalysis
    from app.analysis.queries import Who
    from app.cli.remote import Remote

FILES = "report.html, report.pdf, decisions.csv, estimates.csv"  # a copy: help must not load the statistics


@app.command("analyse")
def analyse(
    study: Annotated[
        str | None, typer.Argument(help="Name of the study; without one, --compare is analysed alone.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=f"Folder for {FILES}; made if absent.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="CSV of decisions collected elsewhere, for example published ones.")
    ] = None,
    columns: Annotated[Path | None, typer.Option(help="TOML that says what its columns are.")] = None,
    exclude_flag: Annotated[
        list[str] | None, typer.Option(help="Leave out participants with this quality flag; may be repeated.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Analyse the simulated participants instead of people.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every estimate as JSON.")] = False,
) -> None:
    """Compare the accuracy of people with and without painting, and with decisions collected elsewhere."""
    server = remote()
    if server and study is not None:
        if out is None and compare is None:
            who = "simulated" if simulated else "people"
            _ask_there(server, study, {"who": who, "without": exclude_flag or []}, as_json=as_json)
            return
        if exclude_flag:
            raise BadInput(
                "With --server, --out and --compare leave out --exclude-flag: a download has no flags."
            )
        with _fetched(server, study) as decisions:
            reported = _of_files(decisions, _other(compare, columns), simulated=simulated)
        _tell(reported, out, as_json=as_json)
        return
    _analyse_here(study, out, compare, columns, exclude_flag or [], simulated=simulated, as_json=as_json)


def _ask_there(server: "Remote", study: str, wanted: dict[str, Any], *, as_json: bool) -> None:
    """Ask a worker of the server; asked again, the same analysis is the answer, with what was found."""
    found = server.post(f"/api/studies/{study}/analyses", json=wanted).json()
    if as_json:
        print(json.dumps(found))
        return
    page = f"{server.url}/staff/studies/{study}/analysis"
    print(f"Analysis {found['version']} of study {study} is {found['state']}: {page}")


@contextmanager
def _fetched(server: "Remote", study: str) -> "Iterator[Path]":
    """The decisions of a study of the server, in a file that is there as long as the context is open."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{study}.csv"
        with path.open("wb") as file:
            server.download(f"/api/studies/{study}/decisions.csv", file, {})
        yield path


def _of_files(decisions: Path, other: "DecisionFile | None", *, simulated: bool) -> "list[ReportedAnalysis]":
    """The decisions that a server sent, beside those of a file, as `python -m accuracy` analyses both."""
    from accuracy.analyse import analyse_file
    from accuracy.decisions.exported import read_decisions
    from accuracy.errors import DecisionsError

    try:
        file = read_decisions(decisions, None, simulated=simulated)
    except DecisionsError as error:
        raise BadInput(str(error).replace(str(decisions), decisions.stem)) from None
    others = [other] if other is not None else []
    return [analyse_file(file, others), *map(analyse_file, others)]


def _analyse_here(
    study: str | None,
    out: Path | None,
    compare: Path | None,
    columns: Path | None,
    exclude_flag: list[str],
    *,
    simulated: bool,
    as_json: bool,
) -> None:
    if study is None and (exclude_flag or simulated):
        raise BadInput("--exclude-flag and --simulated choose participants of a study: give its name.")
    other = _other(compare, columns)
    if study is None and other is None:
        raise BadInput("Give the name of a study, or a file to --compare.")
    with Progress(console=complaints, transient=True) as progress:
        task = progress.add_task("Analysing", total=100)

        def on_percent(percent: int) -> None:
            progress.update(task, completed=percent)

        who: Who | None = "simulated" if simulated else None
        reported = _analysed(study, other, who, tuple(exclude_flag), on_percent)
    _tell(reported, out, as_json=as_json)


def _tell(reported: "list[ReportedAnalysis]", out: Path | None, *, as_json: bool) -> None:
    from accuracy.reporting.files import write_reports
    from accuracy.reporting.terminal import print_analysis

    folders = write_reports(reported, out) if out is not None else []
    if as_json:
        print(json.dumps([result.analysis.to_dict() for result in reported]))
        return
    for result in reported:
        print_analysis(result.analysis, screen=Console(highlight=False), complaints=complaints)
    for folder in folders:
        print(f"Wrote {folder}: {FILES} and the figures.")


def _other(compare: Path | None, columns: Path | None) -> "DecisionFile | None":
    """The decisions collected elsewhere, if there are any."""
    from accuracy.decisions.mapping import read_mapping
    from accuracy.decisions.reading import read_decision_file
    from accuracy.errors import DecisionsError

    if (compare is None) != (columns is None):
        raise BadInput("--compare and --columns go together: the TOML says what the columns of the CSV are.")
    try:
        return read_decision_file(compare, read_mapping(columns)) if compare and columns else None
    except DecisionsError as error:
        raise BadInput(str(error)) from error


def _analysed(
    study: str | None,
    other: "DecisionFile | None",
    who: "Who | None",
    without: tuple[str, ...],
    on_percent: Callable[[int], None],
) -> "list[ReportedAnalysis]":
    """The study, with a file of the same design beside it, and the file by itself."""
    from accuracy.analyse import analyse_file

    reported = [_of_study(study, other, who, without, on_percent)] if study is not None else []
    if other is not None:
        reported.append(
            analyse_file(other, on_progress=lambda done, parts: on_percent(round(95 * done / parts)))
        )
    return reported


def _of_study(
    study: str,
    other: "DecisionFile | None",
    who: "Who | None",
    without: tuple[str, ...],
    on_percent: Callable[[int], None],
) -> "ReportedAnalysis":
    from app.analysis import queries
    from app.analysis.service import compute
    from app.db import snapshot
    from app.studies.service import find_study

    with opened() as context, snapshot(context.sessions) as session:
        study_row = find_study(session, study)
        choice = queries.Choice(who or queries.whose(session, study_row.id), tuple(sorted(set(without))))
        queries.checked(session, study_row.id, choice)
        others = [other] if other is not None else []
        return compute(session, study_row, choice, others=others, on_percent=on_percent)
