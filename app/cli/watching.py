"""`cyborg study watch`"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from app.cli.context import opened
from app.cli.remote import remote
from app.cli.studies import Slug, study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.overview.schemas import Overview


@study.command()
def watch(
    slug: Slug,
    every: Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each look.")] = False,
) -> None:
    """Show how a study is going, again and again until it is closed or Ctrl+C is pressed."""
    if server := remote():
        from app.overview.schemas import Overview

        _watch(
            lambda: Overview.model_validate(server.get(f"/api/studies/{slug}/overview").json()),
            every=every,
            once=once,
            as_json=as_json,
        )
        return
    with opened() as context:
        from app.overview.service import overview
        from app.studies.service import find_study

        def look() -> Overview:
            with context.sessions() as session:
                return overview(session, find_study(session, slug))

        _watch(look, every=every, once=once, as_json=as_json)


def _watch(look: Callable[[], Overview], *, every: float, once: bool, as_json: bool) -> None:
    if as_json:
        for found in _looks(look, every=every, once=once):
            print(found.model_dump_json(), flush=True)
        return
    console = Console(markup=False)
    if once:
        console.print(_screen(look()))
        return
    with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
        for found in _looks(look, every=every, once=False):
            live.update(_screen(found), refresh=True)


def _looks(look: Callable[[], Overview], *, every: float, once: bool) -> Iterator[Overview]:
    """What is seen at each look; the last one is at a closed study."""
    while True:
        found = look()
        yield found
        if once or found.state == "closed":
            return
        time.sleep(every)


def _screen(found: Overview) -> Group:
    said = (
        f"{found.slug}{_pilot(found)} is {found.state}: {found.decided} of {found.wanted} "
        f"judgements decided, {found.held} held for {found.lease.participants} at work.\n"
        f"{found.participants} participants: {found.finished} finished, {found.at_work} at work, "
        f"{found.left} left, {found.screened_out} screened out, {found.withdrawn} withdrew."
    )
    paid = (
        f"Paid {one.paid / 100:.2f} {one.currency}, {one.open / 100:.2f} on its way."
        for one in found.spend or ()
    )
    lost = (
        f"Not arrived: “{one.text}” by {one.receiver}, tried {one.tries} times. {one.error}"
        for one in found.undelivered
    )
    return Group(
        said, *filter(None, [_forecast(found), *paid, *lost]), _arms(found), _stages(found), _pairs(found)
    )


def _pilot(found: Overview) -> str:
    return f", a pilot of {found.pilot_of}," if found.pilot_of else ""


def _forecast(found: Overview) -> str:
    pace, done_at = found.forecast.per_hour, found.forecast.done_at
    if pace is None:
        return ""
    when = f"; the last one is due {done_at.astimezone():%Y-%m-%d %H:%M}" if done_at else ""
    return f"{pace:.1f} judgements an hour over the last 24 hours{when}."


def _arms(found: Overview) -> Table:
    table = _table("arm", "decided", "held", "wanted", "participants")
    for arm in found.arms:
        table.add_row(arm.name, *map(str, (arm.decided, arm.held, arm.wanted, arm.participants)))
    return table


def _stages(found: Overview) -> Table:
    table = _table("step", "left", "screened out", "at work")
    for stage in found.stages:
        table.add_row(stage.name, *map(str, (stage.left, stage.screened_out, stage.at_work)))
    return table


def _pairs(found: Overview) -> Table:
    table = _table(
        f"pair ({found.pairs.complete} of {found.pairs.total} complete)", "decided", "held", "wanted"
    )
    for pair in found.pairs.furthest_behind:
        table.add_row(
            f"{pair.real_name}, {pair.fake_name}", *map(str, (pair.decided, pair.held, pair.wanted))
        )
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(first, box=None)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
