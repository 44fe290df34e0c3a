"""`cyborg links …`"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import remote
from app.errors import BadInput

links = typer.Typer(help="Links into a study, and who has which.", no_args_is_help=True)
app.add_typer(links, name="links")

Slug = Annotated[str, typer.Argument(help="The study's name in addresses.")]


@links.command("make")
def make(
    slug: Slug,
    count: Annotated[
        int | None, typer.Argument(min=1, max=10_000, help="How many; their labels are numbers.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A file with a label on each line: who gets the link.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="single_use, personal (any browser) or reusable (any number of people).")
    ] = "single_use",
) -> None:
    """Make links and print them as CSV, for a mail merge."""
    from app.models import LinkKind
    from saliency.files.text import read_text

    if kind not in set(LinkKind):
        raise BadInput(f"There is no kind {kind}; there are {', '.join(LinkKind)}.")
    if (count is None) == (labels is None):
        raise BadInput("Say either how many links or --labels FILE.")
    named = read_text(labels).splitlines() if labels else []
    if server := remote():
        asked = {"kind": kind, "count": count, "labels": named}
        _write([_line(one) for one in server.post(f"/api/studies/{slug}/links", json=asked).json()["links"]])
        return
    _write(_made_here(slug, LinkKind(kind), count, named))


def _made_here(slug: str, kind: Any, count: int | None, named: list[str]) -> list[list[object]]:
    from app.recruitment.links import make_links, merge_lines, numbered
    from app.studies.service import find_study

    with opened() as context, context.sessions.begin() as session:
        study = find_study(session, slug)
        made = make_links(session, study, kind, named or numbered(session, study, count or 0), by=None)
        lines = merge_lines(
            session, study, public_url=context.settings.public_url, only=[link.id for link in made]
        )
        return [list(line) for line in lines]


@links.command("list")
def list_command(slug: Slug) -> None:
    """List the links of a study with what became of them."""
    table = Table("label", "kind", "state", box=None)
    for column in ("came", "finished"):
        table.add_column(column, justify="right")
    for label, _, kind, state, came, finished in _all(slug):
        table.add_row(label, kind, state, str(came), str(finished))
    Console(markup=False).print(table)


@links.command("csv")
def print_csv(slug: Slug) -> None:
    """Print all links of a study as CSV, for a mail merge."""
    _write(_all(slug))


@links.command()
def withdraw(slug: Slug, label: Annotated[str, typer.Argument(help="Whose link.")]) -> None:
    """Let nobody new in by a link; who has begun goes on."""
    from app.recruitment.links import link_of_label, withdraw_link
    from app.studies.service import find_study

    if server := remote():
        listed = server.get(f"/api/studies/{slug}/links").json()["links"]
        found = next((one["id"] for one in listed if one["label"] == label), None)
        if found is None:
            raise BadInput(f"{slug} has no link for {label}.")
        server.post(f"/api/studies/{slug}/links/{found}/withdraw")
    else:
        with opened() as context, context.sessions.begin() as session:
            withdraw_link(link_of_label(session, find_study(session, slug), label))
    print(f"The link of {label} lets nobody in any more.")


def _all(slug: str) -> list[list[Any]]:
    from app.recruitment.links import merge_lines
    from app.studies.service import find_study

    if server := remote():
        return [_line(one) for one in server.get(f"/api/studies/{slug}/links").json()["links"]]
    with opened() as context, context.sessions() as session:
        study = find_study(session, slug)
        return [list(line) for line in merge_lines(session, study, public_url=context.settings.public_url)]


def _line(one: dict[str, Any]) -> list[Any]:
    """A link as a server tells it, as a line of the table."""
    from saliency.files.spreadsheets import cell

    return [cell(one["label"]), one["address"], one["kind"], one["state"], one["came"], one["finished"]]


def _write(lines: list[list[Any]]) -> None:
    from app.recruitment.links import HEADER

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(lines)
