"""Pages of a long list by the key of the last row seen: as quick at the end as at the start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, the address of the rows after them and of the first ones."""

    rows: Sequence[T]
    next_url: str | None
    first_url: str | None


def cut(request: Request, rows: Sequence[T], *, size: int, key: Callable[[T], object]) -> Page[T]:
    """The page of `rows`, which were asked for one more than `size`, so that it knows of a next one."""
    asked = {name: value for name, value in request.query_params.items() if name != "after" and value}
    shown = rows[:size]
    following = _url(request, {**asked, "after": str(key(shown[-1]))}) if len(rows) > size else None
    first = _url(request, asked) if request.query_params.get("after") else None
    return Page(shown, following, first)


def _url(request: Request, parameters: dict[str, str]) -> str:
    return f"{request.url.path}?{urlencode(parameters)}" if parameters else request.url.path
