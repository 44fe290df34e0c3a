"""Values as CSV and JSON have them."""

import csv
import enum
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from saliency.files.spreadsheets import cell

CHUNK_BYTES: Final = 1 << 16


def csv_chunks(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """A CSV file, piece by piece."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        if text.tell() > CHUNK_BYTES:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    content = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return content


def _cell(value: Any) -> Any:
    """A value as a CSV file has it: some texts are strangers', and a program may take one for a formula."""
    plain = plain_value(value)
    return cell(plain) if isinstance(plain, str) else plain


def plain_value(value: Any) -> Any:
    """A value as the files have it; None stays None, which CSV writes as an empty cell."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return time_text(value)
        case enum.StrEnum():
            return value.value
        case list():
            return " ".join(map(str, value))
        case dict():
            return json.dumps(_facts(value), sort_keys=True)
        case _:
            return value


def as_text(value: Any) -> str:
    """A value that is a text in every format."""
    return str(plain_value(value))


def time_text(moment: datetime) -> str:
    """A time as every file has it: ISO 8601, UTC, microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def json_default(value: Any) -> Any:
    """What `json.dumps` cannot write by itself."""
    return str(value) if isinstance(value, UUID) else plain_value(value)


def _facts(client: dict[str, Any]) -> dict[str, Any]:
    """Numbers and yes/no; a text could name its author."""
    return {key: value for key, value in client.items() if isinstance(value, int | float)}
