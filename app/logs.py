"""One event per line: JSON for machines, plain on a terminal."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal

request_id: ContextVar[str] = ContextVar("request_id", default="-")

Format = Literal["auto", "json", "plain"]

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the call passed as `extra`."""
    return {key: value for key, value in record.__dict__.items() if key not in STANDARD}


QUOTING: Final = (ValueError, LookupError)
"""Errors whose message quotes the wrong value, which may be what a participant wrote."""

DATABASE: Final = {"psycopg", "sqlalchemy"}
"""Packages whose errors quote values, too; by name, because a process that logs may not have loaded them."""


def explained(error: BaseException) -> str:
    """An exception with its causes and tracebacks, without the values that messages quote."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    causes = f"{explained(before)}\nwhich led to\n" if before is not None else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([f"{causes}{frames}{_in_short(error)}", *map(explained, parts)])


def _in_short(error: BaseException) -> str:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.partition(".")[0] in DATABASE:
        original = getattr(error, "orig", error)
        constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
        return f"{name} (SQLSTATE {sqlstate(error)}{f', {constraint}' if constraint else ''})"
    return name if isinstance(error, QUOTING) else f"{name}: {error}"


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-letter error code; None for an error that is not the database's."""
    return getattr(getattr(error, "orig", error), "sqlstate", None)


class WithoutUserText(logging.Formatter):
    """Formats records without anything that a user sent."""

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return explained(ei[1]) if ei[1] is not None else ""

    @staticmethod
    def message(record: logging.LogRecord) -> str:
        text = record.getMessage()
        # Below its first line asyncio prints the exception of a task with the values that it quotes.
        return text.partition("\n")[0] if record.name == "asyncio" else text


class JsonLines(WithoutUserText):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            "request": request_id.get(),
        } | facts(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PlainLines(WithoutUserText):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        details = "".join(f" {key}={value}" for key, value in facts(record).items() if key != "action")
        line = f"{at} {level}{self.message(record)}{details}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(form: Format = "json", *, level: int = logging.INFO) -> None:
    is_plain = form == "plain" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(PlainLines() if is_plain else JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # at INFO it logs every periodic task
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it logs addresses, which hold ids
