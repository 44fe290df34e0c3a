"""A Prolific of one's own: a real HTTP server that keeps state, pays money, and fails when it is told to.

It does what the documentation of API v1 says, the awkward parts too: paying a batch of bonuses twice pays
twice, places only grow, and an answer may be lost after the work was done.
"""

import base64
import hmac
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

TOKEN = "prolific-t0ken"
WORKSPACE = "w" * 24
LEAST_SCREEN_OUT_PAY = 14
FEE_PERCENT, TAX_PERCENT = 33, 20

OCCUPY = {"RESERVED", "ACTIVE", "AWAITING REVIEW", "APPROVED", "SCREENED OUT"}
TRANSITIONS = {
    ("UNPUBLISHED", "PUBLISH"): "ACTIVE",
    ("ACTIVE", "PAUSE"): "PAUSED",
    ("PAUSED", "START"): "ACTIVE",
    ("ACTIVE", "STOP"): "COMPLETED",
    ("PAUSED", "STOP"): "COMPLETED",
    ("AWAITING REVIEW", "STOP"): "COMPLETED",
}


class Refusal(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass
class Fault:
    """What goes wrong at the next requests that match. `after`: once the work is done.

    what : a status, or "lost" for a connection that ends without an answer
    """

    method: str
    path: str
    what: int | str
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def hits(self, method: str, path: str) -> bool:
        return self.times > 0 and method == self.method and re.search(self.path, path) is not None


@dataclass
class Death:
    """Kills a process at its n-th request to a path from now on, before the work of that request or after."""

    victim: int
    at: int
    after: bool
    path: str = ""


class LocalProlific:
    """The platform and its people."""

    def __init__(self, *, token: str = TOKEN) -> None:
        self.token = token
        self.url = ""
        self.lock = threading.RLock()
        self.studies: dict[str, dict[str, Any]] = {}
        self.submissions: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.secrets: list[dict[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.death: Death | None = None
        self.balance = 10_000_00
        self.page_size = 50
        """The most rows that a page has, whatever is asked for."""

    @property
    def environment(self) -> dict[str, str]:
        """Of an installation that recruits here; a bonus shows at once."""
        return {"CYBORG_PROLIFIC_URL": self.url, "CYBORG_BONUSES_SETTLE": "PT0.2S"}

    # ---- people ----

    def join(self, study_id: str, worker: str | None = None) -> str:
        """Somebody takes a place; returns the submission's id."""
        with self.lock:
            study = self.studies[study_id]
            if study["status"] != "ACTIVE" or self._taken(study_id) >= study["total_available_places"]:
                raise Refusal(400, "There is no place.")
            submission = new_id()
            self.submissions[submission] = {
                "id": submission,
                "study_id": study_id,
                "participant_id": worker or new_id(),
                "status": "ACTIVE",
                "started_at": now(),
                "completed_at": None,
                "study_code": None,
                "return_requested": None,
                "bonus_payments": [],
                "rewards": [],
            }
            self._tell("submission", submission, "ACTIVE")
            self._fill(study_id)
            return submission

    def complete(self, submission_id: str, code: str) -> None:
        with self.lock:
            one = self.submissions[submission_id]
            one["study_code"], one["completed_at"] = code, now()
            study = self.studies[one["study_id"]]
            known = {given["code"]: given for given in study["completion_codes"]}
            actions = known[code]["actions"] if code in known else [{"action": "MANUALLY_REVIEW"}]
            self._become(one, "AWAITING REVIEW")
            for action in actions:
                self._perform(one, action)

    def _perform(self, one: dict[str, Any], action: dict[str, Any]) -> None:
        match action["action"]:
            case "AUTOMATICALLY_APPROVE":
                self._approve(one)
            case "REQUEST_RETURN":
                one["return_requested"] = now()
            case "FIXED_SCREEN_OUT_PAYMENT":
                one["rewards"].append(action["fixed_screen_out_reward"])
                self._become(one, "SCREENED OUT")
            case "ADD_TO_PARTICIPANT_GROUP":
                self.groups[action["participant_group"]]["members"].append(one["participant_id"])

    def leave(self, submission_id: str, status: str = "RETURNED") -> None:
        """Somebody returns their submission, or is out of time."""
        with self.lock:
            self._become(self.submissions[submission_id], status)

    # ---- money ----

    def paid(self, study_id: str) -> dict[str, int]:
        """What the study has cost: rewards, bonuses, fees and tax."""
        mine = [one for one in self.submissions.values() if one["study_id"] == study_id]
        rewards = sum(sum(one["rewards"]) for one in mine)
        bonuses = sum(sum(one["bonus_payments"]) for one in mine)
        fees = [amount * FEE_PERCENT // 100 for amount in (rewards, bonuses)]
        taxes = [fee * TAX_PERCENT // 100 for fee in fees]
        return {"rewards": rewards, "bonuses": bonuses, "fees": sum(fees), "tax": sum(taxes)}

    def _approve(self, one: dict[str, Any]) -> None:
        if one["status"] == "APPROVED":
            return
        if one["status"] not in ("AWAITING REVIEW", "REJECTED", "RETURNED", "TIMED-OUT"):
            raise Refusal(400, f"Submission {one['id']} is {one['status']}.")
        one["rewards"].append(self.studies[one["study_id"]]["reward"])
        self._become(one, "APPROVED")

    # ---- events ----

    def signed(self, event: dict[str, Any] | str, *, at: float | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of an event as Prolific sends them; a text is sent as it stands."""
        body = (event if isinstance(event, str) else json.dumps(event)).encode()
        sent = str(int(at or time.time()))
        made = hmac.digest(self.secrets[0]["value"].encode(), sent.encode() + body, "sha256")
        return body, {
            "X-Prolific-Request-Signature": base64.b64encode(made).decode(),
            "X-Prolific-Request-Timestamp": sent,
            "X-Event-ID": uuid4().hex,
            "Content-Type": "application/json",
        }

    def _tell(self, kind: str, resource: str, status: str) -> None:
        self.events.append({"event_type": f"{kind}.status.change", "resource_id": resource, "status": status})

    def _become(self, one: dict[str, Any], status: str) -> None:
        one["status"] = status
        self._tell("submission", one["id"], status)
        self._fill(one["study_id"])

    def _fill(self, study_id: str) -> None:
        study = self.studies[study_id]
        if study["status"] == "ACTIVE" and self._taken(study_id) >= study["total_available_places"]:
            waits = any(
                one["status"] in ("ACTIVE", "RESERVED")
                for one in self.submissions.values()
                if one["study_id"] == study_id
            )
            study["status"] = "ACTIVE" if waits else "AWAITING REVIEW"
        elif study["status"] == "AWAITING REVIEW" and self._taken(study_id) < study["total_available_places"]:
            study["status"] = "ACTIVE"

    def _taken(self, study_id: str) -> int:
        """Who is screened out for a fixed reward takes no place from the others."""
        return sum(
            one["study_id"] == study_id
            and (one["status"] in OCCUPY - {"SCREENED OUT"} or one.get("keeps_place", False))
            for one in self.submissions.values()
        )

    # ---- the API ----

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict]:
        for route, handler in ROUTES:
            verb, pattern = route.split()
            if verb == method and (match := re.fullmatch(pattern.replace("ID", "([^/]+)"), path)):
                with self.lock:
                    return handler(self, *match.groups(), query=query, body=body)
        raise Refusal(404, "There is no such address.")

    def _me(self, *, query, body):
        return 200, {"id": "r" * 24, "name": "Ada Lab", "email": "ada@lab.example"}, {}

    def _workspaces(self, *, query, body):
        return 200, {"results": [{"id": WORKSPACE, "title": "The lab"}]}, {}

    def _balance(self, _id, *, query, body):
        return 200, {"currency_code": "GBP", "total_balance": self.balance}, {}

    def _quote(self, *, query, body):
        rewards = body["reward"] * body["total_available_places"]
        fees = rewards * FEE_PERCENT // 100
        tax = fees * TAX_PERCENT // 100
        return 200, {"total_cost": rewards + fees + tax, "rewards": rewards, "fees": fees, "vat": tax}, {}

    def _list_studies(self, *, query, body):
        wanted = query.get("state")
        found = [study for study in self.studies.values() if wanted in (None, study["status"])]
        return 200, {"results": [{"id": s["id"], "internal_name": s["internal_name"]} for s in found]}, {}

    def _create_study(self, *, query, body):
        codes = [one["code"] for one in body["completion_codes"]]
        if len(set(codes)) < len(codes):
            raise Refusal(400, "Completion codes have to differ.")
        study = body | {"id": new_id(), "status": "UNPUBLISHED"}
        self.studies[study["id"]] = study
        return 201, self._shown(study), {}

    def _shown(self, study: dict[str, Any]) -> dict[str, Any]:
        return study | {"places_taken": float(self._taken(study["id"]))}

    def _study(self, study_id: str) -> dict[str, Any]:
        if study_id not in self.studies:
            raise Refusal(404, "There is no such study.")
        return self.studies[study_id]

    def _get_study(self, study_id, *, query, body):
        return 200, self._shown(self._study(study_id)), {}

    def _patch_study(self, study_id, *, query, body):
        study, places = self._study(study_id), body["total_available_places"]
        if study["status"] != "UNPUBLISHED" and places < study["total_available_places"]:
            raise Refusal(400, "Places can only be increased.")
        study["total_available_places"] = places
        if study["status"] in ("AWAITING REVIEW", "COMPLETED"):
            study["status"] = "ACTIVE"
        return 200, self._shown(study), {}

    def _transition_study(self, study_id, *, query, body):
        study = self._study(study_id)
        becomes = TRANSITIONS.get((study["status"], body["action"]))
        if becomes is None:
            raise Refusal(400, f"A study that is {study['status']} cannot {body['action']}.")
        study["status"] = becomes
        self._tell("study", study_id, becomes)
        return 200, self._shown(study), {}

    def _screen_out(self, study_id, *, query, body):
        """A second call for the same person is refused: they do not wait for a review any more."""
        study = self._study(study_id)
        if not study.get("is_custom_screening"):
            raise Refusal(400, "This study has no custom screening.")
        pay = round(body["bonus_per_submission"] * 100)
        if pay < LEAST_SCREEN_OUT_PAY:
            raise Refusal(400, f"Pay at least {LEAST_SCREEN_OUT_PAY} pence.")
        for one in map(self._submission, body["submission_ids"]):
            if one["status"] not in ("AWAITING REVIEW", "ACTIVE"):
                raise Refusal(400, f"Submission {one['id']} is {one['status']}.")
            one["bonus_payments"].append(float(pay))
            one["keeps_place"] = True
            study["total_available_places"] += bool(body.get("increase_places"))
            self._become(one, "SCREENED OUT")
        return 202, {"message": "The request to bulk screen out has been made successfully."}, {}

    def _cost(self, study_id, *, query, body):
        self._study(study_id)
        mine = [one for one in self.submissions.values() if one["study_id"] == study_id]
        rewards = sum(sum(one["rewards"]) for one in mine)
        bonuses = sum(sum(one["bonus_payments"]) for one in mine)
        return 200, {"rewards": breakdown(rewards), "bonuses": breakdown(bonuses)}, {}

    def _list_submissions(self, *, query, body):
        mine = [one for one in self.submissions.values() if one["study_id"] == query["study"]]
        size = min(int(query.get("page_size", 20)), self.page_size)
        start = (int(query.get("page", 1)) - 1) * size
        hidden = {"rewards", "bonus_payments"}
        shown = [{k: v for k, v in one.items() if k not in hidden} for one in mine[start : start + size]]
        return 200, {"results": shown}, {}

    def _submission(self, submission_id: str) -> dict[str, Any]:
        if submission_id not in self.submissions:
            raise Refusal(404, "There is no such submission.")
        return self.submissions[submission_id]

    def _get_submission(self, submission_id, *, query, body):
        one = self._submission(submission_id)
        return 200, one | {"participant": one["participant_id"], "entered_code": one["study_code"]}, {}

    def _transition_submission(self, submission_id, *, query, body):
        one = self._submission(submission_id)
        if body["action"] == "APPROVE":
            self._approve(one)
        elif body["action"] == "REJECT":
            if len(body.get("message", "")) < 100 or "rejection_category" not in body:
                raise Refusal(400, "A rejection needs a category and 100 characters.")
            if one["status"] not in ("AWAITING REVIEW", "REJECTED"):
                raise Refusal(400, f"It is {one['status']}.")
            one["rejection"] = body
            self._become(one, "REJECTED")
        else:
            raise Refusal(400, f"No action {body['action']}.")
        return 200, one, {}

    def _request_return(self, submission_id, *, query, body):
        one = self._submission(submission_id)
        one["return_requested"] = now()
        self.messages.append({"recipient_id": one["participant_id"], "return": body})
        return 200, one, {}

    def _bulk_approve(self, *, query, body):
        chosen = [self._submission(one) for one in body["submission_ids"]]
        for one in chosen:
            if one["status"] not in ("AWAITING REVIEW", "APPROVED"):
                raise Refusal(400, f"Submission {one['id']} is {one['status']}.")
        for one in chosen:
            self._approve(one)
        return 200, "Bulk approve in progress", {}

    def _set_up_bonuses(self, *, query, body):
        lines = [line.split(",") for line in body["csv_bonuses"].splitlines()]
        bonuses = [(self._submission(one)["id"], round(float(amount) * 100)) for one, amount in lines]
        batch, total = new_id(), sum(amount for _, amount in bonuses)
        self.batches[batch] = {"bonuses": bonuses, "paid": 0}
        fees = total * FEE_PERCENT // 100
        tax = fees * TAX_PERCENT // 100
        made = {"id": batch, "amount": total, "fees": fees, "vat": tax, "total_amount": total + fees + tax}
        return 201, made, {}

    def _pay_bonuses(self, batch_id, *, query, body):
        batch = self.batches[batch_id]
        if sum(amount for _, amount in batch["bonuses"]) > self.balance:
            raise Refusal(400, "The balance is too low.")
        batch["paid"] += 1
        for submission, amount in batch["bonuses"]:  # a second call pays a second time, as Prolific warns
            self.submissions[submission]["bonus_payments"].append(float(amount))
        return 202, "", {}

    def _list_groups(self, *, query, body):
        return 200, {"results": list(self.groups.values())}, {}

    def _create_group(self, *, query, body):
        group = {"id": new_id(), "name": body["name"], "members": []}
        self.groups[group["id"]] = group
        return 201, group, {}

    def _list_secrets(self, *, query, body):
        return 200, {"results": self.secrets}, {}

    def _create_secret(self, *, query, body):
        self.secrets[:] = [{"id": new_id(), "value": uuid4().hex, "workspace_id": body["workspace_id"]}]
        return 201, self.secrets[0], {}

    def _list_subscriptions(self, *, query, body):
        return 200, {"results": list(self.subscriptions.values())}, {}

    def _subscribe(self, *, query, body):
        if not self.secrets:
            raise Refusal(400, "Create a secret first.")
        made = body | {"id": new_id(), "is_enabled": False, "secret": uuid4().hex}
        self.subscriptions[made["id"]] = made
        return 201, {"id": made["id"]}, {"X-Hook-Secret": made["secret"]}

    def _confirm_subscription(self, subscription_id, *, query, body):
        if self.subscriptions[subscription_id]["secret"] != body["secret"]:
            raise Refusal(400, "This is not the secret.")
        self.subscriptions[subscription_id]["is_enabled"] = True
        return 200, self.subscriptions[subscription_id], {}

    def _message(self, *, query, body):
        self.messages.append(body)
        return 204, None, {}


def breakdown(amount: int) -> dict[str, Any]:
    fees = amount * FEE_PERCENT // 100
    parts = {"rewards": amount, "fees": fees, "tax": fees * TAX_PERCENT // 100}
    return {name: {"amount": float(value), "currency": "GBP"} for name, value in parts.items()}


def new_id() -> str:
    return uuid4().hex[:24]


def now() -> str:
    return datetime.now(UTC).isoformat()


P = "/api/v1"
ROUTES: list[tuple[str, Callable[..., tuple[int, Any, dict[str, str]]]]] = [
    (f"GET {P}/users/me/", LocalProlific._me),
    (f"GET {P}/workspaces/", LocalProlific._workspaces),
    (f"GET {P}/workspaces/ID/balance/", LocalProlific._balance),
    (f"POST {P}/study-cost-calculator/", LocalProlific._quote),
    (f"GET {P}/studies/", LocalProlific._list_studies),
    (f"POST {P}/studies/", LocalProlific._create_study),
    (f"GET {P}/studies/ID/", LocalProlific._get_study),
    (f"PATCH {P}/studies/ID/", LocalProlific._patch_study),
    (f"POST {P}/studies/ID/transition/", LocalProlific._transition_study),
    (f"POST {P}/studies/ID/screen-out-submissions/", LocalProlific._screen_out),
    (f"GET {P}/studies/ID/cost/", LocalProlific._cost),
    (f"GET {P}/submissions/", LocalProlific._list_submissions),
    (f"POST {P}/submissions/bulk-approve/", LocalProlific._bulk_approve),
    (f"POST {P}/submissions/bonus-payments/", LocalProlific._set_up_bonuses),
    (f"GET {P}/submissions/ID/", LocalProlific._get_submission),
    (f"POST {P}/submissions/ID/transition/", LocalProlific._transition_submission),
    (f"POST {P}/submissions/ID/request-return/", LocalProlific._request_return),
    (f"POST {P}/bulk-bonus-payments/ID/pay/", LocalProlific._pay_bonuses),
    (f"GET {P}/participant-groups/", LocalProlific._list_groups),
    (f"POST {P}/participant-groups/", LocalProlific._create_group),
    (f"GET {P}/hooks/secrets/", LocalProlific._list_secrets),
    (f"POST {P}/hooks/secrets/", LocalProlific._create_secret),
    (f"GET {P}/hooks/subscriptions/", LocalProlific._list_subscriptions),
    (f"POST {P}/hooks/subscriptions/", LocalProlific._subscribe),
    (f"POST {P}/hooks/subscriptions/ID/", LocalProlific._confirm_subscription),
    (f"POST {P}/messages/", LocalProlific._message),
]


class Handler(BaseHTTPRequestHandler):
    platform: LocalProlific
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.platform.requests.append((self.command, parts.path))
        fault = next((f for f in self.platform.faults if f.hits(self.command, parts.path)), None)
        if fault:
            fault.times -= 1
        deadly = self._counts_as_last(parts.path)
        if deadly is False:  # killed before the work was done
            return
        if fault and not fault.after:
            self._fail(fault)
            return
        status, answer, headers = self._work(parts.path, parts.query, body)
        if deadly:
            self._kill()
        elif fault:
            self._fail(fault)
        else:
            self._send(status, answer, headers)

    do_GET = do_POST = do_PATCH = handle_one  # noqa: N815 - the server's names

    def _work(self, path: str, query: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        try:
            self._check_token()
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            return self.platform.answer(self.command, path, asked, json.loads(body) if body else None)
        except Refusal as refusal:
            error = {"status": refusal.status, "error_code": 1, "title": "Error", "detail": str(refusal)}
            return refusal.status, {"error": error}, {}

    def _check_token(self) -> None:
        if self.headers.get("Authorization") != f"Token {self.platform.token}":
            raise Refusal(401, "Authentication credentials were not provided.")

    def _counts_as_last(self, path: str) -> bool | None:
        """None: it is not the deadly request; False: killed now; True: to be killed after the work."""
        death = self.platform.death
        if death is None or death.path not in path:
            return None
        death.at -= 1
        if death.at:
            return None
        if not death.after:
            self._kill()
        return death.after

    def _kill(self) -> None:
        death = self.platform.death
        assert death is not None
        self.platform.death = None
        os.kill(death.victim, signal.SIGKILL)
        self.close_connection = True

    def _fail(self, fault: Fault) -> None:
        if fault.what == "lost":
            self.close_connection = True
            self.connection.close()
        else:
            self._send(int(fault.what), {"error": {"detail": "told to fail"}}, fault.headers)

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def serving(platform: LocalProlific) -> Iterator[str]:
    """The platform at an address of this machine."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:  # whoever was killed does not read the answer
            pass

    handler = type("BoundHandler", (Handler,), {"platform": platform})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
