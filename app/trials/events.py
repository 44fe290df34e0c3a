"""The events of a trial that the browser reported, in SQL."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Double, TableValuedAlias, case, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute

from app.models import Decision

JsonColumn = ColumnElement[Any] | InstrumentedAttribute[Any]


def events_of_decision() -> TableValuedAlias:
    """The events of a decision, one row each."""
    rows = func.jsonb_array_elements(Decision.events)
    return rows.table_valued(column("event", JSONB), with_ordinality="number").render_derived()


def json_number(fields: JsonColumn, name: str) -> ColumnElement[Any]:
    """A number that the browser sent; NULL where it is anything else, as a modified page may send."""
    return case((func.jsonb_typeof(fields[name]) == "number", cast(fields[name].astext, Double)))


def interruptions() -> Iterator[ColumnElement[Any]]:
    """load_ms, hidden_ms, reloads, away_ms: interruptions that lengthen the times of a decision."""
    events = events_of_decision()
    event = events.c.event
    kind = event["kind"].astext
    t_ms = json_number(event, "t_ms")
    # A tab is hidden until the next event that shows it again; a reload shows it, too.
    next_t_ms = func.lead(t_ms).over(order_by=events.c.number)
    change = select(kind.label("kind"), (next_t_ms - t_ms).label("duration"))
    changes = change.where(kind.in_(("hidden", "visible", "reload"))).correlate(Decision).subquery()
    hidden = select(func.coalesce(func.sum(changes.c.duration), 0)).where(changes.c.kind == "hidden")
    loaded = select(json_number(event, "load_ms")).where(kind == "loaded").limit(1)
    yield loaded.scalar_subquery().label("load_ms")
    yield hidden.scalar_subquery().label("hidden_ms")
    is_reload = kind == "reload"
    yield select(func.count()).select_from(events).where(is_reload).scalar_subquery().label("reloads")
    away = func.coalesce(func.sum(json_number(event, "away_ms")), 0)
    yield select(away).where(is_reload).scalar_subquery().label("away_ms")
