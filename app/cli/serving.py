"""`cyborg serve`"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import app
from app.cli.context import opened
from app.cli.remote import MACHINE, only_here
from app.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.settings import Settings


@app.command()
@only_here(MACHINE)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; CYBORG_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; CYBORG_PORT.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Web processes; CYBORG_WEB_PROCESSES.")] = None,
) -> None:
    """Serve the web application; brings the database schema up to date first."""
    from app import logs

    settings = asked(host=host, port=port, processes=processes)
    # uvicorn raises the signal that stopped it once more. To be stopped when asked is no failure.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    with opened(settings), listening(settings) as listener:
        logs.configure(settings.log_format)
        settings = asked(port=listener.getsockname()[1])  # which was any, if 0 was asked for
        print(welcome(settings, listener), flush=True)
        run_server(settings, listener)


def welcome(settings: Settings, listener: socket.socket) -> str:
    """The line with the address to open."""
    host, port = listener.getsockname()[:2]
    return (
        f"Cyborg is at {settings.public_url} (listening on {host}, port {port}). "
        "`cyborg staff link E-MAIL` prints a link to log in with; Ctrl+C stops the server."
    )


def asked(**options: int | str | None) -> Settings:
    """The settings with what the command line says instead; the web processes read them, too."""
    names = {"host": "CYBORG_HOST", "port": "CYBORG_PORT", "processes": "CYBORG_WEB_PROCESSES"}
    os.environ.update({names[name]: str(value) for name, value in options.items() if value is not None})
    from app.settings import Settings

    return Settings()


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The port, taken before anything is promised."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        # asyncio's and Python's own texts say the address again.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise BadInput(f"Cannot listen on port {settings.port} of {settings.host}: {why}.") from None
    with listener:
        yield listener


def run_server(settings: Settings, listener: socket.socket) -> None:
    """Until it is told to stop."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from app.protocol import DeadlineProtocol

    config = uvicorn.Config(
        "app.main:application",
        factory=True,
        http=DeadlineProtocol,
        workers=settings.web_processes,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies.split(),
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        if settings.web_processes > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            server.run([listener])
    if settings.web_processes == 1 and not server.started:
        raise Unavailable("The server did not start; its log says why.")
