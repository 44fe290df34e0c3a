"""An MTurk of our own: it speaks the protocol over HTTP, keeps state, and fails on demand.

Its habits are those of the API reference: a HIT is visible at once, a call that repeats a UniqueRequestToken
is refused, an approved assignment cannot be approved again, and the fee is a fifth.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final
from xml.sax.saxutils import escape

TOKEN: Final = "AKIALOCAL:a-secret-key"
PREFIX: Final = "MTurkRequesterServiceV20170117."
ANSWER: Final = (
    '<?xml version="1.0"?><QuestionFormAnswers xmlns="http://mechanicalturk.amazonaws.com/x"><Answer>'
    "<QuestionIdentifier>completionCode</QuestionIdentifier><FreeText>{}</FreeText></Answer>"
    "</QuestionFormAnswers>"
)
A_PAGE: Final = 2
"""Rows, whatever is asked for."""


class RequestError(Exception):
    """What the service refuses."""


class LocalMTurk:
    """The service and its workers."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.RLock()
        self.numbers = count(1)
        self.hits: dict[str, dict[str, Any]] = {}
        self.assignments: dict[str, dict[str, Any]] = {}
        self.bonuses: list[dict[str, Any]] = []
        self.qualifications: dict[str, dict[str, Any]] = {}
        self.letters: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.calls: list[str] = []
        self.lost: set[str] = set()
        """Operations whose next answer is lost after the work was done."""

    # ---- workers ----

    def join(self, worker: str) -> str:
        """A worker takes the first assignment that they may; returns its id."""
        with self.lock:
            for hit in self.hits.values():
                if self._left(hit) and hit["Expiration"] > time.time() and not self._is_shut_out(worker, hit):
                    number = f"ASSIGNMENT{next(self.numbers)}"
                    self.assignments[number] = {
                        "AssignmentId": number,
                        "HITId": hit["HITId"],
                        "WorkerId": worker,
                        "AssignmentStatus": "Accepted",
                        "AcceptTime": time.time(),
                    }
                    return number
            raise RequestError("There is no HIT for this worker.")

    def submit(self, number: str, code: str) -> None:
        one = self.assignments[number]
        one |= {
            "AssignmentStatus": "Submitted",
            "SubmitTime": time.time(),
            "Answer": ANSWER.format(escape(code)),
        }

    def _left(self, hit: dict[str, Any]) -> int:
        taken = sum(one["HITId"] == hit["HITId"] for one in self.assignments.values())
        return int(hit["MaxAssignments"]) - taken

    def _is_shut_out(self, worker: str, hit: dict[str, Any]) -> bool:
        return any(
            worker in self.qualifications[one["QualificationTypeId"]]["workers"]
            for one in hit["QualificationRequirements"]
        )

    # ---- operations ----

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.calls.append(operation)
            token = asked.pop("UniqueRequestToken", None)
            if token in self.tokens:
                raise RequestError(
                    f"{token} already exists in the system from a previous call with this token."
                )
            answer: dict[str, Any] = getattr(self, f"_{operation}")(**asked)
            if token:
                self.tokens.add(token)
            return answer

    def _GetAccountBalance(self):
        return {"AvailableBalance": "10000.00"}

    def _CreateHIT(self, **hit):
        number = f"HIT{next(self.numbers)}"
        expires = time.time() + hit["LifetimeInSeconds"]
        self.hits[number] = hit | {"HITId": number, "Expiration": expires}
        return {"HIT": {"HITId": number}}

    def _ListHITs(self, MaxResults, NextToken="0"):
        shown = [
            {
                name: hit[name]
                for name in ("HITId", "MaxAssignments", "Expiration", "RequesterAnnotation", "Reward")
            }
            | {"NumberOfAssignmentsAvailable": self._left(hit)}
            for hit in self.hits.values()
        ]
        return self._page("HITs", shown, NextToken)

    def _UpdateExpirationForHIT(self, HITId, ExpireAt):
        self.hits[HITId]["Expiration"] = ExpireAt
        return {}

    def _ListAssignmentsForHIT(self, HITId, MaxResults, NextToken="0"):
        handed_in = [
            one
            for one in self.assignments.values()
            if one["HITId"] == HITId and one["AssignmentStatus"] != "Accepted"
        ]
        return self._page("Assignments", handed_in, NextToken)

    def _GetAssignment(self, AssignmentId):
        return {"Assignment": self.assignments[AssignmentId]}

    def _ApproveAssignment(self, AssignmentId):
        self._judge(AssignmentId, "Approved")
        return {}

    def _RejectAssignment(self, AssignmentId, RequesterFeedback):
        self._judge(AssignmentId, "Rejected")
        self.assignments[AssignmentId]["RequesterFeedback"] = RequesterFeedback
        return {}

    def _judge(self, number, status):
        one = self.assignments[number]
        if one["AssignmentStatus"] != "Submitted":
            raise RequestError("This operation can be called with a status of: Submitted")
        one["AssignmentStatus"] = status

    def _SendBonus(self, **bonus):
        self.bonuses.append(bonus)
        return {}

    def _ListBonusPayments(self, MaxResults, AssignmentId=None, HITId=None, NextToken="0"):
        paid = [
            one
            for one in self.bonuses
            if AssignmentId in (None, one["AssignmentId"])
            and HITId in (None, self.assignments[one["AssignmentId"]]["HITId"])
        ]
        return self._page("BonusPayments", paid, NextToken)

    def _ListQualificationTypes(
        self, Query, MustBeRequestable, MustBeOwnedByCaller, MaxResults, NextToken="0"
    ):
        found = [
            {"QualificationTypeId": number, "Name": one["name"]}
            for number, one in self.qualifications.items()
            if Query in one["name"]
        ]
        return self._page("QualificationTypes", found, NextToken)

    def _CreateQualificationType(self, Name, Description, QualificationTypeStatus):
        number = f"QUALIFICATION{next(self.numbers)}"
        self.qualifications[number] = {"name": Name, "workers": set()}
        return {"QualificationType": {"QualificationTypeId": number}}

    def _AssociateQualificationWithWorker(self, QualificationTypeId, WorkerId, SendNotification):
        self.qualifications[QualificationTypeId]["workers"].add(WorkerId)
        return {}

    def _NotifyWorkers(self, **letter):
        self.letters.append(letter)
        return {}

    @staticmethod
    def _page(name: str, rows: list[Any], token: str) -> dict[str, Any]:
        start = int(token)
        more = {"NextToken": str(start + A_PAGE)} if len(rows) > start + A_PAGE else {}
        return {name: rows[start : start + A_PAGE]} | more


class Handler(BaseHTTPRequestHandler):
    platform: LocalMTurk

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers["x-amz-target"].removeprefix(PREFIX)
        if "Credential=AKIALOCAL/" not in self.headers["authorization"]:
            return self._send(400, {"__type": "UnrecognizedClientException", "message": "Unknown key."})
        try:
            answer = self.platform.answer(operation, json.loads(body))
        except RequestError as error:
            return self._send(400, {"__type": "RequestError", "Message": str(error)})
        if operation in self.platform.lost:
            self.platform.lost.remove(operation)
            return self._send(500, {"__type": "ServiceFault", "Message": "lost"})
        return self._send(200, answer)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def serving(platform: LocalMTurk) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"platform": platform}))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
