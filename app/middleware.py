"""The layers around every request: ids, security headers, limits on size and number, compression."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import uuid4

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.db import to_json
from app.errors import AppError, NotStorable, TooLarge, TooSlow, Unavailable
from app.web import SAFE_METHODS, on_app_error, on_bug

BODY_S: Final = 60.0
"""For a body of some 100 kB; a phone on a bad network needs a few seconds."""

SUSPICIOUS: Final = re.compile(rb"\x00|%00|\\u0000|\\u[dD][89a-fA-F]|NaN|Infinity|[eE]\+?[0-9]{3}")
"""Cheap signs of a body that cannot be stored. Harmless bodies have them, too, so such a body is parsed."""

PARTICIPANT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; "
)
# plotly writes its own style element; staff pages show nothing that a stranger wrote.
STAFF_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class SecurityHeaders:
    """Gives each request an id, and each answer its security headers, the answer to a bug included."""

    def __init__(self, app: ASGIApp, *, frame_ancestors: str, hsts: timedelta) -> None:
        self.app = app
        self.hsts = f"max-age={hsts.total_seconds():.0f}" if hsts else None
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
        if self.hsts:
            headers.setdefault("Strict-Transport-Security", self.hsts)
        headers["X-Request-ID"] = identity


class BodyLimit:
    """Pass a request on once all of its body has arrived and can be stored.

    A body over `limit` bytes, or one that takes longer than `timeout_s`, is refused. So is a text that the
    database cannot hold: PostgreSQL would refuse it later, in the middle of a download, and quote it.

    A client that sends slowly, or stops half-way because its network is gone, waits here and occupies no
    place of `ConcurrencyLimit`. FastAPI has a limit of its own, but it answers in plain text, and every
    error of this application has one shape.
    """

    def __init__(self, app: ASGIApp, *, limit: int, timeout_s: float = BODY_S) -> None:
        self.app = app
        self.limit = limit
        self.timeout_s = timeout_s
        self.complaint = f"The request is larger than {limit / 1e6:.0f} MB."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        is_short = not announced.isdecimal() or int(announced) <= self.limit
        try:
            async with asyncio.timeout(self.timeout_s):
                messages = await self._complete_body(receive) if is_short else None
        except TimeoutError:
            await self._refuse(scope, TooSlow())(scope, receive, send)
            return
        if messages is None:
            await self._refuse(scope, TooLarge(self.complaint))(scope, receive, send)
        elif not is_storable(scope, b"".join(message.get("body", b"") for message in messages)):
            await self._refuse(scope, NotStorable())(scope, receive, send)
        elif messages[-1]["type"] != "http.disconnect":
            await self.app(scope, replayed(messages, receive), send)

    def _refuse(self, scope: Scope, error: AppError) -> Response:
        response = on_app_error(Request(scope), error)
        response.headers["Connection"] = "close"  # the rest of the body is not wanted
        return response

    async def _complete_body(self, receive: Receive) -> list[Message] | None:
        """What the client sent, up to the end of its body; None when that is too long."""
        messages: list[Message] = []
        received = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            received += len(messages[-1].get("body", b""))
            if received > self.limit:
                return None
        return messages


def is_storable(scope: Scope, body: bytes) -> bool:
    """Whether neither the address nor the body has a text or a number that PostgreSQL refuses.

    Files of a form may hold anything; its fields are checked when they are stored.
    """
    query = scope["query_string"]
    is_link = scope["path"].startswith("/s/")  # that route explains itself what is wrong with a link
    if "\0" in scope["path"] or (not is_link and (b"%00" in query or b"\0" in query)):
        return False
    if not SUSPICIOUS.search(body) or b"multipart/form-data" in kind_of(scope):
        return True
    try:
        to_json(json.loads(body))
    except NotStorable:
        return False
    except (ValueError, RecursionError):  # not JSON; the route refuses it with its own message
        return b"%00" not in body and b"\0" not in body
    return True


def kind_of(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"").lower()


def replayed(messages: list[Message], receive: Receive) -> Receive:
    """A `receive` that yields `messages` again, then what the client sends after them."""
    waiting = deque(messages)

    async def receive_again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return receive_again


class Compressed:
    """Compress what is the same for everybody: scripts, styles, a study's page.

    Never the pictures of participants. They are padded so that their length tells nothing, and compression
    would remove the padding.
    """

    PATHS: Final = ("/static/", "/s/", "/plotly.min.js")

    def __init__(self, app: ASGIApp) -> None:
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_text = scope["type"] == "http" and scope["path"].startswith(self.PATHS)
        await (self.compressed if is_text else self.plain)(scope, receive, send)


REQUEST_GROUPS: Final = {
    # Pictures, static files and the health check do not wait for the database, so they have no limit.
    **dict.fromkeys(("/i/", "/static/", "/plotly.min.js", "/health"), None),
    **dict.fromkeys(("/api/participant/", "/api/trials/", "/s/"), "participants"),
}
"""The group of a request by the beginning of its path; every other path but `ENROLMENT` belongs to staff."""

ENROLMENT: Final = re.compile(r"/api/studies/[^/]+/participants")
"""Where participants come in with POST; staff read the list of participants there."""

QUEUE_S: Final = 15.0
"""How long a request waits for its turn; by then the page has given up and will ask again."""


class ConcurrencyLimit:
    """Limit how many requests of each group this process works on at once; the others wait their turn.

    A request may hold a database connection while it waits for a thread, and a thread while it waits for a
    connection. With more requests at work than connections, that can deadlock. More threads would not help
    either: Python runs one at a time, so all of them would finish later. Participants and staff are separate
    groups, so that a slow staff page or a stalled store does not delay a study.

    A request gives its place up when its answer starts, so that a slow reader does not block others.

    limits : how many requests of each group
    """

    def __init__(self, app: ASGIApp, *, limits: Mapping[str, int], timeout_s: float = QUEUE_S) -> None:
        self.app = app
        self.places = {group: asyncio.Semaphore(limit) for group, limit in limits.items()}
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        group = request_group(scope)
        if group is None:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.places[group].acquire()
        except TimeoutError:
            await on_app_error(Request(scope), Unavailable())(scope, receive, send)
            return
        await self._work(self.places[group], scope, receive, send)

    async def _work(self, places: asyncio.Semaphore, scope: Scope, receive: Receive, send: Send) -> None:
        has_place = True

        def release() -> None:
            nonlocal has_place
            if has_place:
                has_place = False
                places.release()

        async def release_and_send(message: Message) -> None:
            release()
            await send(message)

        try:
            await self.app(scope, receive, release_and_send)
        finally:
            release()


def request_group(scope: Scope) -> str | None:
    """The group whose limit a request counts towards; None for a request without a limit."""
    if scope["type"] != "http":
        return None
    path = scope["path"]
    if scope["method"] == "POST" and ENROLMENT.fullmatch(path):
        return "participants"
    return next((group for start, group in REQUEST_GROUPS.items() if path.startswith(start)), "staff")


class SameOriginOnly:
    """Refuse unsafe requests that a browser says came from another site.

    Browsers send `Sec-Fetch-Site` and scripts cannot forge it; older ones send `Origin`. A request
    with neither is not from a browser, so it carries no ambient cookie.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not same_origin(scope):
            refusal = {"error": "cross_origin", "detail": "This request came from another site."}
            await JSONResponse(refusal, status_code=403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def same_origin(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if site := headers.get("sec-fetch-site"):
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")
