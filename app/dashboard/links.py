"""The links of a study: who has which, and what became of them."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.dashboard.paging import cut
from app.deps import Config, Db, Editor, note_download
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import LinkKind, Study
from app.recruitment import links
from app.security import link_secret
from app.settings import Settings
from app.studies.service import find_study
from app.web import page

PAGE_SIZE: Final = 100

router: Final = APIRouter(prefix="/staff/studies/{slug}", include_in_schema=False)


class LinkPosition(Fields):
    """The query of the page's address: the last link that was seen."""

    after: int = Field(0, ge=0)


@router.get("/links")
def list_links(
    request: Request,
    db: Db,
    config: Config,
    _editor: Editor,
    slug: str,
    shown: Annotated[LinkPosition, Query()],
) -> HTMLResponse:
    study = find_study(db, slug)
    found = links.records(db, study, after=shown.after, limit=PAGE_SIZE + 1)
    secret = link_secret(db)
    return page(
        request,
        "staff/links.html",
        study=study,
        page=cut(request, found, size=PAGE_SIZE, key=lambda one: one.link.id),
        address_of=lambda link: links.address_of(study, link, secret, public_url=config.public_url),
        counts=links.counts(db, study),
        kinds=list(LinkKind),
        most=links.MOST_AT_ONCE,
    )


class WantedLinks(Fields):
    """Labels, a line each; without any, how many numbered links."""

    kind: LinkKind = LinkKind.SINGLE_USE
    labels: str = Field("", max_length=links.MOST_AT_ONCE * links.LONGEST_LABEL)
    count: int | None = Field(None, ge=1, le=links.MOST_AT_ONCE)


@router.post("/links")
def make_links(
    request: Request, db: Db, editor: Editor, slug: str, wanted: Annotated[WantedLinks, Form()]
) -> Response:
    study = find_study(db, slug)
    labels = wanted.labels.splitlines() or links.numbered(db, study, wanted.count or 0)
    made = links.make_links(db, study, wanted.kind, labels, by=editor.id)
    return leave_for(_address(slug), request, Flash("ok", f"{len(made)} links are made"))


@router.get("/links.csv")
def download_links(request: Request, db: Db, config: Config, _editor: Editor, slug: str) -> Response:
    return csv_of(request, db, find_study(db, slug), config)


@router.post("/links/{link_id}/withdraw")
def withdraw_link(request: Request, db: Db, _editor: Editor, slug: str, link_id: int) -> Response:
    link = links.find_link(db, find_study(db, slug), link_id)
    links.withdraw_link(link)
    return leave_for(
        _address(slug), request, Flash("ok", f"The link of {link.label} lets nobody in any more")
    )


def csv_of(request: Request, db: Session, study: Study, settings: Settings) -> Response:
    """All links of a study, for a mail merge."""
    note_download(request, db, "links.csv")
    text = links.merge_csv(db, study, public_url=settings.public_url)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-links.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _address(slug: str) -> str:
    return f"/staff/studies/{slug}/links"
