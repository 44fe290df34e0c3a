"""Serves pictures apart from all other requests: without the database, in threads of its own, with a timeout.

A participant's page asks for two pictures a trial, so they are most of the requests and nearly all of the
bytes. The pictures that were asked for last stay in memory. A few threads that do nothing else read the
others from the store, so that a stalled store delays only requests for pictures that are not in memory, and
those for seconds.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.errors import NotFound, StorageUnavailable
from app.models import Secret
from app.storage import BlobStore
from app.trials.addresses import Seal, SealedPicture
from app.trials.pictures import find_heat_map, find_picture, pad_jpeg, pad_png

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

CACHED: Final = {"Cache-Control": "private, max-age=3600, immutable"}

READERS: Final = 8
"""Reads of the store at once, in each web process."""

MOST_WAITING: Final = 200
"""Pictures being read or waiting for it; with more, the store is too slow and requests are refused."""

TIMEOUT_S: Final = 6.0
"""A little longer than the store's own timeout, so that the store's reason reaches the page."""


@dataclass
class PictureCache:
    """The pictures asked for last.

    limit : bytes that all pictures together may have
    """

    limit: int
    size: int = 0
    pictures: OrderedDict[SealedPicture, bytes] = field(default_factory=OrderedDict)

    def get(self, sealed: SealedPicture) -> bytes | None:
        if sealed not in self.pictures:
            return None
        self.pictures.move_to_end(sealed)  # the least recently used one stays first
        return self.pictures[sealed]

    def add(self, sealed: SealedPicture, picture: bytes) -> None:
        """Keep a picture, and drop those that were not asked for longest; one over the limit is not kept."""
        if sealed in self.pictures or len(picture) > self.limit:
            return
        self.pictures[sealed] = picture
        self.size += len(picture)
        while self.size > self.limit:
            self.size -= len(self.pictures.popitem(last=False)[1])


class PictureServer:
    """The pictures of one web process. Everything but reading happens on the event loop."""

    def __init__(
        self,
        blobs: BlobStore,
        sessions: Callable[[], SessionFactory],
        *,
        memory_bytes: int,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._blobs = blobs
        self._sessions = sessions
        self._cache = PictureCache(memory_bytes)
        self._timeout_s = timeout_s
        self._readers = ThreadPoolExecutor(READERS, "picture")
        self._database_thread = ThreadPoolExecutor(1, "old-picture")
        self._reading: dict[SealedPicture, asyncio.Future[bytes]] = {}
        self._seal: Seal | None = None

    def seal(self, session: Session) -> Seal:
        """The seal with the key of the database, which is read once."""
        if self._seal is None:
            key = session.scalars(select(Secret.value).where(Secret.name == "pictures")).one()
            self._seal = Seal(key)
        return self._seal

    async def picture(self, address: str, *, is_old_map: bool = False) -> tuple[bytes, str]:
        """A padded picture and its media type.

        `NotFound`: the address stands for no picture
        `StorageUnavailable`: the store does not return it in time
        """
        sealed = await self._opened(address, is_old_map=is_old_map)
        picture = self._cache.get(sealed)
        return picture if picture is not None else await self._read(sealed), _media_type(sealed)

    async def _opened(self, address: str, *, is_old_map: bool) -> SealedPicture:
        """The picture that an address stands for; only an old address needs the database."""
        seal = await self._query(self.seal) if self._seal is None else self._seal
        sealed = seal.open(address, at=datetime.now(UTC))
        return await self._query(find_old, address, is_old_map) if sealed is None else sealed

    async def _query(self, query: Callable[..., Answer], *arguments: object) -> Answer:
        """Run a query in the only thread of pictures that uses the database."""

        def run_query() -> Answer:
            with self._sessions()() as session:
                return query(session, *arguments)

        return await self._in_time(
            asyncio.get_running_loop().run_in_executor(self._database_thread, run_query)
        )

    async def _read(self, sealed: SealedPicture) -> bytes:
        """Read a picture from the store; requests for the same picture wait for the same read."""
        reading = self._reading.get(sealed)
        if reading is None:
            if len(self._reading) >= MOST_WAITING:
                raise StorageUnavailable
            loop = asyncio.get_running_loop()
            reading = loop.run_in_executor(self._readers, self._padded, sealed)
            self._reading[sealed] = reading
            reading.add_done_callback(lambda done: self._done(sealed, done))
        return await self._in_time(reading)

    def _done(self, sealed: SealedPicture, reading: "asyncio.Future[bytes]") -> None:
        del self._reading[sealed]
        if not reading.cancelled() and reading.exception() is None:
            self._cache.add(sealed, reading.result())

    def _padded(self, sealed: SealedPicture) -> bytes:
        try:
            data = self._blobs.get(sealed.blob)
        except FileNotFoundError:
            logger.exception("a picture is gone", extra={"action": "picture_gone", "blob": sealed.blob})
            raise NotFound("There is no such picture.") from None
        return (pad_png if sealed.is_map else pad_jpeg)(data, sealed.size)

    async def _in_time(self, future: "asyncio.Future[Answer]") -> Answer:
        """The result, or `StorageUnavailable` after the timeout; the work goes on for the next request."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(future)
        except TimeoutError:
            raise StorageUnavailable from None

    def close(self) -> None:
        for pool in (self._readers, self._database_thread):
            pool.shutdown(wait=False, cancel_futures=True)


def find_old(session: Session, token: str, is_map: bool) -> SealedPicture:  # noqa: FBT001 - called by position
    """The picture that an address of an earlier version stands for: a page may be open since then."""
    find = find_heat_map if is_map else find_picture
    return SealedPicture(*find(session, token), is_map)


def _media_type(sealed: SealedPicture) -> str:
    return "image/png" if sealed.is_map else "image/jpeg"


async def picture(request: Request) -> Response:
    """One face, or a heat map, at an address and with a length that tell nothing about it."""
    return await _served(request, is_old_map=False)


async def old_heat_map(request: Request) -> Response:
    """A heat map at the address that an earlier version gave it."""
    return await _served(request, is_old_map=True)


async def _served(request: Request, *, is_old_map: bool) -> Response:
    pictures: PictureServer = request.app.state.pictures
    content, media_type = await pictures.picture(request.path_params["address"], is_old_map=is_old_map)
    return Response(content, media_type=media_type, headers=CACHED)
