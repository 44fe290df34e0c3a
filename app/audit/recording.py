"""Writing the audit log: every transaction of a person that changes something leaves one entry in it.

A session is watched from the moment when it is known who is asking (`watch`). From then on it notes which
rows change, and adds the entry to the transaction just before that is committed. So no route, command or
service writes entries, and none can forget to.

What participants do and what a worker does is not watched: their rows carry it themselves. Who asked for
background work is.
"""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, inspect
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, sessionmaker

from app import logs
from app.models import AuditEntry, Channel

WATCH: Final = "audit"
"""Key in `Session.info`."""

QUIET: Final = {"audit_entry", "password_tries", "staff_session", "recovery_code"}
"""Tables whose rows are no changes of their own: a login has its entry, what counts tries needs none."""

TOLD: Final = {"slug", "title", "name", "email", "version", "kind", "split", "label", "scopes"}
"""Texts that may be read in an entry. Any other text is a secret, a person's or long, and only said to have
changed."""

PLAIN: Final = (bool, int, float, Decimal, datetime, timedelta, UUID, enum.Enum)

NAMED_BY: Final = ("slug", "email", "id")
"""What a row is called by: the first of these that it has."""

MOST_LINES: Final = 1000
"""Of an entry: what one press does to a thousand submissions can still be looked up for each of them."""
LONGEST: Final = 200  # characters of a value

NOUNS: Final = {
    "studies": "study",
    "participants": "participant",
    "experiments": "experiment",
    "datasets": "dataset",
    "runs": "run",
    "tasks": "task",
    "people": "staff",
    "tokens": "token",
    "notes": "note",
    "links": "link",
    "detectors": "detector",
}
"""Words of addresses, as the command line has them."""

THINGS: Final = {*NOUNS.values(), "images", "maps", "analysis", "scores", "model"}
VERBS: Final = {"POST": "create", "PUT": "set", "PATCH": "change", "DELETE": "delete"}
OF_EVERY_ADDRESS: Final = {"staff", "api", "v1"}

PARAMETERS: Final = {"slug": "study", "version": "version", "token": None}
"""Parameters of addresses that are not called `…_id`; None is never written down."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, for what, and from where; the columns of `AuditEntry`."""

    who: str
    channel: Channel
    action: str
    staff_id: int | None = None
    through: str | None = None
    subject: str = ""
    address: str = ""
    request_id: str = ""


@dataclass
class Watched:
    """What a session has changed since its transaction began."""

    actor: Actor
    lines: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    savepoints: dict[SessionTransaction, tuple[int, int]] = field(default_factory=dict)

    def note(self, line: str, subject: str | None = None) -> None:
        if line not in self.lines:
            self.lines.append(line)
        if subject and subject not in self.subjects:
            self.subjects.append(subject)

    def entry(self) -> AuditEntry:
        actor = self.actor
        left_out = len(self.lines) - MOST_LINES
        more = [f"and {left_out} more"] if left_out > 0 else []
        return AuditEntry(
            staff_id=actor.staff_id,
            who=actor.who,
            channel=actor.channel,
            through=actor.through,
            action=actor.action,
            subject=actor.subject or ", ".join(self.subjects[:3]),
            changes=self.lines[:MOST_LINES] + more,
            address=actor.address,
            request_id=actor.request_id,
        )


# ---- whom ----


def watch(session: Session, actor: Actor) -> None:
    """From now on this session writes entries in the name of `actor`."""
    known = session.info.get(WATCH)
    session.info[WATCH] = Watched(actor)
    if known is None:
        _listen(session)


def watched(sessions: sessionmaker[Session], actor: Actor) -> sessionmaker[Session]:
    """Sessions that all write entries in the name of `actor`."""
    made = sessionmaker(**{**sessions.kw, "info": {"actor": actor}})
    _listen(made)
    return made


