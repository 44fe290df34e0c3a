"""What a command says of an error that its user can do something about."""

from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError, OperationalError

from app.errors import AppError
from app.settings import Settings


def sentence_of(error: Exception) -> str | None:
    """One line; None for a fault of ours, which keeps its traceback."""
    match error:
        case ArgumentError():
            return "CYBORG_DATABASE_URL is not an address like postgresql://user:password@host/name."
        case ValidationError():
            return _of_settings(error) if error.title == Settings.__name__ else str(error)
        case AppError() | OSError() | ValueError():
            return str(error)
        case OperationalError():
            return f"the database does not answer: {' '.join(str(error.orig).split())}"
        case _:
            return None


def _of_settings(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    variable = "_".join(["CYBORG", *(str(part).upper() for part in first["loc"])])
    what = first["msg"].removeprefix("Value error, ")
    has_password = variable == "CYBORG_DATABASE_URL"
    return f"{variable}: {what}." if has_password else f"{variable}: {what}, not {str(first['input'])!r}."
