"""Reading the audit log: the newest entries first, filtered, page by page, as CSV."""

import csv
import io
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, cast, or_, select
from sqlalchemy.orm import Session

from app.models import AuditEntry
from saliency.files.spreadsheets import cell

COLUMNS: Final = (
    "id",
    "at",
    "who",
    "channel",
    "through",
    "action",
    "subject",
    "changes",
    "address",
    "request_id",
)
AT_A_TIME: Final = 500


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; an empty text stands for all.

    who, action : part of the text, in any case of letters
    text : part of the subject, of a change, of the token's name or of an address
    since, until : days in UTC, both included
    """

    who: str = ""
    action: str = ""
    text: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def narrows(self) -> bool:
        return any(asdict(self).values())

    def conditions(self) -> list[ColumnElement[bool]]:
        conditions = [
            column.icontains(wanted, autoescape=True)
            for column, wanted in ((AuditEntry.who, self.who), (AuditEntry.action, self.action))
            if wanted
        ]
        if self.text:
            searched = (
                AuditEntry.subject,
                cast(AuditEntry.changes, String),
                AuditEntry.through,
                AuditEntry.address,
                AuditEntry.request_id,
            )
            conditions.append(or_(*(column.icontains(self.text, autoescape=True) for column in searched)))
        if self.since:
            conditions.append(AuditEntry.at >= _midnight(self.since))
        if self.until:
            conditions.append(AuditEntry.at < _midnight(self.until + timedelta(days=1)))
        return conditions


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def entries(
    session: Session, wanted: AuditFilter, *, before: int | None = None, limit: int
) -> Sequence[AuditEntry]:
    """The newest entries, or those before the entry `before`."""
    query = _query(wanted).order_by(AuditEntry.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(AuditEntry.id < before)).all()


def as_csv(session: Session, wanted: AuditFilter) -> Generator[bytes, None, None]:
    """All of them, the oldest first, with a header; memory does not grow with their number."""
    yield _line(COLUMNS)
    query = _query(wanted).order_by(AuditEntry.id)
    with session.scalars(query, execution_options={"yield_per": AT_A_TIME}) as rows:
        for entry in rows:
            yield _line(map(_cell, as_dict(entry).values()))


def as_dict(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in COLUMNS}


def _query(wanted: AuditFilter) -> Select[AuditEntry]:
    return select(AuditEntry).where(*wanted.conditions())


def _line(values: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(list(values))
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """Texts that no spreadsheet program takes for a formula."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds")
        case list():
            return cell("; ".join(value))
        case str():
            return cell(str(value))
        case _:
            return value