def unwatched(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Sessions that write none: for background work, whose progress is no change of a person's."""
    return sessionmaker(**{name: value for name, value in sessions.kw.items() if name != "info"})


def subject(session: Session, text: str) -> None:
    """Say better than the address does what the change is about."""
    if known := _watch_of(session):
        known.actor = replace(known.actor, subject=text)


def note(session: Session, line: str) -> None:
    """Say what no row shows: that somebody logged in."""
    if known := _watch_of(session):
        known.note(line)


def action_of(method: str, path: str) -> str:
    """`POST /staff/studies/{slug}/open` is `study.open`; the method counts where the path ends in a noun."""
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    words = [NOUNS.get(word, word) for word in words if word not in OF_EVERY_ADDRESS]
    return ".".join(words if words[-1] not in THINGS else [*words, VERBS.get(method, method.lower())])


def subject_of(parameters: dict[str, Any]) -> str:
    """What the parameters of an address name: `study faces, participant 1b4e…`."""
    named = {PARAMETERS.get(name, name.removesuffix("_id")): value for name, value in parameters.items()}
    return ", ".join(f"{kind} {value}" for kind, value in named.items() if kind)


def request_id() -> str:
    return logs.request_id.get()


# ---- what ----


def _watch_of(session: Session) -> Watched | None:
    known: Watched | None = session.info.get(WATCH)
    if known is None and (actor := session.info.get("actor")):
        known = session.info[WATCH] = Watched(actor)
    return known


def _listen(target: Session | sessionmaker[Session]) -> None:
    event.listen(target, "after_flush", _note_rows)
    event.listen(target, "do_orm_execute", _note_statement)
    event.listen(target, "after_transaction_create", _note_savepoint)
    event.listen(target, "after_soft_rollback", _forget)
    event.listen(target, "before_commit", _write)


def _note_rows(session: Session, _context: object) -> None:
    """New rows have their numbers by now, and changed ones still know what they were."""
    if (known := _watch_of(session)) is None:
        return
    for row in session.new:
        if row.__tablename__ not in QUIET:
            known.note(_created(row), _called(row))
    for row in session.dirty:
        if row.__tablename__ not in QUIET and (changed := list(_differences(row))):
            known.note(f"{_called(row)}: {', '.join(changed)}", _called(row))
    for row in session.deleted:
        if row.__tablename__ not in QUIET:
            known.note(f"{_called(row)} deleted", _called(row))


def _note_statement(state: ORMExecuteState) -> None:
    """A statement that changes rows without loading them: its table and what it does."""
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    known, mapper = _watch_of(state.session), state.bind_mapper
    table = str(mapper.local_table) if mapper is not None else "rows"
    if known is None or table in QUIET:
        return
    did = "created" if state.is_insert else "changed" if state.is_update else "deleted"
    known.note(f"{table.replace('_', ' ')} rows {did}")


def _note_savepoint(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested and (known := _watch_of(session)):
        known.savepoints[transaction] = len(known.lines), len(known.subjects)


def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What is rolled back has not happened."""
    if known := _watch_of(session):
        lines, subjects = known.savepoints.pop(transaction, (0, 0))
        del known.lines[lines:], known.subjects[subjects:]


def _write(session: Session) -> None:
    if session.in_nested_transaction() or (known := _watch_of(session)) is None:
        return
    session.flush()
    if known.lines:
        session.add(known.entry())
        session.flush()
        session.info[WATCH] = Watched(known.actor)


def _called(row: Any) -> str:
    """`study faces`, `participant 1b4e…`, `staff ada@lab.example`."""
    kind, loaded = row.__tablename__.replace("_", " "), inspect(row).dict
    name = next((value for key in NAMED_BY if (value := loaded.get(key)) is not None), None)
    return kind if name is None else f"{kind} {name}"


def _created(row: Any) -> str:
    told = [
        f"{name} {_short(value)}"
        for name, value in _columns(row)
        if value is not None and name not in NAMED_BY and not name.endswith("_id") and _is_told(name, value)
    ]
    return f"{_called(row)} created" + (f": {', '.join(told)}" if told else "")


def _columns(row: Any) -> Iterable[tuple[str, Any]]:
    loaded = inspect(row).dict
    return ((column.key, loaded.get(column.key)) for column in inspect(type(row)).column_attrs)


def _differences(row: Any) -> Iterator[str]:
    state = inspect(row)
    for attribute in inspect(type(row)).column_attrs:
        history = state.attrs[attribute.key].history
        if not history.has_changes():
            continue
        before, after = ((values or (None,))[0] for values in (history.deleted, history.added))
        if all(value is None or _is_told(attribute.key, value) for value in (before, after)):
            yield f"{attribute.key} {_short(before)} → {_short(after)}"
        else:
            yield f"{attribute.key} changed"


def _is_told(name: str, value: Any) -> bool:
    return isinstance(value, PLAIN) or (name in TOLD and isinstance(value, (str, list, tuple)))


def _short(value: Any) -> str:
    match value:
        case None:
            return "–"
        case enum.Enum():
            return str(value.value)
        case datetime():
            return value.isoformat(timespec="seconds")
        case list() | tuple():
            return " ".join(map(str, value))[:LONGEST]
        case _:
            return str(value)[:LONGEST]
