"""Real sockets that stop half-way: nobody holds a connection for ever."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.middleware import BodyLimit
from app.protocol import LONGEST_HEAD_BYTES, DeadlineProtocol

TIMEOUT_S = 0.4


class Impatient(DeadlineProtocol):
    head_s = TIMEOUT_S
    read_s = TIMEOUT_S


async def much(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer longer than any buffer on the way."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def who_asks(scope: Scope, receive: Receive, send: Send) -> None:
    """The address that a rate limit would see."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()})


class TestHalfARequest:
    @pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX-Slow: a"])
    def test_it_is_given_up(self, sent):
        with served(much) as connect, connect() as client:
            client.sendall(sent)
            assert is_closed(client)

    def test_a_byte_now_and_then_does_not_help(self):
        with served(much) as connect, connect() as client:
            began = time.monotonic()
            assert sent_until_closed(client, b"G", pause_s=0.05) < 100
            assert time.monotonic() - began < 10 * TIMEOUT_S

    def test_endless_headers_are_given_up(self):
        with served(much, http=DeadlineProtocol) as connect, connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
            part = b"x" * (LONGEST_HEAD_BYTES // 10)
            assert sent_until_closed(client, part, pause_s=0.001) < 1000

    def test_half_a_body_is_answered(self):
        with served(BodyLimit(much, limit=1000, timeout_s=TIMEOUT_S)) as connect, connect() as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            assert b"408" in client.recv(1000)


class TestHalfAnAnswer:
    def test_who_does_not_read_it_is_given_up(self):
        with served(much) as connect, connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(3 * TIMEOUT_S)
            assert read_all(client) < 100_000_000

    def test_who_reads_slowly_gets_all_of_it(self):
        with served(much) as connect, connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_all(client, pause_s=TIMEOUT_S / 400) > 100_000_000


class TestWhoAsks:
    @pytest.mark.parametrize(
        ("trusted", "header", "seen"),
        [
            ([], "9.9.9.9", "127.0.0.1"),  # nobody is believed unless named
            (["10.0.0.2/32"], "9.9.9.9", "127.0.0.1"),  # nor anybody else than who is named
            (["127.0.0.0/8"], "9.9.9.9", "9.9.9.9"),
            (["127.0.0.0/8"], "1.1.1.1, 9.9.9.9", "9.9.9.9"),  # what a client wrote is further left
            (["127.0.0.0/8", "10.0.0.2/32"], "1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ],
    )
    def test_a_proxy_is_believed_about_its_own_client_alone(self, trusted, header, seen):
        options = {"proxy_headers": bool(trusted), "forwarded_allow_ips": trusted}
        with served(who_asks, **options) as connect, connect() as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {header}\r\n\r\n".encode())
            assert seen.encode() in client.recv(1000)


@contextmanager
def served(application, *, http=Impatient, **options) -> Iterator:
    """A server on a port of its own; yields what opens a connection to it."""
    config = uvicorn.Config(application, http=http, log_config=None, lifespan="off", **options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield lambda: socket.create_connection(listener.getsockname(), timeout=20)
        server.should_exit = server.force_exit = True
        thread.join()


def sent_until_closed(client: socket.socket, part: bytes, *, pause_s: float) -> int:
    """How often a part could be sent, at most a thousand times."""
    for number in range(1000):
        try:
            client.sendall(part)
        except OSError:
            return number
        time.sleep(pause_s)
    return 1000


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def read_all(client: socket.socket, *, pause_s: float = 0) -> int:
    """How many bytes come before the end."""
    found = 0
    try:
        while part := client.recv(1_000_000):
            found += len(part)
            time.sleep(pause_s)
    except ConnectionResetError:
        pass
    return found
