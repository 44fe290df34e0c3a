"""What a command needs: settings, a session, blobs. Loaded when it is opened: `--help` needs none of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from app.db import SessionFactory
    from app.settings import Settings
    from app.storage import BlobStore


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    engine: Engine
    sessions: SessionFactory
    blobs: BlobStore


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Context]:
    """Everything a command may use, on an up-to-date schema; closed at the end."""
    from app.db import connect, factory, upgrade
    from app.settings import Settings
    from app.storage import BlobStore

    settings = settings or Settings()
    engine = connect(settings, connections=5)
    try:
        upgrade(engine)
        yield Context(settings, engine, factory(engine), BlobStore(settings.blobs_url))
    finally:
        engine.dispose()
