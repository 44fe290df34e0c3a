"""What every page and every answer shares: templates, error shapes, headers, limits."""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from markdown_it import MarkdownIt
from markupsafe import Markup
from sqlalchemy.exc import DataError, IntegrityError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from annotation_ui import TEMPLATES
from app import logs
from app.errors import AppError, BadInput, NotLoggedIn, TooLarge, from_integrity_error

logger = logging.getLogger(__name__)

templates: Final = Jinja2Templates(directory=TEMPLATES)
templates.env.trim_blocks = templates.env.lstrip_blocks = True

# "js-default" refuses raw HTML: whatever staff write, a participant's page runs none of it.
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
    """Render a template; `staff` is whoever is logged in, for the navigation."""
    context.setdefault("staff", getattr(request.state, "staff", None))
    return templates.TemplateResponse(request, template, context, status_code=status)


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
    return refusal(
        request,
        status=error.status,
        code=error.code(),
        detail=str(error),
        redirect_url=error.redirect_url,
        completion_code=error.completion_code,
    )


def on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return refusal(request, status=422, code="invalid", detail=sentence(error))


def on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    is_too_large = error.status_code == TooLarge.status
    code = TooLarge.code() if is_too_large else HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return refusal(request, status=error.status_code, code=code, detail=str(error.detail))


def on_integrity_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IntegrityError)  # noqa: S101
    if verdict := from_integrity_error(error):
        return on_app_error(request, verdict)
    return on_bug(request, error)


def on_data_error(request: Request, error: Exception) -> Response:
    """A NUL in a text, a number past bigint, NaN in JSON: valid to Python, refused by the database.

    Answered as a bug it would be sent again for ever, because a 500 may pass.
    """
    logger.warning("not storable", exc_info=error, extra={"action": "refused", "path": request.url.path})
    return on_app_error(request, BadInput("This holds a character or a number that cannot be stored."))


def on_bug(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra={"action": "failed", "path": request.url.path})
    reference = logs.request_id.get()
    detail = f"Something went wrong on our side. If you write to us, quote {reference}."
    return refusal(request, status=500, code="internal", detail=detail)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(IntegrityError, on_integrity_error)
    app.add_exception_handler(DataError, on_data_error)


PARTICIPANT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; "
)
# plotly writes its own style element; staff pages show nothing that a stranger wrote.
STAFF_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Envelope:
    """Gives every request an id and every answer, a bug's too, its security headers."""

    def __init__(self, app: ASGIApp, *, frame_ancestors: str) -> None:
        self.app = app
        self.participant_policy = (
            f"{PARTICIPANT_POLICY}form-action 'self' {frame_ancestors}; frame-ancestors {frame_ancestors}"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = uuid4().hex[:12]
        logs.request_id.set(identity)

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(MutableHeaders(scope=message), path=scope["path"], identity=identity)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise
            # Starlette would answer outside of every middleware, and so without these headers.
            await on_bug(Request(scope), error)(scope, receive, send_with_headers)

    def _add_headers(self, headers: MutableHeaders, *, path: str, identity: str) -> None:
        policy = self.participant_policy if path.startswith("/s/") else STAFF_POLICY
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Request-ID"] = identity


class BodyLimit:
    """Let a request in when all of its body is here; refuse one over `limit` bytes.

    Whoever sends slowly, or stops half-way because the network is gone, waits here and keeps none of
    the places of `InFlight`. FastAPI has a limit of its own, which answers in plain text; every error
    here has one shape.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.complaint = f"The request is larger than {limit / 1e6:.0f} MB."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        is_short = not announced.isdecimal() or int(announced) <= self.limit
        messages = await self._whole(receive) if is_short else None
        if messages is None:
            body = {"error": TooLarge.code(), "detail": self.complaint}
            await JSONResponse(body, status_code=TooLarge.status)(scope, receive, send)
        elif messages[-1]["type"] != "http.disconnect":
            await self.app(scope, replayed(messages, receive), send)

    async def _whole(self, receive: Receive) -> list[Message] | None:
        """What the client sent, up to the end of its body; None when that is too long."""
        messages: list[Message] = []
        received = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            received += len(messages[-1].get("body", b""))
            if received > self.limit:
                return None
        return messages


def replayed(messages: list[Message], receive: Receive) -> Receive:
    """Give `messages` once more, then what comes after them."""
    waiting = deque(messages)

    async def receive_again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return receive_again


class Compressed:
    """Compress what is the same for everybody: scripts, styles, a study's page.

    Never the pictures of participants: compressing their padding away would show how long they were.
    """

    PATHS: Final = ("/static/", "/s/", "/plotly.min.js")

    def __init__(self, app: ASGIApp) -> None:
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_text = scope["type"] == "http" and scope["path"].startswith(self.PATHS)
        await (self.compressed if is_text else self.plain)(scope, receive, send)


class InFlight:
    """Let at most `limit` requests work at once in this process; the others wait at the door.

    A request holds a database connection while it waits for a thread, and a thread while it waits for
    a connection. With more requests at work than connections those two queues can wait for each other
    for ever; at most as many requests as connections cannot. The place is free again when the answer
    starts, so that a slow reader keeps nobody out.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.places = asyncio.Semaphore(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.places.acquire()
        held = True

        def free() -> None:
            nonlocal held
            if held:
                held = False
                self.places.release()

        async def send_and_free(message: Message) -> None:
            free()
            await send(message)

        try:
            await self.app(scope, receive, send_and_free)
        finally:
            free()
