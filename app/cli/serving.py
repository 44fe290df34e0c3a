"""`cyborg serve`"""

import signal
import sys
from typing import Annotated

import typer

from app.cli import app
from app.cli.context import opened


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; CYBORG_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; CYBORG_PORT.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Web processes; CYBORG_WEB_PROCESSES.")] = None,
) -> None:
    """Serve the web application; brings the database schema up to date first."""
    import uvicorn

    from app import logs
    from app.settings import Settings

    settings = Settings()
    # uvicorn raises the signal that stopped it once more; unhandled, it would end the process before the
    # embedded database is told that nobody is left who needs it.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    with opened():  # also keeps the embedded server alive for the web processes
        logs.configure()
        uvicorn.run(
            "app.main:application",
            factory=True,
            host=host or settings.host,
            port=settings.port if port is None else port,
            workers=processes or settings.web_processes,
            log_config=None,
            access_log=False,
            proxy_headers=True,
        )
