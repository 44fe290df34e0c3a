"""Downloads: what goes wrong is told, and who reads slowly keeps nothing that others need."""

import asyncio
import shutil
import socket
import threading
import time
from collections import namedtuple
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts.service import open_session
from app.deps import SESSION_COOKIE
from app.errors import Unavailable
from app.exports import annotations, downloads
from app.exports.downloads import MAKERS, Content, Downloads
from app.main import create_app
from app.models import Arm
from app.protocol import DeadlineProtocol
from app.settings import Settings
from tests.support.factories import (
    SESSION_HOLDER,
    AnnotationFactory,
    DecisionFactory,
    ParticipantFactory,
    StaffFactory,
    TrialFactory,
)
from tests.support.worlds import make_study

UNREAD = 30
PROMPTLY_S = 5.0
"""For what takes milliseconds, on a machine that is busy with other tests."""

LONG = "/staff/studies/long/annotations.jsonl"

LONG_STROKES = """
INSERT INTO stroke (annotation_id, position, tool, radius, points)
SELECT a.id, n, 'brush', 5,
       (SELECT jsonb_agg(jsonb_build_array(k, 2.5, k * 7)) FROM generate_series(1, 900) k)
FROM annotation a, generate_series(1, 20) n
"""
"""A quarter of a megabyte for each annotation."""

ANNOTATIONS = 20
"""Together more than the buffers on the way hold."""


