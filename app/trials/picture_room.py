"""Serves pictures beside everything else: no database, threads of its own, and a short patience.

A participant's page asks for two pictures a trial, so they are most of the requests and nearly all of the
bytes. Those that were asked for of late are in memory, ready to be sent. The others are read from the
store by a few threads that do nothing else: a store that stalls keeps up nobody but who asks for a picture
that is not in memory, and them for seconds.
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
"""Pictures that are being read or wait for it; with more the store is not keeping up."""

PATIENCE_S: Final = 6.0
"""A little longer than the store's own patience, so that its reason is told."""


@dataclass
class PictureCache:
    """The pictures asked for last, up to so many bytes in all."""

    limit: int
    held: int = 0
    kept: OrderedDict[SealedPicture, bytes] = field(default_factory=OrderedDict)

    def get(self, shown: SealedPicture) -> bytes | None:
        if shown not in self.kept:
            return None
        self.kept.move_to_end(shown)
        return self.kept[shown]

    def keep(self, shown: SealedPicture, picture: bytes) -> None:
        if shown in self.kept or len(picture) > self.limit:
            return
        self.kept[shown] = picture
        self.held += len(picture)
        while self.held > self.limit:
            self.held -= len(self.kept.popitem(last=False)[1])


class PictureRoom:
    """The pictures of one web process. Everything but reading happens on its event loop."""

    def __init__(
        self,
        blobs: BlobStore,
        sessions: Callable[[], SessionFactory],
        *,
        memory_bytes: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._blobs = blobs
        self._sessions = sessions
        self._memory = PictureCache(memory_bytes)
        self._patience_s = patience_s
        self._readers = ThreadPoolExecutor(READERS, "picture")
        self._asker = ThreadPoolExecutor(1, "old-picture")
        self._reading: dict[SealedPicture, asyncio.Future[bytes]] = {}
        self._seal: Seal | None = None

    def seal(self, session: Session) -> Seal:
        """Made of the key in the database, which is read once."""
        if self._seal is None:
            key = session.scalars(select(Secret.value).where(Secret.name == "pictures")).one()
            self._seal = Seal(key)
        return self._seal

    async def picture(self, address: str, *, is_old_map: bool = False) -> tuple[bytes, str]:
        """A picture as it is sent, and its media type. NotFound; StorageUnavailable."""
        shown = await self._meaning(address, is_old_map=is_old_map)
        found = self._memory.get(shown)
        return found if found is not None else await self._read(shown), _media_type(shown)

    async def _meaning(self, address: str, *, is_old_map: bool) -> SealedPicture:
        seal = await self._ask(self.seal) if self._seal is None else self._seal
        shown = seal.open(address, at=datetime.now(UTC))
        return await self._ask(find_old, address, is_old_map) if shown is None else shown

    async def _ask(self, question: Callable[..., Answer], *arguments: object) -> Answer:
        """`question` of the database, in the one thread that may."""

        def asked() -> Answer:
            with self._sessions()() as session:
                return question(session, *arguments)

        return await self._in_time(asyncio.get_running_loop().run_in_executor(self._asker, asked))

    async def _read(self, shown: SealedPicture) -> bytes:
        """From the store; whoever asks for the same picture meanwhile waits for the same read."""
        reading = self._reading.get(shown)
        if reading is None:
            if len(self._reading) >= MOST_WAITING:
                raise StorageUnavailable
            loop = asyncio.get_running_loop()
            reading = loop.run_in_executor(self._readers, self._padded, shown)
            self._reading[shown] = reading
            reading.add_done_callback(lambda done: self._done(shown, done))
        return await self._in_time(reading)

    def _done(self, shown: SealedPicture, reading: "asyncio.Future[bytes]") -> None:
        del self._reading[shown]
        if not reading.cancelled() and reading.exception() is None:
            self._memory.keep(shown, reading.result())

    def _padded(self, shown: SealedPicture) -> bytes:
        try:
            data = self._blobs.get(shown.blob)
        except FileNotFoundError:
            logger.exception("a picture is gone", extra={"action": "picture_gone", "blob": shown.blob})
            raise NotFound("There is no such picture.") from None
        return (pad_png if shown.is_map else pad_jpeg)(data, shown.size)

    async def _in_time(self, future: "asyncio.Future[Answer]") -> Answer:
        """What is not there in time may still come, for whoever asks next."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(future)
        except TimeoutError:
            raise StorageUnavailable from None

    def close(self) -> None:
        for pool in (self._readers, self._asker):
            pool.shutdown(wait=False, cancel_futures=True)


def find_old(session: Session, token: str, is_map: bool) -> SealedPicture:  # noqa: FBT001 - called by position
    """What an address of an earlier version stands for: a page may have been open since."""
    find = find_heat_map if is_map else find_picture
    return SealedPicture(*find(session, token), is_map)


def _media_type(shown: SealedPicture) -> str:
    return "image/png" if shown.is_map else "image/jpeg"


async def picture(request: Request) -> Response:
    """One face, or what a model looked at in it, at a length and an address that say nothing of it."""
    return await _served(request, is_old_map=False)


async def old_heat_map(request: Request) -> Response:
    """A heat map as an earlier version named it."""
    return await _served(request, is_old_map=True)


async def _served(request: Request, *, is_old_map: bool) -> Response:
    room: PictureRoom = request.app.state.pictures
    content, media_type = await room.picture(request.path_params["address"], is_old_map=is_old_map)
    return Response(content, media_type=media_type, headers=CACHED)
