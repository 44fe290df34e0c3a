"""A server that a command speaks to instead of this machine's database: `--server` and `--token`."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from typer._click.globals import get_current_context  # Typer brings Click and has no name of its own for this

from app.errors import AppError, BadInput, NotAllowed, TooLarge, Unavailable

if TYPE_CHECKING:
    from httpx2 import Response

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
"""At work that a worker does."""
THIS_MACHINE: Final = {"127.0.0.1", "::1", "localhost"}

MACHINE: Final = "it is about the processes, files and settings of that machine"
ACCOUNTS: Final = "no token decides who may log in, and as what"
"""Reasons of commands that take no `--server`."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A server, and the API token that it is asked with."""

    url: str
    token: str

    def get(self, path: str, **content: Any) -> Response:
        return self._send("GET", path, **content)

    def post(self, path: str, **content: Any) -> Response:
        return self._send("POST", path, **content)

    def put(self, path: str, **content: Any) -> Response:
        return self._send("PUT", path, **content)

    def delete(self, path: str) -> Response:
        return self._send("DELETE", path)

    def _send(self, method: str, path: str, **content: Any) -> Response:
        """`BadInput`, `NotAllowed` or `Unavailable` with what the server says."""
        import httpx2

        try:
            answer = httpx2.request(
                method, self.url + path, headers=self._headers, timeout=TIMEOUT_S, **content
            )
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self.url} does not answer: {error}") from None
        if not answer.is_success:
            raise _refused(answer)
        return answer

    def finished(
        self, task: int, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Any:
        """What came of a background task, which a worker of the server does. `BadInput`: nothing."""
        while (now := self.get(f"/api/tasks/{task}").json())["state"] in ("queued", "running"):
            on_progress(now["done"], now["total"])
            time.sleep(LOOK_EVERY_S)
        if now["result"] is None:
            raise BadInput(now["error"] or f"Task {task} was stopped.")
        return now["result"]

    def unzip(self, path: str, folder: Path, query: dict[str, Any]) -> None:
        """Download a ZIP file of one folder and write it as `folder`, which is empty or not there."""
        if folder.exists() and any(folder.iterdir()):
            raise BadInput(f"{folder} is not empty.")
        with TemporaryFile() as file:
            self.download(path, file, query)
            _extract(file, folder)

    def download(self, path: str, into: IO[bytes], query: dict[str, Any]) -> None:
        """Write what the server sends, piece by piece."""
        import httpx2

        try:
            with httpx2.stream(
                "GET", self.url + path, params=query, headers=self._headers, timeout=TIMEOUT_S
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refused(answer)
                for chunk in answer.iter_bytes():
                    into.write(chunk)
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self.url} does not answer: {error}") from None

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}


def _extract(file: IO[bytes], folder: Path) -> None:
    """Beside its place first, so that the folder appears when it is whole."""
    with TemporaryDirectory(dir=folder.absolute().parent) as draft:
        zipfile.ZipFile(file).extractall(draft)  # which keeps names inside
        (inside,) = Path(draft).iterdir()
        inside.replace(folder)


def _refused(answer: Response) -> AppError:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"the server answers {answer.status_code}"
    about_what_was_sent = answer.status_code in (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.CONFLICT,
        TooLarge.status,
    )
    return BadInput(str(detail)) if about_what_was_sent else NotAllowed(str(detail))


def chosen(server: str | None, token: str | None) -> Remote | None:
    """What the options of `cyborg` say. `BadInput`: no token, or one that would travel unencrypted."""
    if not server:
        return None
    address = urlsplit(server)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise BadInput(f"{server} is not the address of a server, like https://faces.lab.example.")
    if address.scheme == "http" and address.hostname not in THIS_MACHINE:
        raise BadInput("A token is sent over https only; http is for this machine.")
    if not token:
        raise BadInput("Set CYBORG_TOKEN to an API token of the server.")
    return Remote(f"{address.scheme}://{address.netloc}", token)


def only_here(reason: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A command that works on the server itself; with `--server` it does nothing but say so.

    reason : a clause, why there is no other way; docs/api.md lists them
    """

    def limited(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def checked(*arguments: P.args, **options: P.kwargs) -> R:
            if remote() is not None:
                raise BadInput(
                    f"This command works on the server itself, because {reason}; leave out --server."
                )
            return command(*arguments, **options)

        vars(checked)["only_here"] = reason
        return checked

    return limited


def remote() -> Remote | None:
    """The server that this command is to ask; None: this machine's database."""
    context = get_current_context(silent=True)
    found = context.find_root().obj if context else None
    return found if isinstance(found, Remote) else None
