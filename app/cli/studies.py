"""`cyborg study …`"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import remote

if TYPE_CHECKING:
    from app.cli.remote import Remote
    from app.planning.schemas import PlannerView

study = typer.Typer(
    help="Studies: create, show, edit, duplicate, delete, open, pause, close.", no_args_is_help=True
)
app.add_typer(study, name="study")

Slug = Annotated[str, typer.Argument(help="The study's name in addresses.")]

FACTS: Final = ("slug", "title", "pilot_of", "state")
COUNTS: Final = ("pairs", "participants", "decided", "held", "wanted")
"""Of a study in the list."""


@study.command()
def create(
    path: Annotated[Path, typer.Argument(help="The description, STUDY.toml; docs/studies.md.")],
) -> None:
    """Create a study from its description, as a draft."""
    from app.studies import service
    from app.studies.schemas import load_study

    spec = load_study(path)
    if server := remote():
        server.post("/api/studies", json=spec.model_dump(mode="json"))
        print(f"Study {spec.slug} is a draft on {server.url}.")
        return
    with opened() as context, context.sessions.begin() as session:
        made = service.create_study(session, spec, blobs=context.blobs)
        pairs = service.count_pairs(session, made)
    print(
        f"Study {spec.slug}: {pairs} pairs, arms {', '.join(arm.name for arm in spec.arms)}, still a draft."
    )
    print(f"`cyborg study open {spec.slug}` lets participants in.")


@study.command()
def show(
    slug: Slug,
    out: Annotated[Path | None, typer.Option(help="A file to write; without it, it is printed.")] = None,
    version: Annotated[int | None, typer.Option(help="An earlier version; the newest without it.")] = None,
    save: Annotated[int | None, typer.Option(help="A save of the draft, by its number in `history`.")] = None,
) -> None:
    """Print the description of a study, of any state, as TOML that makes the same study again."""
    which = f"/versions/{version}" if version is not None else f"/history/{save}" if save is not None else ""
    if server := remote():
        text = server.get(f"/api/studies/{slug}{which}/study.toml").text
    else:
        text = _toml_here(slug, version, save)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        print(f"Study {slug} is written to {out}.")


def _toml_here(slug: str, version: int | None, save: int | None) -> str:
    from app.studies.drafts import find_save
    from app.studies.service import find_study
    from app.studies.toml import toml_of, written
    from app.studies.versions import find_version

    with opened() as context, context.sessions() as session:
        found = find_study(session, slug)
        if version is not None:
            return written(find_version(session, found, version).spec)
        if save is not None:
            return written(find_save(session, found, save).spec)
        return toml_of(session, found)


@study.command()
def edit(
    slug: Slug,
    path: Annotated[Path, typer.Argument(help="The new description, STUDY.toml; docs/studies.md.")],
    reason: Annotated[str, typer.Option(help="Why, of a study that was opened.")] = "",
) -> None:
    """Make a draft what another description says, its pairs chosen anew; or a version of an open study."""
    from app.models import StudyState
    from app.studies import service
    from app.studies.schemas import load_study

    spec = load_study(path)
    if server := remote():
        asked = {"reason": reason} if reason else {}
        found = server.put(f"/api/studies/{slug}", params=asked, json=spec.model_dump(mode="json")).json()
        now = "still a draft" if found["state"] == StudyState.DRAFT else f"version {found['version']}"
        print(f"Study {found['slug']} is what {path} says, {now}.")
        return
    with opened() as context, context.sessions.begin() as session:
        changed = service.find_study(session, slug)
        service.revise(session, changed, spec, reason=reason, blobs=context.blobs)
    now = "still a draft" if changed.state is StudyState.DRAFT else f"version {changed.version}"
    print(f"Study {spec.slug} is what {path} says, {now}.")


@study.command()
def versions(
    slug: Slug,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the versions of a study that was opened: who, when, why and what changed."""
    found = (
        server.get(f"/api/studies/{slug}/versions").json() if (server := remote()) else _versions_here(slug)
    )
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print(f"Study {slug} is a draft; versions begin when it is opened.")
    for one in found:
        _print_change(one, one["reason"])


def _print_change(one: dict[str, Any], why: str) -> None:
    """A version or a save: who made it, when and why, and what it changed."""
    at = datetime.fromisoformat(one["made_at"]).astimezone(UTC)
    print(f"{one['number']}  {at:%Y-%m-%d %H:%M} UTC  {one['made_by'] or 'a command'}  {why}".rstrip())
    for changed in one["differences"]:
        print(f"   {changed['key']}", *(f"     {line[0]} {line[1:]}" for line in changed["lines"]), sep="\n")


