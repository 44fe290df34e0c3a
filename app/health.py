"""Whether the server can do its work, for load balancers and monitoring."""

import asyncio
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db import SessionFactory
from app.storage import BlobStore

TIMEOUT_S: Final = 3.0
MAX_AGE_S: Final = 1.0
"""How old an answer may be: the database is asked at most once a second."""

LEAST_FREE_BYTES: Final = 100_000_000

OK: Final = "ok"
NO_ANSWER: Final = "does not answer"


class Health:
    """Asks the database in a thread of its own; the state of the store is known from its last use."""

    def __init__(self, blobs: BlobStore, sessions: Callable[[], SessionFactory]) -> None:
        self._blobs = blobs
        self._sessions = sessions
        self._thread = ThreadPoolExecutor(1, "health")
        self._asked: asyncio.Future[str] | None = None
        self._asked_at = 0.0

    async def database(self) -> str:
        if self._asked is None or (self._asked.done() and time.monotonic() - self._asked_at > MAX_AGE_S):
            self._asked = asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
            self._asked_at = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.shield(self._asked)
        except TimeoutError:
            return NO_ANSWER

    def _ask(self) -> str:
        try:
            with self._sessions()() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return NO_ANSWER
        return OK

    def storage(self) -> str:
        if self._blobs.problems:
            return "; ".join(f"cannot {kind}: {why}" for kind, why in sorted(self._blobs.problems.items()))
        folder = self._blobs.folder
        if folder is not None and folder.exists() and shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return "the disk is nearly full"
        return OK

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


async def health(request: Request) -> JSONResponse:
    """200 while the database answers, else 503; the answer also has the state of the store."""
    checks: Health = request.app.state.health
    database, storage = await checks.database(), checks.storage()
    status = HTTPStatus.OK if database == OK else HTTPStatus.SERVICE_UNAVAILABLE
    is_healthy = database == storage == OK
    word = OK if is_healthy else "degraded" if database == OK else "down"
    return JSONResponse({"status": word, "database": database, "storage": storage}, status)
