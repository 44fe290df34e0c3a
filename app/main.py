"""The web application."""

import importlib.resources
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from annotation_ui import STATIC
from app import logs
from app.accounts import people, second_factor_pages, tokens
from app.accounts import routes as accounts
from app.api import routes as api
from app.dashboard import routes as dashboard
from app.dashboard.studies.live import LivePages, SharedNumbers
from app.db import SessionFactory, connect, factory, upgrade
from app.exports import routes as exports
from app.exports.downloads import MAKERS, Downloads
from app.health import Health, health
from app.maps import routes as maps
from app.middleware import BodyLimit, Compressed, ConcurrencyLimit, SameOriginOnly, SecurityHeaders
from app.questions import add_question_page, ask_first
from app.recruitment import events as marketplace_events
from app.recruitment import routes as recruitment
from app.security import RateLimit
from app.settings import Settings
from app.stimuli import routes as stimuli
from app.storage import WEB_TIMEOUT_S, BlobStore
from app.studies import routes as studies
from app.trials import routes as trials
from app.trials.picture_server import PictureServer, old_heat_map, picture
from app.web import Problem, add_error_handlers

TOO_MANY_ARRIVALS: Final = "Many people are joining from your network; please try again in a minute."

STAFF_REQUESTS: Final = 4
"""Requests of staff that each web process works on at once."""

OTHER_CONNECTIONS: Final = MAKERS + 3
"""Database connections outside the request limits: downloads in the making, old picture addresses, health,
pages that follow by themselves."""

STAFF_PAGES: Final = (people.router, tokens.router, dashboard.router)
"""Whose forms may ask before they act."""

# Participants first, because most requests are theirs and routes are searched in this order.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    trials.router,
    recruitment.router,
    studies.router,
    marketplace_events.router,
    accounts.router,
    people.router,
    tokens.router,
    second_factor_pages.router,
    dashboard.router,
    stimuli.api,  # before the API, which takes the rest of the same address for the number of an image
    api.router,
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
            engine = connect(settings, connections=sum(request_limits(settings).values()) + OTHER_CONNECTIONS)
            upgrade(engine)
            app.state.session_factory = factory(engine)
        app.state.blobs.connect()
        build_routes(app)
        yield
        for with_threads in (app.state.live, app.state.pictures, app.state.downloads, app.state.health):
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
        responses={422: {"model": Problem, "description": "What was sent cannot be used."}},
    )
    app.state.settings = settings
    app.state.session_factory = session_factory
    app.state.blobs = BlobStore(settings.blobs_url, timeout_s=WEB_TIMEOUT_S)
    app.state.pictures = PictureServer(
        app.state.blobs, lambda: app.state.session_factory, memory_bytes=settings.picture_memory_bytes
    )
    app.state.downloads = Downloads(settings.data_dir / "downloads", lambda: app.state.session_factory)
    app.state.numbers = SharedNumbers()
    app.state.live = LivePages(lambda: app.state.session_factory, settings, shared=app.state.numbers)
    app.state.health = Health(app.state.blobs, lambda: app.state.session_factory)
    app.state.arrivals = RateLimit(f"{settings.enrolments_per_minute} per minute", TOO_MANY_ARRIVALS)
    # First, because routes are searched in this order and most requests are for a picture.
    app.add_route("/i/{address}", picture)
    app.add_route("/i/{address}/map", old_heat_map)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(ask_first)] if router in STAFF_PAGES else None)
    app.mount("/static", RevalidatedFiles(directory=STATIC))
    app.add_api_route("/plotly.min.js", plotly, include_in_schema=False)
    app.add_route("/health", health)
    add_error_handlers(app)
    add_question_page(app)
    add_middleware(app, settings)
    return app


def add_middleware(app: FastAPI, settings: Settings) -> None:
    """Wrap the application in its layers; a request passes the last one that is added first."""
    app.add_middleware(ConcurrencyLimit, limits=request_limits(settings))
    app.add_middleware(Compressed)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(SameOriginOnly)
    app.add_middleware(
        SecurityHeaders,
        frame_ancestors=settings.frame_ancestors,
        hsts=settings.hsts if settings.secure_cookies else timedelta(0),
    )


def request_limits(settings: Settings) -> dict[str, int]:
    """How many requests of each group a web process works on at once."""
    return {"participants": settings.participant_requests, "staff": STAFF_REQUESTS}


def build_routes(app: FastAPI) -> None:
    """Build the routes at the start, which FastAPI would else do during the first request."""
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "root_path": ""})


class RevalidatedFiles(StaticFiles):
    """Files that a browser may cache but checks each time, so that a new version is used at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def plotly() -> FileResponse:
    """The plotting script, from the installed package."""
    path = Path(str(importlib.resources.files("plotly") / "package_data" / "plotly.min.js"))
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


def application() -> FastAPI:
    """The application that uvicorn starts in each web process, with settings from the environment."""
    settings = Settings()
    logs.configure(settings.log_format)
    return create_app(settings)
