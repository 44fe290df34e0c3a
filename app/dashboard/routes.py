"""Every page of the staff side, in the order in which their addresses are tried."""

from typing import Final

from fastapi import APIRouter

from app.dashboard import audit, home, links, notes, recruiting
from app.dashboard.experiments import datasets, imports, runs, tasks
from app.dashboard.experiments import detector as model
from app.dashboard.experiments import new as new_experiment
from app.dashboard.experiments import pages as experiments
from app.dashboard.images import audits
from app.dashboard.images import pages as images
from app.dashboard.maps import downloads as map_downloads
from app.dashboard.maps import gallery as maps
from app.dashboard.maps import sets as map_pages
from app.dashboard.participants import exclusions, participant
from app.dashboard.participants import pages as participants
from app.dashboard.studies import accuracy as analysis
from app.dashboard.studies import design, preview
from app.dashboard.studies import new as new_study
from app.dashboard.studies import pages as studies

router: Final = APIRouter()
for part in (
    home,
    audit,
    notes,
    audits,
    images,
    new_study,  # "new" before the name of a study
    design,
    preview,
    studies,
    participants,
    participant,
    exclusions,
    recruiting,
    links,
    analysis,
    maps,
    map_downloads,
    map_pages,
    new_experiment,
    datasets,
    experiments,
    imports,
    runs,
    tasks,
    model,
):
    router.include_router(part.router)
router.include_router(participants.ticked)
router.include_router(recruiting.everywhere)
