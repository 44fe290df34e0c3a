"""The audit log, for admins."""

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from app.audit.reading import AuditFilter, as_csv, entries
from app.dashboard.paging import cut
from app.deps import Admin, Db
from app.exports.downloads import Download
from app.forms import Fields
from app.web import page

router: Final = APIRouter(prefix="/staff/audit", include_in_schema=False)

PAGE_SIZE: Final = 50


class AuditView(Fields):
    """The query of the address: which entries, and after which one the page begins."""

    who: str = Field("", max_length=200)
    action: str = Field("", max_length=100)
    text: str = Field("", max_length=200)
    since: date | None = None
    until: date | None = None
    after: Annotated[int, Field(ge=1, lt=2**63)] | None = None

    @property
    def wanted(self) -> AuditFilter:
        return AuditFilter(**self.model_dump(exclude={"after"}))


@router.get("")
def audit_log(request: Request, db: Db, _admin: Admin, view: Annotated[AuditView, Query()]) -> HTMLResponse:
    rows = entries(db, view.wanted, before=view.after, limit=PAGE_SIZE + 1)
    return page(
        request,
        "staff/audit.html",
        page=cut(request, rows, size=PAGE_SIZE, key=lambda entry: entry.id),
        view=view,
        narrows=view.wanted.narrows,
        query=request.url.remove_query_params("after").query,
    )


@router.get("/entries.csv")
def audit_csv(request: Request, _admin: Admin, view: Annotated[AuditView, Query()]) -> Download:
    """Every entry that the filter lets through, as a file."""
    return Download(
        request.app.state.downloads,
        lambda session: as_csv(session, view.wanted),
        name="audit-log.csv",
        media_type="text/csv",
    )
