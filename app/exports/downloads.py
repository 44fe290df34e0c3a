"""Downloads that are made while they are read. A slow reader holds a file, and no database connection.

A download is made at full speed, in a thread with a connection of its own, into a file that has no name; its
reader follows behind. So the database is needed for as long as making takes, however slow the reader is.
"""

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from app.db import SessionFactory, snapshot
from app.errors import Unavailable

Content = Callable[[Session], Iterator[bytes]]

MAKERS: Final = 2
"""Downloads that are made at once, in each web process; each has a thread and a connection."""

MOST_OPEN: Final = 64
"""Downloads that are made or read at once; each is a file."""

TURN_S: Final = 5.0
"""How long one waits for its turn before somebody is told to ask again."""

READ_BYTES: Final = 1 << 18

LEFT_FREE_BYTES: Final = 500_000_000
"""Of the disk, for what must not fail: downloads end before they take it."""


class Spool:
    """A file that one thread writes and the event loop reads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - its writer closes it
        self._end = os.dup(self._file.fileno())  # and its reader this
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._written = 0
        self._error: Exception | None = None
        self._is_whole = False
        self.is_abandoned = False

    def fill(self, chunks: Iterator[bytes]) -> None:
        """Write all of it, unless the reader leaves. In a thread."""
        try:
            with self._file:
                for chunk in chunks:
                    if self.is_abandoned:
                        break
                    self._write(chunk)
        except Exception as error:  # noqa: BLE001 - the reader raises it
            self._error = error
        self._is_whole = True
        self._tell()

    def _write(self, chunk: bytes) -> None:
        if shutil.disk_usage(self._folder).free < LEFT_FREE_BYTES + len(chunk):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._file.write(chunk)
        self._file.flush()
        self._written += len(chunk)
        self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and its readers with it
            self._loop.call_soon_threadsafe(self._news.set)

    async def begun(self) -> None:
        """Until there is something to read, or nothing more to come; raises what went wrong before that."""
        await self._more_than(0)
        if not self._written and self._error is not None:
            raise self._error

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is in it, as it comes; raises what went wrong half-way: nobody takes a part for all of it."""
        at = 0
        while True:
            await self._more_than(at)
            chunk = os.pread(self._end, min(READ_BYTES, self._written - at), at)
            if not chunk:
                break
            at += len(chunk)
            yield chunk
        if self._error is not None:
            raise self._error

    async def _more_than(self, at: int) -> None:
        while self._written <= at and not self._is_whole:
            self._news.clear()
            if self._written <= at and not self._is_whole:
                await self._news.wait()

    def leave(self) -> None:
        """Nobody reads on."""
        self.is_abandoned = True
        os.close(self._end)


class Downloads:
    """The downloads of one web process."""

    def __init__(
        self, folder: Path, sessions: Callable[[], SessionFactory], *, turn_s: float = TURN_S
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._turn_s = turn_s
        self._makers = ThreadPoolExecutor(MAKERS, "download")
        self._turns = asyncio.Semaphore(MAKERS)
        self._open: set[Spool] = set()

    @asynccontextmanager
    async def begun(self, content: Content) -> AsyncIterator[Spool]:
        """A download of which the first piece is there. `Unavailable` when there are too many already."""
        await self._take_turn()
        spool = self._start(content)
        try:
            await spool.begun()
            yield spool
        finally:
            self._open.discard(spool)
            spool.leave()

    async def _take_turn(self) -> None:
        if len(self._open) >= MOST_OPEN:
            raise Unavailable("Too many downloads are open; please try again when one has ended.")
        try:
            async with asyncio.timeout(self._turn_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("Other downloads are being made; please try again in a minute.") from None

    def _start(self, content: Content) -> Spool:
        try:
            spool = Spool(self._folder)
        except OSError:
            self._turns.release()
            raise
        self._open.add(spool)
        making = asyncio.get_running_loop().run_in_executor(self._makers, self._make, content, spool)
        making.add_done_callback(lambda _: self._turns.release())
        return spool

    def _make(self, content: Content, spool: Spool) -> None:
        with closing(self._pieces(content)) as pieces:
            spool.fill(pieces)

    def _pieces(self, content: Content) -> Generator[bytes]:
        with snapshot(self._sessions()) as session:
            yield from content(session)

    def close(self) -> None:
        """End those that are being made; nobody is there to read them."""
        for spool in self._open:
            spool.is_abandoned = True
        self._makers.shutdown(wait=False, cancel_futures=True)


class Download(StreamingResponse):
    """A file to keep. An error before its first piece has a status of its own, as anywhere else."""

    def __init__(self, downloads: Downloads, content: Content, *, name: str, media_type: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(iter(()), media_type=media_type, headers=headers)
        self._downloads = downloads
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._downloads.begun(self._content) as spool:
            self.body_iterator = spool.chunks()
            await super().__call__(scope, receive, send)
