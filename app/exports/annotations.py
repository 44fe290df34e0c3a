"""Annotations as lines of JSON. PostgreSQL writes the strokes, and nobody reads them on the way."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, case, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db import AnyRow, AnySelect, streamed
from app.exports.cells import time_text
from app.exports.dictionary import ExportFile
from app.maps.queries import exported_rows
from app.models import Stroke

LINES_AT_A_TIME: Final = 200

EXACT: Final = 1e15
"""From here on PostgreSQL writes a float with an exponent."""


def annotation_lines(session: Session, study_id: int, *, file: ExportFile, counting: bool) -> Iterator[bytes]:
    """The annotations that count, or those that do not, as JSON lines; memory does not grow with them.

    The same data give the same bytes. Numbers of points are written as PostgreSQL keeps them: every digit
    that the browser sent, and no exponent.
    """
    rows = streamed(session, exported_rows(study_id, counting=counting))
    while some := list(islice(rows, LINES_AT_A_TIME)):
        strokes = strokes_of(session, [row.annotation_id for row in some])
        yield "".join(_line(row, file, strokes.get(row.annotation_id, "")) for row in some).encode()


def _line(row: AnyRow, file: ExportFile, strokes: str) -> str:
    fields: dict[str, Any] = {name: getattr(row, name) for name in file.names if name != "strokes"}
    fields |= {"participant": str(row.participant), "decided_at": time_text(row.decided_at)}
    told = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{told[:-1]},"strokes":[{strokes}]}}\n'


def strokes_of(session: Session, annotations: Sequence[int]) -> dict[int, str]:
    """The strokes of some annotations as JSON, in the order drawn; those without a stroke are missing."""
    found = session.execute(_stroke_texts(annotations))
    return {annotation: text.replace(" ", "") for annotation, text in found}


def _stroke_texts(annotations: Sequence[int]) -> AnySelect:
    stroke = func.concat(
        *('{"tool":"', Stroke.tool, '","radius":', _as_float(Stroke.radius)),
        *(',"points":', cast(Stroke.points, Text), "}"),
    )
    return (
        select(Stroke.annotation_id, func.string_agg(stroke, ",").aggregate_order_by(Stroke.position))
        .where(Stroke.annotation_id == func.any(cast(list(annotations), ARRAY(BigInteger))))
        .group_by(Stroke.annotation_id)
    )


def _as_float(number: InstrumentedAttribute[float]) -> ColumnElement[str]:
    """With a decimal point where it is whole, as a float is written elsewhere in this file."""
    is_whole = (number == func.trunc(number)) & (func.abs(number) < EXACT)
    return case((is_whole, cast(number, Text) + ".0"), else_=cast(number, Text))
