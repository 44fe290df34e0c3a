"""What a command needs: settings, a session, blobs. Loaded when it is opened: `--help` needs none of it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from socket import gethostname
from typing import TYPE_CHECKING

from typer._click.globals import get_current_context  # Typer brings Click and has no name of its own for this

from app.cli.remote import remote
from app.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from app.audit.recording import Actor
    from app.db import SessionFactory
    from app.settings import Settings
    from app.storage import BlobStore


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    engine: Engine
    sessions: SessionFactory
    """What they change is in the audit log, in the name of whoever gave the command."""
    blobs: BlobStore


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Context]:
    """Everything a command may use, on an up-to-date schema; closed at the end."""
    from app.audit.recording import watched
    from app.db import connect, factory, upgrade
    from app.settings import Settings
    from app.storage import BlobStore

    if remote() is not None:
        raise BadInput("This command works on the server itself; leave out --server.")
    settings = settings or Settings()
    engine = connect(settings, connections=5)
    try:
        upgrade(engine)
        sessions = watched(factory(engine), _actor())
        yield Context(settings, engine, sessions, BlobStore(settings.blobs_url))
    finally:
        engine.dispose()


def _actor() -> Actor:
    """The account of the operating system, and the command without its arguments."""
    from app.audit.recording import Actor
    from app.models import Channel

    return Actor(who=f"{_account()}@{gethostname()}", channel=Channel.COMMAND, action=_command())


def _account() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _command() -> str:
    """`study.open` of `cyborg study open faces`."""
    context = get_current_context(silent=True)
    words = context.command_path.split()[1:] if context else []
    return ".".join(words) or "cyborg"
