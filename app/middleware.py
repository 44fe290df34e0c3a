"""What every request passes on its way in, and every answer on its way out."""

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
"""What a body has that cannot be stored, and some that can: an emoji, a word. It is worth a closer look."""

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
    """Let a request in when all of its body is here, and can be kept.

    Refused is one over `limit` bytes or `patience_s` seconds, and a text that the database cannot hold:
    found only there, it would end a download half-way, and PostgreSQL would quote it.

    Whoever sends slowly, or stops half-way because the network is gone, waits here and keeps none of
    the places of `InFlight`. FastAPI has a limit of its own, which answers in plain text; every error
    here has one shape.
    """

    def __init__(self, app: ASGIApp, *, limit: int, patience_s: float = BODY_S) -> None:
        self.app = app
        self.limit = limit
        self.patience_s = patience_s
        self.complaint = f"The request is larger than {limit / 1e6:.0f} MB."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        is_short = not announced.isdecimal() or int(announced) <= self.limit
        try:
            async with asyncio.timeout(self.patience_s):
                messages = await self._whole(receive) if is_short else None
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


def is_storable(scope: Scope, body: bytes) -> bool:
    """Whether neither the address nor the body has a text or a number that PostgreSQL refuses.

    The files of a form may hold anything; its fields are looked at when they are stored.
    """
    asked = scope["query_string"]
    is_link = scope["path"].startswith("/s/")  # which says itself what is wrong with a link
    if "\0" in scope["path"] or (not is_link and (b"%00" in asked or b"\0" in asked)):
        return False
    if not SUSPICIOUS.search(body) or b"multipart/form-data" in kind_of(scope):
        return True
    try:
        to_json(json.loads(body))
    except NotStorable:
        return False
    except (ValueError, RecursionError):  # no JSON, which others will say
        return b"%00" not in body and b"\0" not in body
    return True


def kind_of(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"content-type"), b"").lower()


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


ROOMS: Final = {
    # Pictures, files, and whether the server is well: none of them waits for the database.
    **dict.fromkeys(("/i/", "/static/", "/plotly.min.js", "/health"), None),
    **dict.fromkeys(("/api/participant/", "/api/trials/", "/api/studies/", "/s/"), "participants"),
}
"""Who works where, by the beginning of the address; staff have the rest."""

DOOR_S: Final = 15.0
"""A page has given up by then, and will ask again."""


class InFlight:
    """Let at most so many requests work at once in each room of this process; the others wait at its door.

    A request holds a database connection while it waits for a thread, and a thread while it waits for a
    connection. With more requests at work than connections those two queues can wait for each other for
    ever; at most as many requests as connections cannot. And threads take turns in Python: more of them
    at once finish later, all of them. Participants and staff have a room each, so that nothing which holds
    up staff, a long page or a stalled store, holds up a study.

    The place is free again when the answer starts, so that a slow reader keeps nobody out.
    """

    def __init__(self, app: ASGIApp, *, places: Mapping[str, int], patience_s: float = DOOR_S) -> None:
        self.app = app
        self.places = {room: asyncio.Semaphore(limit) for room, limit in places.items()}
        self.patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        room = room_of(scope)
        if room is None:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.patience_s):
                await self.places[room].acquire()
        except TimeoutError:
            await on_app_error(Request(scope), Unavailable())(scope, receive, send)
            return
        await self._work(self.places[room], scope, receive, send)

    async def _work(self, places: asyncio.Semaphore, scope: Scope, receive: Receive, send: Send) -> None:
        held = True

        def free() -> None:
            nonlocal held
            if held:
                held = False
                places.release()

        async def send_and_free(message: Message) -> None:
            free()
            await send(message)

        try:
            await self.app(scope, receive, send_and_free)
        finally:
            free()


def room_of(scope: Scope) -> str | None:
    if scope["type"] != "http":
        return None
    path = scope["path"]
    return next((room for start, room in ROOMS.items() if path.startswith(start)), "staff")


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