@study.command()
def history(
    slug: Slug,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List every save of a draft, the newest first: who, when and what changed."""
    found = server.get(f"/api/studies/{slug}/history").json() if (server := remote()) else _history_here(slug)
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print(f"Study {slug} has no history: it was never a draft here.")
    for one in found:
        _print_change(one, f"restored save {one['restored']}" if one["restored"] else "")


def _history_here(slug: str) -> list[dict[str, Any]]:
    from app.studies.drafts import history_of
    from app.studies.routes import save_view
    from app.studies.service import find_study

    with opened() as context, context.sessions() as session:
        found = history_of(session, find_study(session, slug))
    return [save_view(one).model_dump(mode="json") for one in found]


@study.command()
def restore(
    slug: Slug,
    number: Annotated[int, typer.Argument(min=1, help="Of the save, as `history` prints it.")],
) -> None:
    """Make a draft what one of its saves says, its pairs chosen anew; that is a save of its own."""
    from app.studies import service

    if server := remote():
        now = server.post(f"/api/studies/{slug}/history/{number}/restore").json()["slug"]
    else:
        with opened() as context, context.sessions.begin() as session:
            draft = service.find_study(session, slug)
            service.restore(session, draft, number, blobs=context.blobs)
            now = draft.slug
    print(f"Study {now} is what save {number} said, still a draft.")


def _versions_here(slug: str) -> list[dict[str, Any]]:
    from app.studies.routes import version_view
    from app.studies.service import find_study
    from app.studies.versions import versions_of

    with opened() as context, context.sessions() as session:
        found = versions_of(session, find_study(session, slug))
    return [version_view(one).model_dump(mode="json") for one in found]


@study.command()
def plan(
    slug: Slug,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print the plan that was frozen when a study opened, and every deviation from it."""
    report = server.get(f"/api/studies/{slug}/plan").json() if (server := remote()) else _plan_here(slug)
    if as_json:
        print(json.dumps(report, default=str))
        return
    said = report["plan"] or {}
    frozen = f"Plan, SHA-256 {report['hash']}, frozen {report['frozen_at']}"
    print(frozen if report["hash"] else "No plan is frozen.")
    for name in ("hypotheses", "exclusions"):
        print(*(f"  {name}: {line}" for line in said.get(name, ())), sep="\n")
    print(f"{report['finished']} finished, of {said.get('participants') or 'no number'} planned")
    print(f"{report['judgements']} judgements, of {report['wanted']} planned")
    print(f"{len(report['deviations'])} deviations" + (":" if report["deviations"] else ""))
    for one in report["deviations"]:
        print(f"  {one['kind']}: {one['said']}")


def _plan_here(slug: str) -> dict[str, Any]:
    from app.studies.deviations import plan_report
    from app.studies.service import find_study

    with opened() as context, context.sessions() as session:
        return asdict(plan_report(session, find_study(session, slug)))


@study.command()
def planner(  # noqa: PLR0913, PLR0917 - each is an option
    slug: Slug,
    like: Annotated[
        str, typer.Option(help="A study or pilot whose judgements say how people and pairs differ.")
    ] = "",
    mean: Annotated[float | None, typer.Option(help="Share correct, between 0 and 1.")] = None,
    participant_sd: Annotated[float | None, typer.Option(help="Standard deviation over people.")] = None,
    pair_sd: Annotated[float | None, typer.Option(help="Standard deviation over pairs.")] = None,
    left_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of people who are paid and then left out.")
    ] = 0,
    reward: Annotated[
        int | None, typer.Option(min=1, help="Of each, in pence or cents; without it the study's pay.")
    ] = None,
    marketplace: Annotated[
        Literal["prolific", "mturk"] | None,
        typer.Option(help="Whose fees and tax; without it the account that was connected first."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a study takes: people, hours, cost with fees and tax, and which difference it finds."""
    from app.cli.planner import print_planner
    from app.planning.schemas import PlannerView

    asked = {
        "like": like,
        "mean": mean,
        "participant_sd": participant_sd,
        "pair_sd": pair_sd,
        "left_out": left_out,
        "reward": reward,
        "marketplace": marketplace,
    }
    if server := remote():
        found = server.post(f"/api/studies/{slug}/planner", json=asked).json()
        answer = PlannerView.model_validate(found)
    else:
        answer = _planner_here(slug, asked)
    print(answer.model_dump_json()) if as_json else print_planner(answer)


def _planner_here(slug: str, asked: dict[str, Any]) -> PlannerView:
    from pydantic import ValidationError

    from app.errors import BadInput
    from app.planning.planner import plan_study
    from app.planning.schemas import PlannerBody
    from app.studies.schemas import sentence
    from app.studies.service import find_study

    try:
        body = PlannerBody.model_validate(asked)
    except ValidationError as error:
        raise BadInput(sentence(error)) from None
    with opened() as context, context.sessions() as session:
        return plan_study(session, context.settings, find_study(session, slug), body)


@study.command()
def duplicate(
    slug: Slug,
    new: Annotated[str, typer.Argument(help="The copy's name in addresses.")],
    title: Annotated[
        str | None, typer.Option(help="The copy's title; without it, that of the study.")
    ] = None,
) -> None:
    """Make a draft like a study of any state."""
    from app.studies.copying import copy_study
    from app.studies.service import find_study

    if server := remote():
        server.post(f"/api/studies/{slug}/copies", json={"slug": new, "title": title})
        print(f"Study {new} is like {slug}, a draft.")
        return
    with opened() as context, context.sessions.begin() as session:
        copy_study(session, find_study(session, slug), slug=new, title=title)
    print(f"Study {new} is like {slug}, a draft.")


@study.command()
def delete(
    slug: Slug,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a draft for good; a study that was opened stays."""
    from app.studies import service

    if server := remote():
        if not yes:
            typer.confirm(f"Delete the draft {slug} on {server.url}?", abort=True)
        server.delete(f"/api/studies/{slug}")
        print(f"The draft {slug} is deleted.")
        return
    with opened() as context, context.sessions.begin() as session:
        draft = service.find_study(session, slug)
        if not yes:
            typer.confirm(f"Delete the draft {slug}?", abort=True)
        service.delete_draft(session, draft)
    print(f"The draft {slug} is deleted.")


@study.command()
def pilot(
    slug: Slug,
    judgements: Annotated[
        int, typer.Option(min=1, max=10_000, help="Wanted for each pair and question in each arm.")
    ] = 1,
) -> None:
    """Open a pilot of a draft: people take part, and what they do counts nowhere in the study."""
    from app.studies.pilots import start_pilot
    from app.studies.service import find_study

    if server := remote():
        made = server.post(f"/api/studies/{slug}/pilots", json={"judgements": judgements}).json()["slug"]
        print(f"The pilot {made} is open at {server.url}/s/{made}")
        return
    with opened() as context, context.sessions.begin() as session:
        made = start_pilot(session, find_study(session, slug), judgements=judgements).slug
    print(f"The pilot {made} is open at {context.settings.public_url.rstrip('/')}/s/{made}")


@study.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    pilots: Annotated[bool, typer.Option("--pilots", help="List the pilots instead.")] = False,
) -> None:
    """List the studies without their pilots, the newest first."""
    server = remote()
    found = _studies_there(server, pilots=pilots) if server else _studies_here(pilots=pilots)
    print(json.dumps(found)) if as_json else _print_table(found)


def _studies_there(server: Remote, *, pilots: bool) -> list[dict[str, Any]]:
    found = server.get("/api/studies", params={"pilots": pilots}).json()
    return [{name: line[name] for name in (*FACTS, *COUNTS)} for line in found]


def _studies_here(*, pilots: bool) -> list[dict[str, Any]]:
    from app.studies.progress import list_studies
    from app.studies.service import newest_first

    with opened() as context, context.sessions() as session:
        summaries = list_studies(session, newest_first(session, pilots=pilots))
    return [{name: getattr(line.study, name) for name in FACTS} | line.counts for line in summaries]


@study.command("open")
def open_command(slug: Slug) -> None:
    """Let participants in."""
    _change("open", slug)


@study.command()
def pause(slug: Slug) -> None:
    """Let nobody new in; whoever is in may finish."""
    _change("pause", slug)


@study.command()
def close(slug: Slug) -> None:
    """End a study for good."""
    _change("close", slug)


@study.command("let-in")
def let_in(
    slug: Slug,
    who: Annotated[
        str,
        typer.Argument(
            help="Their worker id, the label of their link, the reference they quote, or their whole id."
        ),
    ],
) -> None:
    """Print a link that lets somebody back into their visit once; their other browsers lose access."""
    from app.recruitment.service import find_by_id, return_link
    from app.studies.service import find_study

    if server := remote():
        people = f"/api/studies/{slug}/participants"
        person = server.post(f"{people}/find", json={"who": who}).json()["id"]
        print(server.post(f"{people}/{person}/return-link").json()["address"])
        return
    with opened() as context, context.sessions.begin() as session:
        person = find_by_id(session, find_study(session, slug), who)
        print(f"{context.settings.public_url.rstrip('/')}{return_link(session, person)}")


def _change(verb: Literal["open", "pause", "close"], slug: str) -> None:
    from app.models import StudyState
    from app.studies import service

    if server := remote():
        state = server.post(f"/api/studies/{slug}/{verb}").json()["state"]
        print(f"Study {slug} is {state}.")
        return
    change = {"open": service.open_study, "pause": service.pause_study, "close": service.close_study}[verb]
    with opened() as context, context.sessions.begin() as session:
        changed = change(session, service.find_study(session, slug))
    print(f"Study {slug} is {changed.state}.")
    if changed.state is StudyState.OPEN:
        print(f"Participants take part at {context.settings.public_url}/s/{slug}")


def _print_table(found: list[dict[str, Any]]) -> None:
    if not found:
        print("There is no study yet; `cyborg study create STUDY.toml` makes one.")
        return
    table = Table("study", "title", "state", box=None)
    for column in COUNTS:
        table.add_column(column, justify="right")
    for line in found:
        table.add_row(line["slug"], line["title"], line["state"], *(str(line[name]) for name in COUNTS))
    Console(markup=False).print(table)
