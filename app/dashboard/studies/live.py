"""Pages of studies that follow by themselves.

While somebody watches, one thread of the web process counts each watched study every two seconds, once for
all who watch, and each page gets what it shows as a server-sent event when that has changed. A stream holds
no database connection. It ends with the login that opened it; the protocol ends it when the server stops.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from threading import RLock
from typing import Final

from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.orm import Session

from app.analysis.queries import Who
from app.dashboard.studies.queries import Figures, StudyNumbers, figures, find_by_id, study_numbers
from app.db import SessionFactory
from app.deps import open_sessions
from app.errors import Unavailable
from app.models import Role, Study
from app.overview.schemas import Overview
from app.settings import Settings
from app.web import templates

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 2.0
REST: Final = 4
"""Times as long as a round took, the next one waits at least: a busy database is asked less often."""

ALIVE_S: Final = 15.0
"""A page that hears nothing for longer asks by itself."""

MOST_WATCHERS: Final = 500
"""In each web process; further pages ask by themselves."""

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""A proxy must pass events on as they come."""


@dataclass(frozen=True, slots=True)
class PageView:
    """What a page of a study shows: whose decisions, whether with money, and whether with buttons."""

    study_id: int
    who: Who | None
    with_spend: bool
    may_edit: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """The part of a page that follows, as HTML; the id stands for its numbers."""

    id: str
    html: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of a study, and when they were counted (monotonic seconds)."""

    numbers: StudyNumbers
    at: float
    fragments: dict[PageView, Fragment] = field(default_factory=dict)


class SharedNumbers:
    """The numbers of studies, counted once in an interval for everybody who asks."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self._counted: dict[int, Counted] = {}
        self._lock = RLock()

    def numbers(self, session: Session, study: Study) -> StudyNumbers:
        return self._fresh(session, study).numbers

    def overview(self, session: Session, study: Study, *, with_spend: bool) -> Overview:
        found = self.numbers(session, study).overview
        return found if with_spend else found.model_copy(update={"spend": None})

    def fragment(self, session: Session, study: Study, view: PageView) -> Fragment:
        with self._lock:
            counted = self._fresh(session, study)
            if view not in counted.fragments:
                shown = figures(session, counted.numbers, view.who or counted.numbers.who)
                counted.fragments[view] = _render(counted.numbers, shown, view)
            return counted.fragments[view]

    def _fresh(self, session: Session, study: Study) -> Counted:
        with self._lock:
            found = self._counted.get(study.id)
            if found is None or time.monotonic() - found.at > self.interval_s:
                found = Counted(study_numbers(session, study), time.monotonic())
                self._forget_old()
                self._counted[study.id] = found
            return found

    def _forget_old(self) -> None:
        limit = time.monotonic() - self.interval_s
        self._counted = {study: one for study, one in self._counted.items() if one.at > limit}


def _render(numbers: StudyNumbers, shown: Figures, view: PageView) -> Fragment:
    context = {"numbers": numbers, "shown": shown, "with_spend": view.with_spend, "may_edit": view.may_edit}
    html = templates.get_template("staff/_overview.html").render(context)
    return Fragment(sha256(html.encode()).hexdigest()[:16], html)


ENDED: Final = Fragment("", "")
"""In place of a fragment: the stream is over."""


@dataclass(eq=False)
class Watcher:
    """A page that follows, the login that opened it, and the role it had then."""

    view: PageView
    token_hash: str
    role: Role
    news: asyncio.Queue[Fragment | None] = field(default_factory=lambda: asyncio.Queue(1))

    def offer(self, news: Fragment | None) -> None:
        """In place of what was not taken yet; None where the round brought nothing."""
        if self.news.full():
            if news is None:
                return
            self.news.get_nowait()
        self.news.put_nowait(news)


class LivePages:
    """Everybody who watches in this web process."""

    def __init__(
        self, sessions: Callable[[], SessionFactory], config: Settings, *, shared: SharedNumbers
    ) -> None:
        self._sessions, self._config, self._shared = sessions, config, shared
        self._watchers: set[Watcher] = set()
        self._rounds: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")

    def stream(self, watcher: Watcher, *, last_id: str | None) -> EventSourceResponse:
        """`Unavailable` when too many watch already."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise Unavailable("Too many pages follow already; this one asks by itself.")
        return EventSourceResponse(self._events(watcher, last_id), headers=HEADERS)

    async def _events(self, watcher: Watcher, last_id: str | None) -> AsyncIterator[bytes]:
        self._join(watcher)
        said_at = time.monotonic()
        try:
            while (news := await watcher.news.get()) is not ENDED:
                if news is not None and news.id != last_id:
                    last_id, said_at = news.id, time.monotonic()
                    yield format_sse_event(event="numbers", data_str=news.html, id=news.id)
                elif time.monotonic() - said_at >= ALIVE_S:
                    said_at = time.monotonic()
                    yield format_sse_event(event="alive", data_str="")
            yield format_sse_event(event="ended", data_str="")
        finally:
            self._watchers.discard(watcher)

    def _join(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.get_running_loop().create_task(self._go_round())

    async def _go_round(self) -> None:
        """While anybody watches."""
        loop = asyncio.get_running_loop()
        while self._watchers:
            began = time.monotonic()
            news = await loop.run_in_executor(self._thread, self._look, tuple(self._watchers))
            for watcher, fragment in news.items():
                watcher.offer(fragment)
            took = time.monotonic() - began
            await asyncio.sleep(max(self._shared.interval_s, REST * took))

    def _look(self, watchers: Collection[Watcher]) -> dict[Watcher, Fragment | None]:
        """What each is to be told: the same few queries, however many watch a study."""
        try:
            with self._sessions().begin() as session:
                roles = open_sessions(session, self._config, {one.token_hash for one in watchers})
                studies = {one.view.study_id for one in watchers}
                found = {study: find_by_id(session, study) for study in studies}
                return {
                    one: self._shared.fragment(session, study, one.view)
                    if roles.get(one.token_hash) is one.role and (study := found[one.view.study_id])
                    else ENDED
                    for one in watchers
                }
        except Exception:  # a database that restarts, or a bug; the next round asks again
            logger.exception("cannot count", extra={"action": "live_round_failed"})
            return dict.fromkeys(watchers)

    def close(self) -> None:
        """When the server stops."""
        if self._rounds is not None:
            self._rounds.cancel()
        self._thread.shutdown(wait=True)
