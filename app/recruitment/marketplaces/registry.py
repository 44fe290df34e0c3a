"""Which marketplaces there are. The only place that names one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app.errors import NotFound
from app.models import Source
from app.recruitment.marketplaces.http import Api
from app.recruitment.marketplaces.prolific import REJECTIONS, Prolific, code_address, read_event
from app.recruitment.marketplaces.seam import EventReader, Marketplace, RejectionRules
from app.settings import Settings

MARKETPLACES: Final = {Source.PROLIFIC: "Prolific"}
"""Those on which a study can be published from here, and what people call them."""

CODE_ADDRESSES: Final[dict[Source, Callable[[str], str]]] = {Source.PROLIFIC: code_address}
"""Where a completion code is handed in."""

EVENT_READERS: Final[dict[Source, EventReader]] = {Source.PROLIFIC: read_event}

REJECTION_RULES: Final[dict[Source, RejectionRules]] = {Source.PROLIFIC: REJECTIONS}


@contextmanager
def connected(
    source: Source, settings: Settings, *, token: str, workspace: str = "", currency: str = ""
) -> Iterator[Marketplace]:
    """A marketplace by its token; its connections are closed at the end."""
    if source not in MARKETPLACES:
        raise NotFound(f"There is no marketplace {source}.")
    headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
    api = Api(MARKETPLACES[source], settings.prolific_url, headers)
    try:
        yield Prolific(api, workspace=workspace, currency=currency, settle=settings.bonuses_settle)
    finally:
        api.close()
