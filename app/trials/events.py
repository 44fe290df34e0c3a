"""What the browser told of a trial, as a query reads it."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Double, TableValuedAlias, case, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute

from app.models import Decision

Told = ColumnElement[Any] | InstrumentedAttribute[Any]


def told_of_decision() -> TableValuedAlias:
    """The events of a decision, one row each."""
    rows = func.jsonb_array_elements(Decision.events)
    return rows.table_valued(column("told", JSONB), with_ordinality="number").render_derived()


def told_number(told: Told, name: str) -> ColumnElement[Any]:
    """None where a browser told something else: a page may be anybody's."""
    return case((func.jsonb_typeof(told[name]) == "number", cast(told[name].astext, Double)))


def interruptions() -> Iterator[ColumnElement[Any]]:
    """load_ms, hidden_ms, reloads, away_ms: what stood in the way of the times of a decision."""
    event = told_of_decision()
    kind = event.c.told["kind"].astext
    t_ms = told_number(event.c.told, "t_ms")
    seen_again = func.lead(t_ms).over(order_by=event.c.number)
    turn = select(kind.label("kind"), (seen_again - t_ms).label("lasted"))
    turns = turn.where(kind.in_(("hidden", "visible", "reload"))).correlate(Decision).subquery()
    hidden = select(func.coalesce(func.sum(turns.c.lasted), 0)).where(turns.c.kind == "hidden")
    loaded = select(told_number(event.c.told, "load_ms")).where(kind == "loaded").limit(1)
    yield loaded.scalar_subquery().label("load_ms")
    yield hidden.scalar_subquery().label("hidden_ms")
    back = kind == "reload"
    yield select(func.count()).select_from(event).where(back).scalar_subquery().label("reloads")
    away = func.coalesce(func.sum(told_number(event.c.told, "away_ms")), 0)
    yield select(away).where(back).scalar_subquery().label("away_ms")
