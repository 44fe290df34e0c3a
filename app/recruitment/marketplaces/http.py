"""Calls of a marketplace's API: patient, never repeated where that would be wrong, with errors in words."""

import logging
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from app.errors import MarketplaceRefused, MarketplaceUnavailable

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = httpx2.Timeout(20.0, connect=5.0)
WAITS_S: Final = (0.5, 2.0, 8.0)
"""Before the second try, the third, the fourth."""

LONGEST_WAIT_S: Final = 30.0
"""A marketplace that wants more patience than this is asked again at the next visit."""

TOO_MANY: Final = 429

DETAIL: Final = 300  # characters of what a marketplace complains of


class Api:
    """JSON over HTTP.

    name : of the marketplace, in sentences
    headers : of every request; they hold the token and are never logged
    pause : waits so many seconds
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._pause = pause
        self._client = httpx2.Client(
            base_url=base_url, headers=dict(headers), timeout=TIMEOUT_S, transport=transport
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        return self.call("GET", path, query=query)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str | int] | None = None,
        repeatable: bool = True,
    ) -> Any:
        """The answer's JSON; None where it has none.

        repeatable : whether a call whose answer was lost may be sent again
        """
        return _json(self.send(method, path, body, query=query, repeatable=repeatable))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str | int] | None = None,
        repeatable: bool = True,
    ) -> httpx2.Response:
        for wait_s in (*WAITS_S, None):
            try:
                response = self._client.request(method, path, json=body, params=dict(query or {}))
            except httpx2.TransportError as error:
                self._note(method, type(error).__name__)
                if wait_s is None or not repeatable:
                    raise MarketplaceUnavailable(f"{self.name} does not answer.") from None
                self._pause(wait_s)
                continue
            # Whoever is told to come later was not served, so that any call may be sent again.
            again = response.status_code == TOO_MANY or (response.is_server_error and repeatable)
            if again and wait_s is not None and (asked := _asked_wait(response, wait_s)) <= LONGEST_WAIT_S:
                self._note(method, str(response.status_code))
                self._pause(asked)
                continue
            return self._checked(response)
        raise AssertionError("the last try returns or raises")

    def _checked(self, response: httpx2.Response) -> httpx2.Response:
        status = response.status_code
        if response.is_success:
            return response
        if response.is_server_error or status == TOO_MANY:
            raise MarketplaceUnavailable(f"{self.name} cannot answer now ({status}).")
        raise MarketplaceRefused(f"{self.name} refuses ({status}): {_complaint(response)}")

    def _note(self, method: str, what: str) -> None:
        extra = {"action": "marketplace_retry", "marketplace": self.name, "method": method, "error": what}
        logger.warning("a marketplace did not answer", extra=extra)


def _json(response: httpx2.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return None


def _asked_wait(response: httpx2.Response, default_s: float) -> float:
    """Seconds until the next try: what `Retry-After` asks for, a number or a date."""
    asked = response.headers.get("retry-after", "")
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return default_s


def _complaint(response: httpx2.Response) -> str:
    """What a refusal says, on one line."""
    found = _json(response)
    error = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(error, dict):
        error = error.get("detail") or error.get("title") or error
    return " ".join(_flat(error).split())[:DETAIL] or "no reason given"


def _flat(detail: Any) -> str:
    match detail:
        case dict():
            return "; ".join(f"{name}: {_flat(value)}" for name, value in detail.items())
        case list():
            return ", ".join(_flat(value) for value in detail)
        case None:
            return ""
        case _:
            return str(detail)
