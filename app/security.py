"""Tokens, passwords, and who may send what from where."""

import base64
import hashlib
import hmac
import secrets
from threading import Lock
from typing import Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pwdlib import PasswordHash
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import TooManyRequests

SAFE_METHODS: Final = {"GET", "HEAD", "OPTIONS"}

passwords: Final = PasswordHash.recommended()

ONE_AT_A_TIME: Final = Lock()
"""Held while a password is checked: that takes 64 MB and a core, and a flood of logins has time to wait."""

# Verified when nobody has the e-mail, so that unknown and known addresses take the same time.
NOBODYS_HASH: Final = passwords.hash(secrets.token_urlsafe())


def new_token() -> str:
    """256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_link_token(secret: bytes) -> str:
    """A name for a person who has none here, signed so that nobody else can make one up."""
    identity = secrets.token_urlsafe(16)
    return f"{identity}.{_signature(secret, identity)}"


def link_identity(secret: bytes, token: str) -> str | None:
    """What is stored of the person whom a link token stands for; None when its signature is false."""
    identity, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, identity).encode()):
        return None
    return token_hash(identity)


def _signature(secret: bytes, identity: str) -> str:
    digest = hmac.digest(secret, identity.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:24]).decode()


class RateLimit:
    """How often one key may do something; the memory is each web process's own."""

    def __init__(self, rate: str, complaint: str) -> None:
        self._rate = parse(rate)
        self._complaint = complaint
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, *key: str) -> None:
        """Count once more for `key`; TooManyRequests, and nothing counted, when it was too often of late."""
        if not self._limiter.hit(self._rate, *key):
            raise TooManyRequests(self._complaint)


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
