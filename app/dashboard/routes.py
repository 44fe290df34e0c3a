"""Every page of the staff side, in the order in which their addresses are tried."""

from typing import Final

from fastapi import APIRouter

from app.dashboard import home, images, participants, studies

router: Final = APIRouter()
for part in (home, images, studies, participants):
    router.include_router(part.router)
