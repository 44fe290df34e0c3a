"""Templates, and the shape of errors, for every page and every answer."""

import errno
import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.routing import Match

from annotation_ui import TEMPLATES
from app import logs
from app.errors import (
    AppError,
    NotLoggedIn,
    NotStorable,
    SecondFactorMissing,
    TooLarge,
    Unavailable,
    from_integrity_error,
)
from app.flash import flash_of, forget_flash

logger = logging.getLogger(__name__)

SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
"""Of HTTP: those that change nothing."""

FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

templates: Final = Jinja2Templates(directory=TEMPLATES)
templates.env.trim_blocks = templates.env.lstrip_blocks = True

# "js-default" refuses raw HTML, so that no text of staff can run a script on a participant's page.
_markdown: Final = MarkdownIt("js-default")


def markdown(text: str) -> Markup:
    """Markdown as HTML; raw HTML in it is shown as text."""
    return Markup(_markdown.render(text))  # noqa: S704


def static(path: str) -> str:
    """The address of a file in `annotation_ui/static`."""
    return f"/static/{path}"


templates.env.globals["static"] = static
templates.env.filters["markdown"] = markdown


def page(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template; `staff` is who is logged in, `flash` the notice of the form that led here."""
    context.setdefault("staff", getattr(request.state, "staff", None))
    flash = flash_of(request)
    response = templates.TemplateResponse(request, template, context | {"flash": flash}, status_code=status)
    if flash is not None:
        forget_flash(response)
    return response


class Problem(BaseModel):
    """What every refusal looks like to a program, whatever its status."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    error: str
    """A code that never changes, for example `not_found`."""
    detail: str
    """One sentence for a person."""
    reference: str
    """The number of the request in the server's log."""


def wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "")


def refusal(request: Request, *, status: int, code: str, detail: str, **way_out: str | None) -> Response:
    """One error, as JSON to a program and as a page to a person."""
    reference = logs.request_id.get()
    if wants_json(request):
        body = {"error": code, "detail": detail, "reference": reference}
        return JSONResponse(
            body | {name: value for name, value in way_out.items() if value is not None}, status_code=status
        )
    template = "participant/error.html" if request.url.path.startswith("/s/") else "error.html"
    return page(request, template, status=status, message=detail, reference=reference, code=code)


def sentence(error: RequestValidationError) -> str:
    """The first thing wrong with a request, in one line: where, then what."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return f"{where or 'body'}: {first['msg']}"


def on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - the type that it is registered for
    if isinstance(error, NotLoggedIn) and not wants_json(request) and request.method == "GET":
        address = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        return RedirectResponse(f"/login?next={quote(address)}", HTTPStatus.SEE_OTHER)
    if isinstance(error, SecondFactorMissing) and not wants_json(request) and request.method == "GET":
        return RedirectResponse("/staff/account/second-factor", HTTPStatus.SEE_OTHER)
    response = refusal(
        request,
        status=error.status,
        code=error.code(),
        detail=str(error),
        redirect_url=error.redirect_url,
        completion_code=error.completion_code,
    )
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return refusal(request, status=422, code="invalid", detail=sentence(error))


def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (above := page_above(request)):
        return RedirectResponse(above, HTTPStatus.SEE_OTHER)
    is_too_large = error.status_code == TooLarge.status
    code = TooLarge.code() if is_too_large else HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return refusal(request, status=error.status_code, code=code, detail=str(error.detail))


def page_above(request: Request) -> str | None:
    """The page of the form, for an address that only takes forms and was opened with GET."""
    path = request.url.path
    if request.method != "GET" or wants_json(request):
        return None
    while path := path.rpartition("/")[0]:
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            return path
    return "/"


def on_integrity_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IntegrityError)  # noqa: S101
    if app_error := from_integrity_error(error):
        return on_app_error(request, app_error)
    return on_bug(request, error)


def on_data_error(request: Request, error: Exception) -> Response:
    """A value that Python accepts and the database does not: a NUL in a text, a number past bigint.

    It is the client's mistake. The answer to a bug, 500, would make the page send it again and again.
    """
    logger.warning("not storable", extra=facts_of(request, error, action="refused"))
    return on_app_error(request, NotStorable())


def on_database_error(request: Request, error: Exception) -> Response:
    """The database is gone, starting, full or too busy. None of that lasts, so the page may send again."""
    logger.warning("the database cannot", extra=facts_of(request, error, action="unavailable"))
    return on_app_error(request, Unavailable("The database does not answer; please try again in a moment."))


def on_os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)  # noqa: S101
    if error.errno not in FULL:
        return on_bug(request, error)
    logger.error("the disk is full", extra=facts_of(request, error, action="unavailable"))
    return on_app_error(request, Unavailable("The server's disk is full; please tell the staff."))


def on_bug(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra=facts_of(request, error, action="failed"))
    reference = logs.request_id.get()
    detail = f"Something went wrong on our side. If you write to us, quote {reference}."
    return refusal(request, status=500, code="internal", detail=detail)


def facts_of(request: Request, error: Exception, *, action: str) -> dict[str, Any]:
    """What a log may say of a failed request: its route, not its address, which may hold a token."""
    route = getattr(request.scope.get("route"), "path", "/" + request.url.path.split("/")[1])
    return {"action": action, "route": route, "error": type(error).__name__, "sqlstate": logs.sqlstate(error)}


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(IntegrityError, on_integrity_error)
    app.add_exception_handler(DataError, on_data_error)
    app.add_exception_handler(UnicodeEncodeError, on_data_error)
    for kind in (OperationalError, InterfaceError, NoConnection):
        app.add_exception_handler(kind, on_database_error)
    app.add_exception_handler(OSError, on_os_error)
