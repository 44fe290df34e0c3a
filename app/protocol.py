"""HTTP with deadlines: a client that stops half-way through a request or an answer is disconnected."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 15.0
"""From a connection, or from the first byte of a later request, to the end of its headers."""

READ_S: Final = 60.0
"""Time for a client to read the 48 kB between a full write buffer and one that takes data again."""

LONGEST_HEAD_BYTES: Final = 64_000

EVENTS: Final = (b"accept", b"text/event-stream")
"""What a browser sends that listens to a stream of events."""


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines inside a request, too; its own timeout runs only between requests."""

    head_s = HEAD_S
    read_s = READ_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline(self.head_s)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            return
        if self._head_bytes > LONGEST_HEAD_BYTES:
            self.transport.abort()
        elif self._deadline is None:  # most heads arrive whole and need no timer
            self._set_deadline(self.head_s)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._lift_deadline()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._set_deadline(self.read_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._lift_deadline()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()  # waits until the client has read the answer
        self._set_deadline(self.read_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lift_deadline()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: answers are finished, but a stream of events has no end to wait for."""
        super().shutdown()
        if self.cycle is not None and EVENTS in self.cycle.scope["headers"]:
            self.transport.close()

    def _set_deadline(self, seconds: float) -> None:
        self._lift_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _lift_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
