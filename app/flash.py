"""A notice that the page after a form shows once.

It travels in a cookie that scripts and other sites cannot read, so that the server stores none of it, not
even a login link. Every form answers with a redirect, so that reloading the next page sends no form again.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Final, Literal

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

COOKIE: Final = "cyborg_flash"
PATH: Final = "/staff"
LIFETIME_S: Final = 60
LONGEST: Final = 2800
"""Characters of a notice as JSON: a browser keeps cookies of 4 KB, and base64 makes four bytes of three."""


@dataclass(frozen=True, slots=True)
class Flash:
    """A notice. `kind` says how it looks; `copies` is a text with a button that copies it."""

    kind: Literal["ok", "danger"]
    title: str
    lines: tuple[str, ...] = ()
    copies: str = ""


def leave_for(path: str, request: Request, flash: Flash) -> RedirectResponse:
    """The answer to a form: the browser goes to `path` with GET and finds the notice there."""
    response = RedirectResponse(path, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        COOKIE,
        urlsafe_b64encode(_shortened(flash).encode()).decode(),
        max_age=LIFETIME_S,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=request.app.state.settings.secure_cookies,
    )
    return response


def _shortened(flash: Flash) -> str:
    """The notice as JSON that fits into a cookie: long lines are cut, and the last of many are left out."""
    lines = [line[:500] for line in flash.lines]
    while len(text := json.dumps(asdict(flash) | {"lines": lines})) > LONGEST:
        lines = [*lines[:-2], "…"]
    return text


def flash_of(request: Request) -> Flash | None:
    """The notice in the request's cookie; None without one, or when it cannot be read."""
    try:
        fields = json.loads(urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        return Flash(fields["kind"], fields["title"], tuple(fields["lines"]), fields["copies"])
    except (ValueError, KeyError, TypeError):
        return None


def forget_flash(response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH)
