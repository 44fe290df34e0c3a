"""What recruiting platforms add to a study's address, and which of it names a person."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from app.errors import BadInput
from app.models import Source
from app.studies.parts import PanelSpec

NO_ASSIGNMENT: Final = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""MTurk's word for a preview: nobody has accepted the task yet."""

PARAMETERS: Final = {
    Source.MTURK: ("assignmentId", "workerId", "hitId", "turkSubmitTo"),
    Source.PROLIFIC: ("PROLIFIC_PID", "SESSION_ID", "STUDY_ID"),
}
PLATFORMS: Final = {Source.MTURK: ("MTurk", "task"), Source.PROLIFIC: ("Prolific", "study")}
"""What participants call them, and what they open there."""

LINK: Final = "link"
"""A personal link's token."""

VIA: Final = "via"
"""The token of a link that lets any number of people in."""

KNOWN: Final = {name.lower(): name for name in (LINK, VIA, *chain.from_iterable(PARAMETERS.values()))}

LONGEST: Final = 200  # characters

# What an id is made of. Templates are not: {{%ID%}}, ${id}, [ID], <id>, %7B…, "[object Object]".
ID: Final = re.compile(r"[\w.:@~+=/-]*[^\W_][\w.:@~+=/-]*")

# What a template or a program leaves behind where it had no id to put in.
NOBODY: Final = frozenset(
    {"null", "none", "nil", "undefined", "nan", "na", "false", "empty", "missing", "unknown", "anonymous"}
)

# What people type to try a link, and a program's number for nothing. Exactly these: no panel gives them out.
TRIED: Final = frozenset({"test", "xxx", "-1"})

# The names of the things that belong there, letters and digits alone: PROLIFIC_PID, __worker-id__, :id.
FIELDS: Final = frozenset(
    {
        "id", "pid", "uid", "prolificpid", "prolificid", "participantid", "subjectid", "respondentid",
        "panelistid", "userid", "externalid", "workerid", "assignmentid", "hitid", "studyid", "sessionid",
        "submissionid", "turksubmitto", "assignmentidnotavailable",
    }
)  # fmt: skip

# Ids of a known make are one id however they are spelt. Others are let in: a platform may change its make.
SPELLINGS: Final = {
    Source.PROLIFIC: (re.compile(r"[0-9a-f]{24}", re.IGNORECASE), str.lower),
    Source.MTURK: (re.compile(r"A[0-9A-Z]{9,20}", re.IGNORECASE), str.upper),
}

# Letters, digits, hyphens and dots: what a browser and Python could read as two different hosts is none.
MTURK_SITE: Final = re.compile(r"https://([a-z0-9.-]+\.mturk\.com)(?=[:/?#]|$)", re.IGNORECASE)

DAMAGED_LINK: Final = (
    "This link is damaged. Please open the study again where you found it, or ask the person who sent it."
)


def platform_id(source: Source, given: str, *, panel: str = "") -> str:
    """An id of a person, a session or an assignment as it is stored, without spaces around it.

    panel : what participants call a study's own panel

    BadInput for what stands where an id belongs and is none: a placeholder that nobody filled in, a
    program's word or number for nothing, a preview. Two people who bring it would be one participant.
    """
    found = given.strip()
    word = re.sub(r"[\W_]", "", found.lower())
    is_nobodys = word in NOBODY | FIELDS or found.lower() in TRIED or not word.strip("0")
    if not ID.fullmatch(found) or is_nobodys:
        raise BadInput(reopen(source, panel=panel))
    make, spelt = SPELLINGS.get(source, (ID, str))
    return spelt(found) if make.fullmatch(found) else found


