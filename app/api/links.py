"""Links into a study. An address is as good as a person's name: only editors read them."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.dashboard.links import csv_of
from app.deps import Config, Db, Editor
from app.messages import Answer, Body
from app.models import LinkKind, Study
from app.recruitment import links
from app.recruitment.links import LinkRecord, LinkState
from app.security import link_secret
from app.settings import Settings
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api/studies/{slug}", tags=["participants"])


class LinkView(Answer):
    """A link, who has it, and what became of it."""

    id: int
    label: str
    kind: LinkKind
    state: LinkState
    came: int
    """People who began by it."""
    finished: int
    address: str
    withdrawn_at: datetime | None


class LinkList(Answer):
    """Links in the order in which they were made."""

    links: list[LinkView]


class LinkRequest(Body):
    """Either labels, or a count of links that are numbered."""

    kind: LinkKind = LinkKind.SINGLE_USE
    labels: list[Annotated[str, Field(max_length=links.LONGEST_LABEL)]] = Field(
        [], max_length=links.MOST_AT_ONCE
    )
    count: int | None = Field(None, ge=1, le=links.MOST_AT_ONCE)


@router.get("/links")
def list_links(db: Db, config: Config, _editor: Editor, slug: str) -> LinkList:
    """All links of a study."""
    study = find_study(db, slug)
    return _listed(db, study, config, links.records(db, study))


@router.post("/links", status_code=201)
def make_links(db: Db, config: Config, editor: Editor, slug: str, body: LinkRequest) -> LinkList:
    """Make links, all of them or none."""
    study = find_study(db, slug)
    labels = body.labels or links.numbered(db, study, body.count or 0)
    made = links.make_links(db, study, body.kind, labels, by=editor.id)
    return _listed(db, study, config, links.records(db, study, only=[one.id for one in made]))


@router.get("/links.csv", response_class=Response)
def download_links(request: Request, db: Db, config: Config, _editor: Editor, slug: str) -> Response:
    """All links of a study as CSV, for a mail merge."""
    return csv_of(request, db, find_study(db, slug), config)


@router.post("/links/{link_id}/withdraw")
def withdraw_link(db: Db, config: Config, _editor: Editor, slug: str, link_id: int) -> LinkView:
    """Let nobody new in by a link; who has begun goes on."""
    study = find_study(db, slug)
    links.withdraw_link(links.find_link(db, study, link_id))
    (found,) = _listed(db, study, config, links.records(db, study, only=[link_id])).links
    return found


def _listed(db: Session, study: Study, config: Settings, found: list[LinkRecord]) -> LinkList:
    secret = link_secret(db)
    return LinkList(
        links=[
            LinkView(
                id=one.link.id,
                label=one.link.label,
                kind=one.link.kind,
                state=one.state,
                came=one.came,
                finished=one.finished,
                address=links.address_of(study, one.link, secret, public_url=config.public_url),
                withdrawn_at=one.link.withdrawn_at,
            )
            for one in found
        ]
    )
