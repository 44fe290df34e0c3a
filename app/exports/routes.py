"""Downloads for staff."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from app.deps import Blobs, Db, logged_in, note_download
from app.exports import dictionary, queries, service
from app.exports.annotations import annotation_lines
from app.exports.contents import Contents
from app.exports.downloads import Content, Download, Downloads
from app.models import Study
from app.studies.service import find_study

router: Final = APIRouter(
    prefix="/staff/studies/{slug}", include_in_schema=False, dependencies=[Depends(logged_in)]
)


@router.get("/decisions.csv")
def decisions(request: Request, db: Db, slug: str) -> Download:
    study = find_study(db, slug)
    note_download(request, db, "decisions.csv")
    file = dictionary.DECISIONS
    return download(
        request,
        lambda session: service.table(session, file, queries.decisions(study.id)),
        name=f"{slug}-decisions.csv",
        media_type="text/csv",
    )


@router.get("/annotations.jsonl")
def annotations(request: Request, db: Db, slug: str) -> Download:
    study = find_study(db, slug)
    note_download(request, db, "annotations.jsonl")
    return download(
        request,
        lambda session: annotation_lines(session, study.id, file=dictionary.ANNOTATIONS, counting=True),
        name=f"{slug}-annotations.jsonl",
        media_type="application/jsonl",
    )


@router.get("/export.zip")
def everything(
    request: Request, db: Db, blobs: Blobs, slug: str, contents: Annotated[Contents, Query()]
) -> Download:
    study = find_study(db, slug)
    note_download(request, db, "export.zip")
    return download(
        request,
        lambda session: service.zipped(session, blobs, session.get_one(Study, study.id), contents),
        name=f"{slug}.zip",
        media_type="application/zip",
    )


def download(request: Request, content: Content, *, name: str, media_type: str) -> Download:
    """A file, from a session of its own: that of the request is closed before it is sent."""
    downloads: Downloads = request.app.state.downloads
    return Download(downloads, content, name=name, media_type=media_type)
