"""`cyborg exclusions`"""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import Remote, remote


@app.command("exclusions")
def exclusions(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    apply: Annotated[bool, typer.Option("--apply", help="Exclude whom the rules exclude now.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Count everybody who is excluded again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Show whom the rules of a study exclude and what that changes; `--apply` does it, `--undo` undoes it."""
    from app.quality.exclusions import count_again, effect_of, exclude
    from app.studies.service import find_study

    if apply and undo:
        raise typer.BadParameter("choose one of --apply and --undo.")
    if server := remote():
        _on_server(server, study, apply=apply, undo=undo, as_json=as_json)
        return
    with opened() as context, context.sessions.begin() as session:
        found = find_study(session, study)
        effect = effect_of(session, found)
        more = count_again(session, found) if undo else 0
        done = exclude(session, found, seen=effect.seen) if apply else 0
    if as_json:
        print(json.dumps(_said(effect)))
        return
    _show(effect)
    if apply:
        print(f"{done} excluded.")
    if undo:
        print(f"Everybody counts again; {more} judgements are more than the study wanted.")


def _on_server(server: Remote, study: str, *, apply: bool, undo: bool, as_json: bool) -> None:
    address = f"/api/studies/{study}/exclusions"
    before = server.get(address).json()
    if apply:
        server.post(address, json={"seen": before["seen"]})
    if undo:
        server.post(f"{address}/undo", json={})
    print(json.dumps(before)) if as_json else _show_answer(before)
    if apply and not as_json:
        print(f"{len(before['candidates'])} excluded.")
    if undo and not as_json:
        print("Everybody counts again.")


def _show_answer(before: dict[str, Any]) -> None:
    console = Console()
    if before["rules"] is None:
        console.print("The study has no rules of exclusion.")
        return
    people = Table("participant", "arm", "why")
    for one in before["candidates"]:
        people.add_row(one["participant"][:8], one["arm"], " ".join(one["reasons"]))
    arms = Table("arm", "participants", "then", "correct", "then")
    for one in before["effect"]:
        shares = [one[when]["correct"] for when in ("before", "after")]
        numbers = [str(one[when]["participants"]) for when in ("before", "after")]
        arms.add_row(one["arm"], *numbers, *("–" if share is None else f"{share:.1%}" for share in shares))
    console.print(people if before["candidates"] else "Nobody meets a rule.")
    console.print(arms)


def _said(effect: Any) -> dict[str, Any]:
    return {
        "rules": effect.rules.model_dump(mode="json") if effect.rules else None,
        "candidates": [
            {
                "participant": str(one.participant_id),
                "arm": one.arm,
                "reasons": [reason._asdict() for reason in one.reasons],
            }
            for one in effect.candidates
        ],
    }


def _show(effect: Any) -> None:
    console = Console()
    if effect.rules is None:
        console.print("The study has no rules of exclusion.")
        return
    people = Table("participant", "arm", "why")
    for one in effect.candidates:
        people.add_row(
            str(one.participant_id)[:8], one.arm, " ".join(reason.sentence for reason in one.reasons)
        )
    arms = Table("arm", "participants", "then", "correct", "then")
    for arm in effect.arms:
        shares = [
            f"{share.rate:.1%} of {share.total}" if share.total else "–" for share in (arm.before, arm.after)
        ]
        arms.add_row(arm.arm, str(arm.participants), str(arm.participants_after), *shares)
    console.print(people if effect.candidates else "Nobody meets a rule.")
    console.print(arms)
