"""`cyborg analyse`"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from app.cli import app, complaints
from app.cli.context import opened
from app.errors import BadInput

if TYPE_CHECKING:
    from accuracy.decisions.outside import Outside
    from accuracy.findings.estimates import Analysis, Estimate, Section
    from app.analysis.queries import Who
    from app.analysis.service import Computed

FILES = "report.html, report.pdf, decisions.csv, estimates.csv"


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
        found = _computed(study, other, who, tuple(exclude_flag or ()), on_percent)
        folders = _folders(found, out)
        for one, folder in zip(found, folders, strict=False):
            _write(one, folder)
    if as_json:
        print(json.dumps([one.analysis.to_dict() for one in found]))
        return
    for one in found:
        _show(one, Console(highlight=False))
    for folder in folders:
        print(f"Wrote {folder}: {FILES} and the figures.")


def _other(compare: Path | None, columns: Path | None) -> "Outside | None":
    """The decisions collected elsewhere, if there are any."""
    from accuracy.decisions.mapping import read_mapping
    from accuracy.decisions.outside import read_outside
    from accuracy.errors import DecisionsError

    if (compare is None) != (columns is None):
        raise BadInput("--compare and --columns go together: the TOML says what the columns of the CSV are.")
    try:
        return read_outside(compare, read_mapping(columns)) if compare and columns else None
    except DecisionsError as error:
        raise BadInput(str(error)) from error


def _computed(
    study: str | None,
    other: "Outside | None",
    who: "Who | None",
    without: tuple[str, ...],
    on_percent: Callable[[int], None],
) -> "list[Computed]":
    """The study, with a file of the same design beside it, and the file by itself."""
    from app.analysis.service import compute_outside

    found = [_of_study(study, other, who, without, on_percent)] if study is not None else []
    return [*found, compute_outside(other, on_percent=on_percent)] if other is not None else found


def _of_study(
    study: str,
    other: "Outside | None",
    who: "Who | None",
    without: tuple[str, ...],
    on_percent: Callable[[int], None],
) -> "Computed":
    from app.analysis import queries
    from app.analysis.service import compute
    from app.db import snapshot
    from app.studies.service import find_study

    with opened() as context, snapshot(context.sessions) as session:
        found = find_study(session, study)
        choice = queries.Choice(who or queries.whose(session, found.id), tuple(sorted(set(without))))
        queries.checked(session, found.id, choice)
        others = [other] if other is not None else []
        return compute(session, found, choice, others=others, on_percent=on_percent)


def _folders(found: "Sequence[Computed]", out: Path | None) -> list[Path]:
    """Where the files of each analysis go; none where they are not wanted."""
    if out is None:
        return []
    return [out] if len(found) == 1 else [out / "study", out / "compared"]


def _write(one: "Computed", folder: Path) -> None:
    from accuracy.reporting.report import Facts, draw, html, pdf
    from accuracy.reporting.tidy import decisions_csv, estimates_csv

    made_at = datetime.now(UTC)
    drawn = draw(one.figures)
    facts = Facts(made_at, one.inputs_hash)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(html(one.analysis, drawn, facts), "utf-8")
    (folder / "report.pdf").write_bytes(pdf(one.analysis, one.figures, facts))
    (folder / "decisions.csv").write_text(decisions_csv(one.decisions), "utf-8")
    (folder / "estimates.csv").write_text(estimates_csv(one.analysis), "utf-8")
    for figure in drawn:
        (folder / f"{figure.name}.svg").write_bytes(figure.svg)


IN_SHORT: "Final[tuple[tuple[Section, tuple[str, ...]], ...]]" = (
    ("arms", ("accuracy", "d_prime", "criterion")),
    ("designs", ("accuracy", "d_prime", "criterion")),
    ("difference", ("difference", "permutation_test", "d_prime_difference")),
    ("sources", ()),
)


def _in_short(analysis: "Analysis") -> "Iterator[Estimate]":
    """What is printed: arms, differences, and sources, of a single arm by itself."""
    for section, measures in IN_SHORT:
        yield from analysis.of(section, *measures)
    if len(analysis.arms) == 1:
        cells = analysis.of("cells", "accuracy")
        yield from (one for one in cells if one.within.startswith("source="))


def holds_for(one: "Estimate", design: str) -> str:
    """What an interval or a test speaks of, in two words; of an accuracy, the counts in their place."""
    if one.measure == "accuracy" and one.correct is not None:
        return f"{one.correct} of {one.decisions}"
    others = "participants and pairs" in one.method and one.items
    return f"{'other' if others else 'these'} {'pairs' if design == '2afc' else 'images'}"


def _show(one: "Computed", screen: Console) -> None:
    from accuracy.findings.estimates import amount, bounds, probability
    from accuracy.reporting.words import NAMES, part

    analysis = one.analysis
    who = "simulated participants (programs, not people)" if analysis.simulated else "participants"
    print(f"{analysis.name}: {analysis.decisions} decisions of {analysis.participants} {who}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", min_width=11)
    table.add_column("of", min_width=12, overflow="fold")
    for title in ("value", "95 % interval", "p" if len(analysis.arms) < 3 else "p (Holm)", "for"):
        table.add_column(title, justify="left" if title == "for" else "right", no_wrap=True)
    for estimate in _in_short(analysis):
        p = estimate.p if estimate.p_holm is None else estimate.p_holm
        of = f"{estimate.of} {part(estimate)}".rstrip()
        name = NAMES[estimate.measure]
        table.add_row(
            name,
            escape(of),
            amount(estimate, estimate.value),
            bounds(estimate),
            probability(p),
            holds_for(estimate, analysis.design),
        )
    if table.row_count:
        screen.print(table)
    for caution in analysis.cautions:
        complaints.print(f"[yellow]caution:[/yellow] {escape(caution.sentence)}")
    for note in analysis.notes:
        print(note)
