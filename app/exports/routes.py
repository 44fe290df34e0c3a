"""Downloads for staff."""

from collections.abc import Callable, Iterator
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from app.db import SessionFactory, snapshot
from app.deps import Blobs, Db, logged_in
from app.exports import dictionary, queries, service
from app.models import Study
from app.studies.service import find_study

router: Final = APIRouter(
    prefix="/staff/studies/{slug}", include_in_schema=False, dependencies=[Depends(logged_in)]
)

Content = Callable[[Session], Iterator[bytes]]


@router.get("/decisions.csv")
def decisions(request: Request, db: Db, slug: str) -> StreamingResponse:
    study = find_study(db, slug)
    file = dictionary.DECISIONS
    return download(
        request,
        lambda session: service.table(session, file, queries.decisions(study.id)),
        name=f"{slug}-decisions.csv",
        media_type="text/csv",
    )


@router.get("/annotations.jsonl")
def annotations(request: Request, db: Db, slug: str) -> StreamingResponse:
    study = find_study(db, slug)
    return download(
        request,
        lambda session: service.annotation_lines(session, study),
        name=f"{slug}-annotations.jsonl",
        media_type="application/jsonl",
    )


@router.get("/export.zip")
def everything(request: Request, db: Db, blobs: Blobs, slug: str) -> StreamingResponse:
    study = find_study(db, slug)
    return download(
        request,
        lambda session: service.zipped(session, blobs, session.get_one(Study, study.id)),
        name=f"{slug}.zip",
        media_type="application/zip",
    )


def download(request: Request, content: Content, *, name: str, media_type: str) -> StreamingResponse:
    """Stream a file. The request's own session is closed by then, so the file has one of its own."""
    sessions: SessionFactory = request.app.state.session_factory

    def chunks() -> Iterator[bytes]:
        with snapshot(sessions) as session:
            yield from content(session)

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks(), media_type=media_type, headers=headers)
