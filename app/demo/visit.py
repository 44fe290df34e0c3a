"""One simulated participant, from consent to the completion code, over the HTTP API alone."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from secrets import token_urlsafe
from typing import Any, Final
from uuid import UUID

import httpx2
import numpy as np

from app.demo.answers import Key
from app.demo.people import Person, judge, paint_region
from app.errors import Unavailable
from app.models import Question
from app.trials.schemas import AnnotationRule

AGENT: Final = "cyborg-simulation"
CROWD: Final = "crowd"
"""The key of a participant's `client` that names their simulation."""
WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits between attempts when the server does not answer or is unavailable."""
DEVICE: Final = {
    "width": 1280,
    "height": 800,
    "pixel_ratio": 1,
    "pointer": "fine",
    "touch": False,
    "images_load": True,
    "passed": True,
}
PAGE_DATA: Final = re.compile(r'<script type="application/json" id="page">(.*?)</script>', re.DOTALL)


FULL: Final = ("quota_full", "study_not_open")
"""Codes of a study that takes no more participants."""


class Refused(Exception):
    """The server refused a request."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class VisitOutcome:
    decided: int
    ending: str
    """How the visit ended: `dropped_out`, `refused`, `failed`, an ending of the API, or one of `FULL`."""
    reason: str = ""
    """Why somebody was refused or failed."""

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
    crowd: str = "",
    on_decision: Callable[[], None] = lambda: None,
) -> VisitOutcome:
    """Consent, then fetch the faces of each trial, decide, paint and send, until the visit is over.

    key : which face is fake, by trial id; the API does not say it
    crowd : the name of the simulation, stored with the facts of the browser
    `Refused`: the server refuses one of the answers

    Times are made up: nothing waits.
    """
    try:
        token, trials = _consent(client, study, external_id=external_id, crowd=crowd)
    except Refused as refusal:
        if refusal.code in FULL:
            return VisitOutcome(0, refusal.code)
        raise
    client.headers["Authorization"] = f"Bearer {token}"
    last = trials if person.quits_after is None else max(1, int(person.quits_after * trials))
    return _go_through(client, person, key=key, last=last, on_decision=on_decision)


def _go_through(
    client: httpx2.Client, person: Person, *, key: Key, last: int, on_decision: Callable[[], None]
) -> VisitOutcome:
    """Take each next step until the visit is over, or until `last` trials after practice are decided."""
    send(client, "POST", "/api/participant/device", body=DEVICE)
    rng, decided = person.random_numbers(), 0
    while True:
        if person.quits_after is not None and decided >= last:
            return VisitOutcome(decided, "dropped_out")
        answer = send(client, "GET", "/api/participant/next").json()
        if "completion" in answer:
            return VisitOutcome(decided, answer["completion"]["ending"])
        if "step" in answer:
            _answer(client, answer["step"], rng)
            continue
        trial = answer["trial"]
        _decide(client, person, rng, trial, rule=AnnotationRule.model_validate(answer["rule"]), key=key)
        if trial["kind"] != "practice":
            decided += 1
            on_decision()


def _decide(
    client: httpx2.Client,
    person: Person,
    rng: np.random.Generator,
    trial: dict[str, Any],
    *,
    rule: AnnotationRule,
    key: Key,
) -> None:
    """Fetch the pictures of a trial as a browser does, judge and send."""
    for side in ("left", "right"):
        if trial[side] is not None:
            send(client, "GET", trial[side]["url"])
    truth = key(UUID(trial["id"]))
    if trial["kind"] == "check":
        body = paint_region(person, rng, truth)
    else:
        required = rule if trial["annotate"] else None
        body = judge(person, rng, truth, question=Question(trial["question"]), rule=required)
        body["events"] += [{"kind": "advice_shown", "t_ms": 0}] if trial["advice"] else []
    send(client, "PUT", f"/api/trials/{trial['id']}/decision", body=body)


def _answer(client: httpx2.Client, step: dict[str, Any], rng: np.random.Generator) -> None:
    """Guess at the quiz until it is passed or failed; choose random answers to the closing questions."""
    questions = step["questions"]
    if step["kind"] == "quiz":
        guesses = {
            question["id"]: int(rng.integers(1, len(question["options"]) + 1)) for question in questions
        }
        result = send(client, "POST", "/api/participant/quiz", body={"answers": guesses}).json()
        while not result["passed"] and result["attempts_left"]:
            # The server says which answers were wrong; each gets the next option.
            for question in questions:
                if question["id"] in result["wrong"]:
                    guesses[question["id"]] = guesses[question["id"]] % len(question["options"]) + 1
            result = send(client, "POST", "/api/participant/quiz", body={"answers": guesses}).json()
        return
    answers = {
        question["id"]: str(rng.choice(question["options"])) if question["options"] else "simulated"
        for question in questions
    }
    send(client, "POST", "/api/participant/answers", body={"answers": answers})


def _consent(client: httpx2.Client, study: str, *, external_id: str, crowd: str) -> tuple[str, int]:
    """Read the page, consent to the version of the text on it; returns the token and the number of trials."""
    page = PAGE_DATA.search(send(client, "GET", f"/s/{study}").text)
    if page is None:
        raise Refused("study_not_open", f"The page of {study} takes nobody.")
    page_data = json.loads(unescape(page.group(1)))
    if page_data["state"] == "full":
        raise Refused("quota_full", f"All places of {study} are taken.")
    if page_data["state"] != "open":
        raise Refused("study_not_open", f"The study {study} takes nobody.")
    body = {
        "source": "simulated",
        "external_id": external_id,
        "assignment_id": token_urlsafe(16),  # lets the server recognise this request when it is sent again
        "consent": True,
        "consent_version": page_data["consent_version"],
        "client": {
            "simulated": True,
            "agent": AGENT,
            CROWD: crowd,
            "pointer": "mouse",
            "language": "en",
        },
    }
    answer = send(client, "POST", f"/api/studies/{study}/participants", body=body).json()
    return answer["token"], answer["trials"]


def send(
    client: httpx2.Client, method: str, path: str, *, body: Any = None, waits: Sequence[float] = WAITS_S
) -> httpx2.Response:
    """Send a request, again and again while the server is away, which every call of the API allows.

    `Refused`: the server refuses it. `Unavailable`: the server stays away
    """
    for wait in (*waits, None):
        problem = "does not answer"
        try:
            response = client.request(method, path, json=body)
            if response.status_code < 400:
                return response
            if response.status_code < 500 and response.status_code != 429:
                raise _refusal(response)
            problem = f"answers {response.status_code}"
        except httpx2.TransportError as error:
            problem = f"does not answer ({error})"
        if wait is not None:
            time.sleep(wait)
    raise Unavailable(f"The server at {client.base_url} {problem}")


def _refusal(response: httpx2.Response) -> Refused:
    try:
        body = response.json()
        return Refused(body["error"], body["detail"])
    except (ValueError, KeyError, TypeError):
        return Refused("unknown", f"the server answered {response.status_code}")