class TestWhatGoesWrong:
    def test_an_error_before_the_first_piece_is_raised_before_anything_is_sent(self, made):
        seen: list[bytes] = []

        async def ask(room: Downloads) -> None:
            with pytest.raises(LookupError, match="no such"):
                async with room.begun(failing(LookupError("no such"))):
                    seen.append(b"begun")

        within(made, ask)
        assert not seen

    def test_one_half_way_ends_it_after_what_was_made(self, made):
        seen: list[bytes] = []

        async def ask(room: Downloads) -> None:
            with pytest.raises(LookupError, match="half"):
                await read(room, failing(LookupError("half"), after=[b"one", b"two"]), seen)

        within(made, ask)
        assert b"".join(seen) == b"onetwo"

    def test_a_database_that_is_gone_is_an_error_too(self, folder):
        def gone():
            raise ConnectionError("gone")

        async def ask(room: Downloads) -> None:
            with pytest.raises(ConnectionError, match="gone"):
                await read(room, pieces)

        within(lambda: Downloads(folder, gone), ask)

    def test_a_disk_that_is_nearly_full_keeps_what_is_left(self, made, monkeypatch):
        usage = namedtuple("usage", "free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(downloads.LEFT_FREE_BYTES))

        async def ask(room: Downloads) -> None:
            with pytest.raises(OSError, match="No space left"):
                await read(room, pieces)

        within(made, ask)

    def test_failures_give_their_turns_back(self, made, folder):
        async def ask(room: Downloads) -> None:
            folder.parent.write_text("no folder")  # so that none can be made in it
            for _ in range(2 * MAKERS):
                with pytest.raises(NotADirectoryError):
                    await read(room, pieces)
            folder.parent.unlink()
            for _ in range(2 * MAKERS):
                with pytest.raises(LookupError):
                    await read(room, failing(LookupError()))
            assert await read(room, pieces) == b"ab"

        within(made, ask)


class TestTheirNumber:
    def test_more_than_have_turns_are_asked_to_come_again(self, made):
        async def ask(room: Downloads) -> None:
            go_on = threading.Event()
            stuck = [asyncio.create_task(read(room, waiting(go_on))) for _ in range(MAKERS)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="being made"):
                await read(room, pieces)
            go_on.set()
            assert await asyncio.gather(*stuck) == [b"late"] * MAKERS
            assert await read(room, pieces) == b"ab"

        within(made, ask)

    def test_more_than_may_be_open_are_asked_to_come_again(self, made, monkeypatch):
        monkeypatch.setattr(downloads, "MOST_OPEN", 1)

        async def ask(room: Downloads) -> None:
            async with room.begun(pieces):
                with pytest.raises(Unavailable, match="open"):
                    await read(room, pieces)
            assert await read(room, pieces) == b"ab"

        within(made, ask)

    def test_one_that_nobody_reads_any_more_is_not_made_to_its_end(self, made):
        ended = threading.Event()

        def endless(_session: Session) -> Iterator[bytes]:
            try:
                while True:
                    yield b"more"
            finally:
                ended.set()

        async def ask(room: Downloads) -> None:
            async with room.begun(endless):
                pass
            assert await asyncio.to_thread(ended.wait, 20)

        within(made, ask)


class TestUnreadDownloads:
    def test_they_stop_neither_people_nor_staff_nor_other_downloads(self, server):
        url, cookies = server
        with ThreadPoolExecutor(UNREAD) as crowd, httpx2.Client(base_url=url, cookies=cookies) as staff:
            unread = list(crowd.map(lambda _: half_read(url, cookies), range(UNREAD)))
            try:
                assert [begin for _, begin in unread] == [b"HTTP/1.1 200 OK"] * UNREAD
                for path in ("/health", "/s/long", "/staff", "/staff/studies/long/decisions.csv"):
                    began = time.monotonic()
                    assert staff.get(path, timeout=60).status_code == 200, path
                    assert time.monotonic() - began < PROMPTLY_S, path
            finally:
                for client, _ in unread:
                    client.close()

    def test_they_leave_no_file_behind(self, server, own_database):
        url, cookies = server
        client, _ = half_read(url, cookies)
        client.close()
        assert httpx2.get(f"{url}{LONG}", cookies=cookies).text.count("\n") == ANNOTATIONS
        settings, _ = own_database
        assert list((settings.data_dir / "downloads").iterdir()) == []

    @pytest.fixture
    def server(self, own_database, monkeypatch) -> Iterator[tuple[str, dict[str, str]]]:
        """A server with a long file in many pieces, and the cookies of somebody who may have it."""
        monkeypatch.setattr(annotations, "LINES_AT_A_TIME", 1)
        settings, sessions = own_database
        with sessions() as session:
            SESSION_HOLDER["session"] = session
            make_study(session, slug="long", arms=(True,))
            (arm,) = session.query(Arm)
            person = ParticipantFactory(arm=arm)
            for position in range(1, ANNOTATIONS + 1):
                trial = TrialFactory(participant=person, position=position)
                AnnotationFactory(decision=DecisionFactory(trial=trial))
            session.execute(text(LONG_STROKES))
            cookie = open_session(session, StaffFactory(), lifetime=timedelta(hours=1))
            session.commit()
        with serving(settings) as url:
            yield url, {SESSION_COOKIE: cookie}


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "data" / "downloads"


@pytest.fixture
def made(folder, session_factory):
    """Makes a room for downloads, in the loop that it is used in."""
    return lambda: Downloads(folder, lambda: session_factory, turn_s=0.1)


def pieces(_session: Session) -> Iterator[bytes]:
    yield from (b"a", b"b")


def failing(error: Exception, *, after: Sequence[bytes] = ()) -> Content:
    def content(_session: Session) -> Iterator[bytes]:
        yield from after
        raise error

    return content


def waiting(event: threading.Event) -> Content:
    def content(_session: Session) -> Iterator[bytes]:
        event.wait(20)
        yield b"late"

    return content


def within(made: Callable[[], Downloads], ask: Callable[[Downloads], Awaitable[None]]) -> None:
    async def run() -> None:
        room = made()
        await ask(room)
        room.close()

    with ThreadPoolExecutor(1) as thread:  # this one may run a loop already: the browser tests'
        thread.submit(asyncio.run, run()).result()


async def read(room: Downloads, content: Content, seen: list[bytes] | None = None) -> bytes:
    """All of it; `seen` gets what came before an error."""
    seen = [] if seen is None else seen
    async with room.begun(content) as spool:
        async for piece in spool.chunks():
            seen.append(piece)
    return b"".join(seen)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    config = uvicorn.Config(create_app(settings), http=DeadlineProtocol, log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def half_read(url: str, cookies: dict[str, str]) -> tuple[socket.socket, bytes]:
    """A connection that has asked for the long file, and the first bytes of the answer."""
    address = httpx2.URL(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect((address.host, address.port))
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    client.sendall(f"GET {LONG} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    return client, client.recv(15)
