"""Which marketplaces there are. The only place that names one."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, get_args

from app.errors import NotFound
from app.models import Source
from app.recruitment.marketplaces import mturk
from app.recruitment.marketplaces.http import Api
from app.recruitment.marketplaces.prolific import ARRIVAL, REJECTIONS, Prolific, code_address, read_event
from app.recruitment.marketplaces.seam import EventReader, Marketplace, RejectionRules, VisitEnd
from app.settings import Settings

MARKETPLACES: Final = {Source.PROLIFIC: "Prolific", Source.MTURK: "MTurk"}
"""Those on which a study can be published from here, and what people call them."""

ARRIVALS: Final = {Source.PROLIFIC: ARRIVAL, Source.MTURK: ""}
"""What is added to a study's address for the marketplace to fill in; MTurk adds its parameters itself."""

CODE_ADDRESSES: Final[dict[Source, Callable[[str], str | None]]] = {
    Source.PROLIFIC: code_address,
    Source.MTURK: lambda _code: None,  # the page has MTurk's form
}
"""Where a completion code is handed in."""

CODED_ENDINGS: Final[dict[Source, tuple[VisitEnd, ...]]] = {
    Source.PROLIFIC: get_args(VisitEnd),
    Source.MTURK: ("finished", "failed_checks"),
}
"""The endings that have a code; after the others of MTurk people return the HIT."""

SCREENS_OUT: Final = {Source.PROLIFIC}
"""Those on which staff can screen somebody out who has handed in their work."""

EVENT_READERS: Final[dict[Source, EventReader]] = {Source.PROLIFIC: read_event}

REJECTION_RULES: Final[dict[Source, RejectionRules]] = {
    Source.PROLIFIC: REJECTIONS,
    Source.MTURK: mturk.REJECTIONS,
}


@contextmanager
def connected(
    source: Source, settings: Settings, *, token: str, workspace: str = "", currency: str = ""
) -> Iterator[Marketplace]:
    """A marketplace by its token; its connections are closed at the end."""
    if source not in MARKETPLACES:
        raise NotFound(f"There is no marketplace {source}.")
    if source is Source.MTURK:
        on_mturk = mturk.MTurk(token, settings.mturk_url, settle=settings.bonuses_settle)
        with closing(on_mturk):
            yield on_mturk
        return
    headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
    with closing(Api(MARKETPLACES[source], settings.prolific_url, headers)) as api:
        yield Prolific(api, workspace=workspace, currency=currency, settle=settings.bonuses_settle)
