"""One simulated participant, from consent to the completion code, over the HTTP API and nothing else."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, Final
from uuid import UUID

import httpx2

from app.demo.answers import Key
from app.demo.people import Person, judge
from app.errors import Unavailable, WrongState
from app.models import Question

AGENT: Final = "cyborg-simulation"
WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Between attempts when the server does not answer or says that it cannot."""
PAGE_DATA: Final = re.compile(r'<script type="application/json" id="page">(.*?)</script>', re.DOTALL)


class Refused(Exception):
    """The server said no, and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Outcome:
    decided: int
    ending: str
    """`finished`, `dropped_out`, or the code with which the study took nobody any more."""

    @property
    def has_finished(self) -> bool:
        return self.ending == "finished"


def take_part(
    client: httpx2.Client,
    study: str,
    person: Person,
    *,
    key: Key,
    external_id: str,
    on_decision: Callable[[], None] = lambda: None,
) -> Outcome:
    """Consent, then look at both faces of each pair, decide, paint and send, until there are none left.

    The answer key is asked by trial id; nothing that the API sends says which face is fake. Times are
    claimed, not waited for.
    """
    try:
        token, trials = _consent(client, study, external_id=external_id)
    except Refused as no:
        if no.code in ("quota_full", "study_not_open"):
            return Outcome(0, no.code)
        raise WrongState(f"{study} refused a simulated participant: {no.detail}") from None
    client.headers["Authorization"] = f"Bearer {token}"
    last = trials if person.quits_after is None else max(1, int(person.quits_after * trials))
    try:
        decided = _decide(client, person, key=key, last=last, on_decision=on_decision)
        return Outcome(decided, "finished" if _is_done(client, person) else "dropped_out")
    except Refused as no:
        raise WrongState(f"{study} refused a decision: {no.detail}") from None


def _decide(
    client: httpx2.Client, person: Person, *, key: Key, last: int, on_decision: Callable[[], None]
) -> int:
    """Judge up to `last` trials; returns how many there were."""
    rng, decided = person.mind(), 0
    while decided < last and (trial := _next(client)):
        question = Question(trial["question"])
        truth = key(UUID(trial["id"]))
        body = judge(person, rng, truth, question=question, annotate=trial["annotate"])
        send(client, "PUT", f"/api/trials/{trial['id']}/decision", body=body)
        decided += 1
        on_decision()
    return decided


def _consent(client: httpx2.Client, study: str, *, external_id: str) -> tuple[str, int]:
    """Read the page as a browser does, agree to the text that it shows; returns token and trials."""
    page = PAGE_DATA.search(send(client, "GET", f"/s/{study}").text)
    if page is None:
        raise Refused("study_not_open", f"The page of {study} takes nobody.")
    shown = json.loads(unescape(page.group(1)))
    body = {
        "source": "simulated",
        "external_id": external_id,
        "consent": True,
        "consent_version": shown["consent_version"],
        "client": {"simulated": True, "agent": AGENT, "pointer": "mouse", "language": "en"},
    }
    answer = send(client, "POST", f"/api/studies/{study}/participants", body=body).json()
    return answer["token"], answer["trials"]


def _next(client: httpx2.Client) -> dict[str, Any] | None:
    """The trial to decide, once both of its pictures are here; None at the end."""
    answer = send(client, "GET", "/api/participant/next").json()
    if "trial" not in answer:
        return None
    trial: dict[str, Any] = answer["trial"]
    for side in ("left", "right"):
        send(client, "GET", trial[side]["url"])
    return trial


def _is_done(client: httpx2.Client, person: Person) -> bool:
    """Whether the server gives the completion code; who drops out does not ask for it."""
    return person.quits_after is None and "completion" in send(client, "GET", "/api/participant/next").json()


def send(
    client: httpx2.Client, method: str, path: str, *, body: Any = None, waits: Sequence[float] = WAITS_S
) -> httpx2.Response:
    """A request that is sent again while the server is away; every call of the API allows that.

    Refused when the server understood and said no; Unavailable when it stays away.
    """
    for wait in (*waits, None):
        trouble = "does not answer"
        try:
            response = client.request(method, path, json=body)
            if response.status_code < 400:
                return response
            if response.status_code < 500 and response.status_code != 429:
                raise _refusal(response)
            trouble = f"answers {response.status_code}"
        except httpx2.TransportError as error:
            trouble = f"does not answer ({error})"
        if wait is not None:
            time.sleep(wait)
    raise Unavailable(f"The server at {client.base_url} {trouble}")


def _refusal(response: httpx2.Response) -> Refused:
    try:
        said = response.json()
        return Refused(said["error"], said["detail"])
    except (ValueError, KeyError, TypeError):
        return Refused("unknown", f"the server answered {response.status_code}")
