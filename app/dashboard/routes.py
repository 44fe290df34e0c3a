"""Every page of the staff side, in the order in which their addresses are tried."""

from typing import Final

from fastapi import APIRouter

from app.dashboard import (
    analysis,
    experiments,
    home,
    images,
    map_downloads,
    map_pages,
    maps,
    model,
    new_experiment,
    new_study,
    participant,
    participants,
    runs,
    studies,
)

router: Final = APIRouter()
for part in (
    home,
    images,
    new_study,  # "new" before the name of a study
    studies,
    participants,
    participant,
    analysis,
    maps,
    map_downloads,
    map_pages,
    new_experiment,
    experiments,
    runs,
    model,
):
    router.include_router(part.router)