def reopen(source: Source, *, panel: str = "") -> str:
    """What to do with an address that does not say who comes."""
    if source not in PLATFORMS and not panel:
        return "external_id and assignment_id are ids: letters, digits and . _ - : @ ~ + = / in any order."
    name, task = (panel, "study") if panel else PLATFORMS[source]
    return (
        f"This link lacks what {name} adds to it. Please open the {task} again on {name}. If that does not "
        "help, tell the people who run the study that their link does not hold your id."
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who comes, as far as the address says it."""

    source: Source = Source.LINK
    external_id: str | None = None
    session: str | None = None
    """MTurk's assignment, Prolific's submission, what a panel calls it."""
    submit_url: str | None = None
    """Where MTurk wants its form."""
    is_preview: bool = False
    """MTurk shows the page before anyone accepts: nothing may be recorded."""
    link: str | None = None
    """A personal link's token, not looked at yet."""
    via: str | None = None
    """The same of a reusable link."""


def arrival(query: Iterable[tuple[str, str]], panel: PanelSpec | None = None) -> Arrival:
    """Read the parameters of an address; BadInput where a platform's part of it cannot be true.

    Names count in any case. A parameter that no platform adds is ignored. Of a study with a panel, an address
    with the panel's parameters is the panel's, whatever platform has a parameter of the same name.
    """
    names = KNOWN | {name.lower(): _known(name) for name in (panel.parameters if panel else ())}
    found: dict[str, str] = {}
    for name, value in query:
        known, text = names.get(name.lower()), value.strip()
        if known and (len(text) > LONGEST or found.setdefault(known, text) != text):
            raise BadInput(DAMAGED_LINK)
    if panel and (arrived := _from_panel(found, panel)):
        return arrived
    if any(name in found for name in PARAMETERS[Source.MTURK]):
        return _from_mturk(found)
    if any(name in found for name in PARAMETERS[Source.PROLIFIC]):
        return _from_prolific(found)
    return Arrival(link=found.get(LINK), via=found.get(VIA))


def _known(name: str) -> str:
    """A parameter's name as it is looked up, in whatever case an address has it."""
    return KNOWN.get(name.lower(), name.lower())


def _from_panel(found: Mapping[str, str], panel: PanelSpec) -> Arrival | None:
    """None of an address that somebody else made."""
    person, session = found.get(_known(panel.id)), found.get(_known(panel.session or ""))
    if person is None and (session is None or "workerId" in found):
        return None
    given = partial(platform_id, Source.PANEL, panel=panel.name)
    return Arrival(Source.PANEL, given(person or ""), given(session or "") if panel.session else None)


def _from_mturk(found: Mapping[str, str]) -> Arrival:
    if found.get("assignmentId", "").upper() == NO_ASSIGNMENT:
        return Arrival(Source.MTURK, is_preview=True)
    _check_filled_in(Source.MTURK, found, "hitId")
    submit_url = mturk_form(found.get("turkSubmitTo", ""))
    if found.get("turkSubmitTo") and submit_url is None:
        raise BadInput(reopen(Source.MTURK))
    worker, assignment = found.get("workerId", ""), found.get("assignmentId", "")
    ids = platform_id(Source.MTURK, worker), platform_id(Source.MTURK, assignment)
    return Arrival(Source.MTURK, *ids, submit_url)


def _from_prolific(found: Mapping[str, str]) -> Arrival:
    _check_filled_in(Source.PROLIFIC, found, "SESSION_ID", "STUDY_ID")
    session = found.get("SESSION_ID")
    person = platform_id(Source.PROLIFIC, found.get("PROLIFIC_PID", ""))
    return Arrival(Source.PROLIFIC, person, platform_id(Source.PROLIFIC, session) if session else None)


def _check_filled_in(source: Source, found: Mapping[str, str], *names: str) -> None:
    """BadInput when one of them is a template still: then the rest of the address is not to be trusted."""
    for name in names:
        if found.get(name):
            platform_id(source, found[name])


def mturk_form(site: str) -> str | None:
    """Where MTurk wants its form; None for any other site."""
    match = MTURK_SITE.match(site)
    return f"https://{match[1]}/mturk/externalSubmit" if match else None
