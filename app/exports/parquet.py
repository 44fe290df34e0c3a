"""Tables and lines of an export as Parquet. Types are those of the dictionary; memory holds one row group."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from app.db import AnySelect, streamed
from app.exports.annotations import annotation_lines
from app.exports.archives import Chunks, Sink
from app.exports.cells import as_text
from app.exports.dictionary import ExportFile, FieldType

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_IN_A_GROUP: Final = 10_000
LINE_BYTES_IN_A_GROUP: Final = 16_000_000
"""Of annotations as JSON lines: their sizes differ too much to count them."""

OPTIONS: Final[dict[str, Any]] = {"compression": "zstd"}


def schema_of(file: ExportFile) -> "pa.Schema":
    """The Arrow schema of a file of the dictionary. Only what may be empty may be null."""
    import pyarrow as pa

    strokes = pa.struct(
        [
            pa.field("tool", pa.string()),
            pa.field("radius", pa.float64()),
            pa.field("points", pa.list_(pa.list_(pa.float64()))),
        ]
    )
    types = {
        FieldType.TEXT: pa.string(),
        FieldType.INTEGER: pa.int64(),
        FieldType.NUMBER: pa.float64(),
        FieldType.BOOLEAN: pa.bool_(),
        FieldType.TIME: pa.timestamp("us", "UTC"),
        FieldType.JSON: pa.string(),
        FieldType.TEXTS: pa.list_(pa.string()),
        FieldType.STROKES: pa.list_(strokes),
    }
    return pa.schema(
        [
            pa.field(one.name, types[one.type], one.may_be_empty, {"meaning": one.meaning, "kind": one.kind})
            for one in file.fields
        ]
    )


def table(session: Session, file: ExportFile, query: AnySelect) -> Chunks:
    """The rows of a query as Parquet."""
    schema = schema_of(file)
    rows = (row._mapping for row in streamed(session, query))
    groups = iter(lambda: list(islice(rows, ROWS_IN_A_GROUP)), [])
    yield from _written(schema, (_as_table(group, file, schema) for group in groups))


def _as_table(rows: Sequence[RowMapping], file: ExportFile, schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    columns = ([_value(row[one.name], one.type) for row in rows] for one in file.fields)
    return pa.table([pa.array(*both) for both in zip(columns, schema.types, strict=True)], schema)


def _value(value: Any, kind: FieldType) -> Any:
    """A value of a row as Arrow takes it; what has no type there is a text."""
    if value is None or kind in (FieldType.INTEGER, FieldType.BOOLEAN, FieldType.TIME, FieldType.TEXTS):
        return value
    return float(value) if kind is FieldType.NUMBER else as_text(value)


def annotations(session: Session, study_id: int, *, file: ExportFile, counting: bool) -> Chunks:
    """The lines of an annotations file as Parquet, with each stroke as numbers."""
    schema = schema_of(file)
    lines = annotation_lines(session, study_id, file=file, counting=counting)
    yield from _written(schema, (_parsed(group, schema) for group in _groups(lines)))


def _groups(lines: Iterable[bytes]) -> Iterator[bytes]:
    held = io.BytesIO()
    for some in lines:
        held.write(some)
        if held.tell() > LINE_BYTES_IN_A_GROUP:
            yield held.getvalue()
            held = io.BytesIO()
    if held.tell():
        yield held.getvalue()


def _parsed(lines: bytes, schema: "pa.Schema") -> "pa.Table":
    from pyarrow import json

    return json.read_json(
        io.BytesIO(lines),
        json.ReadOptions(use_threads=False, block_size=len(lines) + 1),  # no line may cross a block
        json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    ).cast(schema)


def _written(schema: "pa.Schema", groups: "Iterable[pa.Table]") -> Chunks:
    from pyarrow.parquet import ParquetWriter

    with Sink() as sink:
        with ParquetWriter(sink, schema, **OPTIONS) as into:
            for group in groups:
                into.write_table(group)
                del group  # or two are held while the next one is made
                yield from sink.drained()
        yield from sink.drained()
