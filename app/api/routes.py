"""Every route of the API for staff."""

from typing import Final

from fastapi import APIRouter, Depends

from app.api import (
    exclusions,
    images,
    links,
    notes,
    participants,
    planner,
    recruiting,
    results,
    studies,
    training,
)
from app.deps import logged_in
from app.exports import routes as exports

router: Final = APIRouter()
for part in (studies, planner, participants, exclusions, links, recruiting, images, results, training, notes):
    router.include_router(part.router)
router.include_router(recruiting.payments)

downloads: Final = APIRouter(
    prefix="/api/studies/{slug}", tags=["exports"], dependencies=[Depends(logged_in)]
)
for name, endpoint, what in (
    ("decisions.csv", exports.decisions, "Every decision of a study as CSV."),
    ("annotations.jsonl", exports.annotations, "Every annotation that counts, a line of JSON each."),
    ("export.zip", exports.everything, "Everything that a study collected, with a data dictionary."),
):
    downloads.add_api_route(f"/{name}", endpoint, response_model=None, description=what)
router.include_router(downloads)
