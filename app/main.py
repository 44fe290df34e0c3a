"""The web application."""

import importlib.resources
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text

from annotation_ui import STATIC
from app import logs
from app.accounts import people
from app.accounts import routes as accounts
from app.dashboard import routes as dashboard
from app.db import CONNECTIONS, SessionFactory, connect, factory, upgrade
from app.deps import Db
from app.exports import routes as exports
from app.maps import routes as maps
from app.middleware import BodyLimit, Compressed, Envelope, InFlight, SameOriginOnly
from app.recruitment import routes as recruitment
from app.security import RateLimit
from app.settings import Settings
from app.stimuli import routes as stimuli
from app.storage import BlobStore
from app.trials import routes as trials
from app.web import add_error_handlers

# A comment that begins its line; what stands behind code, and what a string holds, stays.
COMMENT: Final = re.compile(r"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*$", re.MULTILINE | re.DOTALL)

TOO_MANY_ARRIVALS: Final = "Many people are joining from your network; please try again in a minute."

# Participants first: an address is looked for from the top, and theirs are most of what is asked for.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    trials.router,
    recruitment.router,
    accounts.router,
    people.router,
    dashboard.router,
    exports.router,
    maps.router,
    stimuli.router,
)


def create_app(settings: Settings, *, session_factory: SessionFactory | None = None) -> FastAPI:
    """The application; connects and migrates at start unless it is given its sessions."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = None
        if session_factory is None:
            engine = connect(settings)
            upgrade(engine)
            app.state.session_factory = factory(engine)
        yield
        if engine is not None:
            engine.dispose()

    app = FastAPI(
        title="Cyborg", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    app.state.settings = settings
    app.state.session_factory = session_factory
    app.state.blobs = BlobStore(settings.blobs_url)
    app.state.arrivals = RateLimit(f"{settings.enrolments_per_minute} per minute", TOO_MANY_ARRIVALS)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", RevalidatedFiles(directory=STATIC))
    app.add_api_route("/plotly.min.js", plotly, include_in_schema=False)
    app.add_api_route("/health", health)
    add_error_handlers(app)
    app.add_middleware(InFlight, limit=CONNECTIONS)
    app.add_middleware(Compressed)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(SameOriginOnly)
    app.add_middleware(
        Envelope,
        frame_ancestors=settings.frame_ancestors,
        hsts=settings.hsts if settings.secure_cookies else timedelta(0),
    )
    return app


class RevalidatedFiles(StaticFiles):
    """Files that a browser may keep but asks about each time, so that a new version is seen at once.

    Scripts travel without their comments (a third of their compressed length) and with their line numbers.
    """

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        if isinstance(response, FileResponse) and str(response.path).endswith(".js"):
            kept = {name: response.headers[name] for name in ("etag", "last-modified")}
            response = Response(
                without_comments(Path(response.path)), headers=kept, media_type="text/javascript"
            )
        response.headers["Cache-Control"] = "no-cache"
        return response


def without_comments(script: Path) -> str:
    return COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), script.read_text(encoding="utf-8"))


def plotly() -> FileResponse:
    """The plotting script, out of the installed package."""
    path = Path(str(importlib.resources.files("plotly") / "package_data" / "plotly.min.js"))
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


def health(db: Db) -> dict[str, str]:
    """For load balancers: answers when the database does."""
    db.execute(text("SELECT 1"))
    return {"status": "ok"}


def application() -> FastAPI:
    """The application as uvicorn starts it in each web process: settings from the environment."""
    settings = Settings()
    logs.configure(settings.log_format)
    return create_app(settings)
