"""The web application."""

import importlib.resources
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from annotation_ui import STATIC
from app import logs
from app.accounts import people
from app.accounts import routes as accounts
from app.dashboard import routes as dashboard
from app.db import SessionFactory, connect, factory, upgrade
from app.exports import routes as exports
from app.exports.downloads import MAKERS, Downloads
from app.health import Health, health
from app.maps import routes as maps
from app.middleware import BodyLimit, Compressed, Envelope, InFlight, SameOriginOnly
from app.recruitment import routes as recruitment
from app.security import RateLimit
from app.settings import Settings
from app.stimuli import routes as stimuli
from app.storage import WEB_PATIENCE_S, BlobStore
from app.studies import routes as studies
from app.trials import routes as trials
from app.trials.picture_room import PictureRoom, old_heat_map, picture
from app.web import add_error_handlers

TOO_MANY_ARRIVALS: Final = "Many people are joining from your network; please try again in a minute."

STAFF_REQUESTS: Final = 4
"""Of staff, at work at once in each web process."""

OTHERS: Final = MAKERS + 2
"""Connections for what has no place: downloads that are being made, old addresses of pictures, health."""

# Participants first: theirs are most of what is asked for.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    trials.router,
    recruitment.router,
    studies.router,
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
            engine = connect(settings, connections=sum(places(settings).values()) + OTHERS)
            upgrade(engine)
            app.state.session_factory = factory(engine)
        app.state.blobs.connect()
        build_routes(app)
        yield
        for with_threads in (app.state.pictures, app.state.downloads, app.state.health):
            with_threads.close()
        if engine is not None:
            engine.dispose()

    app = FastAPI(
        title="Cyborg",
        version=version("cyborg-platform"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.settings = settings
    app.state.session_factory = session_factory
    app.state.blobs = BlobStore(settings.blobs_url, patience_s=WEB_PATIENCE_S)
    app.state.pictures = PictureRoom(
        app.state.blobs, lambda: app.state.session_factory, memory_bytes=settings.picture_memory_bytes
    )
    app.state.downloads = Downloads(settings.data_dir / "downloads", lambda: app.state.session_factory)
    app.state.health = Health(app.state.blobs, lambda: app.state.session_factory)
    app.state.arrivals = RateLimit(f"{settings.enrolments_per_minute} per minute", TOO_MANY_ARRIVALS)
    # Before all others: an address is looked for from the top, and most of what is asked for is a picture.
    app.add_route("/i/{address}", picture)
    app.add_route("/i/{address}/map", old_heat_map)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", RevalidatedFiles(directory=STATIC))
    app.add_api_route("/plotly.min.js", plotly, include_in_schema=False)
    app.add_route("/health", health)
    add_error_handlers(app)
    add_middleware(app, settings)
    return app


def add_middleware(app: FastAPI, settings: Settings) -> None:
    """What each request passes on its way in, the last first."""
    app.add_middleware(InFlight, places=places(settings))
    app.add_middleware(Compressed)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(SameOriginOnly)
    app.add_middleware(
        Envelope,
        frame_ancestors=settings.frame_ancestors,
        hsts=settings.hsts if settings.secure_cookies else timedelta(0),
    )


def places(settings: Settings) -> dict[str, int]:
    """How many requests of each kind a web process works on at once."""
    return {"participants": settings.participant_requests, "staff": STAFF_REQUESTS}


def build_routes(app: FastAPI) -> None:
    """FastAPI builds its routes when it first looks through them: now, and not while somebody waits."""
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "root_path": ""})


class RevalidatedFiles(StaticFiles):
    """Files that a browser may keep but asks about each time, so that a new version is seen at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def plotly() -> FileResponse:
    """The plotting script, out of the installed package."""
    path = Path(str(importlib.resources.files("plotly") / "package_data" / "plotly.min.js"))
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


def application() -> FastAPI:
    """The application as uvicorn starts it in each web process: settings from the environment."""
    settings = Settings()
    logs.configure(settings.log_format)
    return create_app(settings)
