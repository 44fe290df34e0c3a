"""MTurk over its API, and whatever else speaks it.

MTurk itself closed for good on 30 September 2026:
https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMturkAPI/Welcome.html

A study is a number of HITs with the same annotation, each of at most nine assignments: with ten or more the
fee is twice as high (https://www.mturk.com/pricing). There are no drafts: before the first HIT there is
nothing. HITs are paused and stopped by when they expire.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final
from xml.sax.saxutils import escape, unescape

from app.errors import MarketplaceRefused, MarketplaceUnavailable
from app.models import ListingAction, ListingState, Source, SubmissionState
from app.recruitment.marketplaces.seam import (
    Bonus,
    BonusBatch,
    Cost,
    Listed,
    Money,
    Offer,
    Owner,
    RejectionRules,
    Submitted,
)

REGION: Final = "us-east-1"
CURRENCY: Final = "USD"

MOST_ASSIGNMENTS: Final = 9
"""Of a HIT; one more doubles the fee of all."""

FEE: Final = Decimal("0.20")
LEAST_FEE: Final = 1  # cent, of each assignment and bonus

OPEN_FOR: Final = timedelta(days=14)
STOPPED_AT: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""HITs that expired then were stopped; those that expired later are paused."""

APPROVED_AFTER: Final = timedelta(days=30)
"""MTurk pays by itself what nobody has judged by then."""

FRAME_PX: Final = 800

STATES: Final = {
    "Submitted": SubmissionState.AWAITING_REVIEW,
    "Approved": SubmissionState.APPROVED,
    "Rejected": SubmissionState.REJECTED,
}
REJECTIONS: Final = RejectionRules(
    shortest=20, categories={"WORK": "did not do what was asked", "CODE": "brought no or a wrong code"}
)
QUESTION: Final = (
    '<ExternalQuestion xmlns="http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/'
    'ExternalQuestion.xsd"><ExternalURL>{url}</ExternalURL><FrameHeight>{height}</FrameHeight>'
    "</ExternalQuestion>"
)
CODE_ANSWER: Final = re.compile(
    r"<QuestionIdentifier>completionCode</QuestionIdentifier>\s*<FreeText>([^<]*)</FreeText>"
)


def fee_of(amount: int) -> int:
    """The fee of one reward or bonus in cents: a fifth, half a cent rounded up, at least one cent."""
    return max(LEAST_FEE, int((amount * FEE).quantize(Decimal(1), ROUND_HALF_UP)))


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens an account: `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, as one token."""

    key_id: str
    secret: str

    @classmethod
    def of(cls, token: str) -> "Keys":
        key_id, colon, secret = token.partition(":")
        if not (colon and key_id and secret):
            raise MarketplaceRefused("Give the access key id and the secret key with a colon between them.")
        return cls(key_id, secret)

    def __repr__(self) -> str:
        return f"Keys({self.key_id})"


class MTurk:
    """`marketplaces.seam.Marketplace` on MTurk."""

    source: Final = Source.MTURK
    pays_once: Final = True

    def __init__(self, token: str, url: str, *, settle: timedelta) -> None:
        import boto3  # here: whoever has no account on MTurk does not wait for it
        from botocore.config import Config

        keys = Keys.of(token)
        self._key_id, self.bonuses_settle = keys.key_id, settle
        self._client = boto3.client(
            "mturk",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=keys.key_id,
            aws_secret_access_key=keys.secret,
            config=Config(
                connect_timeout=5, read_timeout=20, retries={"max_attempts": 3, "mode": "standard"}
            ),
        )

    def close(self) -> None:
        self._client.close()

    def owner(self) -> Owner:
        self._call("get_account_balance")
        return Owner(self._key_id, "", CURRENCY)

    def quote(self, reward: Money, places: int) -> Cost:
        return Cost(reward.minor * places, fee_of(reward.minor) * places, 0, currency=CURRENCY)

    # ---- the study ----

    def find(self, reference: str) -> Listed | None:
        listed = self.look(reference)
        return listed if listed.places else None

    def create(self, offer: Offer) -> Listed:
        """Nothing is there before somebody can see it; `act` makes the HITs."""
        return self.look(offer.reference)

    def look(self, listing: str) -> Listed:
        hits = self._hits(listing)
        places = sum(hit["MaxAssignments"] for hit in hits)
        left = sum(hit["NumberOfAssignmentsAvailable"] for hit in hits)
        return Listed(listing, _state(hits, left), places, places - left)

    def act(self, listing: str, action: ListingAction, offer: Offer) -> None:
        expires = {ListingAction.STOP: STOPPED_AT, ListingAction.PAUSE: datetime.now(UTC)}.get(
            action, datetime.now(UTC) + OPEN_FOR
        )
        if action is ListingAction.PUBLISH:
            self._make_hits(listing, offer)
        for hit in self._hits(listing):
            self._call("update_expiration_for_hit", HITId=hit["HITId"], ExpireAt=expires)

    def raise_places(self, listing: str, places: int, offer: Offer) -> None:
        if self._hits(listing):  # otherwise publishing makes them all
            self._make_hits(listing, offer)

    def _make_hits(self, listing: str, offer: Offer) -> None:
        """HITs for the places that are wanted and not there. Each has a token of its own, so that one whose
        answer was lost is not made twice."""
        have = sum(hit["MaxAssignments"] for hit in self._hits(listing))
        while have < offer.places:
            size = min(MOST_ASSIGNMENTS, offer.places - have)
            self._call_once("create_hit", f"{listing}/{have}", **_hit(listing, offer, size))
            have += size

    def _hits(self, listing: str) -> list[dict[str, Any]]:
        every = self._pages("list_hits", "HITs")
        return [hit for hit in every if hit.get("RequesterAnnotation") == listing]

    # ---- submissions ----

    def submissions(self, listing: str) -> Sequence[Submitted]:
        return [
            _submitted(one)
            for hit in self._hits(listing)
            for one in self._pages("list_assignments_for_hit", "Assignments", HITId=hit["HITId"])
        ]

    def approve(self, submissions: Sequence[str]) -> None:
        for one in submissions:
            if self._assignment(one)["AssignmentStatus"] != "Approved":
                self._call("approve_assignment", AssignmentId=one)

    def request_return(self, submission: str, reason: str) -> None:
        raise MarketplaceRefused("MTurk knows no returns after work was handed in: approve or reject it.")

    def screen_out(self, listing: str, submission: str, pay: Money) -> None:
        raise MarketplaceRefused("MTurk has no screen-out: approve or reject the work.")

    def reject(self, submission: str, category: str, message: str) -> None:
        self._call("reject_assignment", AssignmentId=submission, RequesterFeedback=message)

    def _assignment(self, submission: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("get_assignment", AssignmentId=submission)["Assignment"]
        return found

    # ---- money ----

    def set_up_bonuses(self, listing: str, bonuses: Sequence[Bonus]) -> BonusBatch:
        """MTurk has no such step; what it will cost."""
        total = sum(one.amount.minor + fee_of(one.amount.minor) for one in bonuses)
        return BonusBatch(bonuses[0].key, Money(total, CURRENCY))

    def pay_bonuses(self, batch: str, bonuses: Sequence[Bonus]) -> None:
        for one in bonuses:
            self._call_once(
                "send_bonus",
                one.key,
                WorkerId=self._assignment(one.submission)["WorkerId"],
                AssignmentId=one.submission,
                BonusAmount=one.amount.decimal,
                Reason=one.reason or "Thank you for your work.",
            )

    def bonuses_of(self, submission: str) -> Sequence[int]:
        paid = self._pages("list_bonus_payments", "BonusPayments", AssignmentId=submission)
        return [_cents(one["BonusAmount"]) for one in paid]

    def charged(self, listing: str) -> Cost:
        """MTurk shows no bill: what it paid, and the fee that its price list has for it."""
        rewards: list[int] = []
        bonuses: list[int] = []
        for hit in self._hits(listing):
            given = self._pages("list_assignments_for_hit", "Assignments", HITId=hit["HITId"])
            rewards += [_cents(hit["Reward"]) for one in given if one["AssignmentStatus"] == "Approved"]
            paid = self._pages("list_bonus_payments", "BonusPayments", HITId=hit["HITId"])
            bonuses += [_cents(one["BonusAmount"]) for one in paid]
        fees = sum(map(fee_of, [*rewards, *bonuses]))
        return Cost(sum(rewards), fees, 0, bonuses=sum(bonuses), currency=CURRENCY)

    # ---- people ----

    def message(self, listing: str, worker: str, text: str) -> None:
        self._call("notify_workers", Subject="Your work in our study", MessageText=text, WorkerIds=[worker])

    def group(self, name: str) -> str:
        query = {"Query": name, "MustBeRequestable": False, "MustBeOwnedByCaller": True}
        for one in self._pages("list_qualification_types", "QualificationTypes", **query):
            if one["Name"] == name:
                return str(one["QualificationTypeId"])
        made = self._call(
            "create_qualification_type",
            Name=name,
            Description="Who took part in one of our studies.",
            QualificationTypeStatus="Active",
        )
        return str(made["QualificationType"]["QualificationTypeId"])

    def enlist(self, group: str, workers: Sequence[str]) -> None:
        for worker in workers:
            self._call(
                "associate_qualification_with_worker",
                QualificationTypeId=group,
                WorkerId=worker,
                SendNotification=False,
            )

    def listen(self, url: str) -> str:
        raise MarketplaceRefused("MTurk sends its events to AWS alone.")

    # ---- calls ----

    def _pages(self, operation: str, of: str, **asked: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._call(operation, MaxResults=100, **asked, **token)
            yield from page.get(of, ())
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _call_once(self, operation: str, token: str, **asked: Any) -> None:
        """A call that does its work once, however often it comes with one token."""
        try:
            self._call(operation, UniqueRequestToken=token, **asked)
        except MarketplaceRefused as refused:
            if DONE_BEFORE not in str(refused):
                raise

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        with _in_words():
            answer: dict[str, Any] = getattr(self._client, operation)(**asked)
            return answer


DONE_BEFORE: Final = "already exists in the system"
"""What MTurk says of a second call with one token: the first did the work."""


@contextmanager
def _in_words() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        if status >= 500:
            raise MarketplaceUnavailable("MTurk does not answer.") from None
        raise MarketplaceRefused(f"MTurk: {said[:300]}") from None
    except BotoCoreError:
        raise MarketplaceUnavailable("MTurk does not answer.") from None


def _state(hits: Sequence[dict[str, Any]], left: int) -> ListingState:
    if not hits:
        return ListingState.DRAFT
    last = max(hit["Expiration"] for hit in hits)
    if last <= STOPPED_AT:
        return ListingState.STOPPED
    if not left:
        return ListingState.FULL
    return ListingState.PAUSED if last <= datetime.now(UTC) else ListingState.PUBLISHED


def _hit(listing: str, offer: Offer, size: int) -> dict[str, Any]:
    shut_out = [*offer.shut_out, *([offer.group] if offer.group else [])]
    return {
        "MaxAssignments": size,
        "AutoApprovalDelayInSeconds": int(APPROVED_AFTER.total_seconds()),
        "LifetimeInSeconds": int(OPEN_FOR.total_seconds()),
        "AssignmentDurationInSeconds": max(3600, offer.minutes * 60 * 4),
        "Reward": offer.reward.decimal,
        "Title": offer.title[:128],
        "Description": offer.description[:2000],
        "Question": QUESTION.format(url=escape(offer.url), height=FRAME_PX),
        "RequesterAnnotation": listing,
        "QualificationRequirements": [
            {
                "QualificationTypeId": one,
                "Comparator": "DoesNotExist",
                "ActionsGuarded": "DiscoverPreviewAndAccept",
            }
            for one in shut_out
        ],
    }


def _submitted(one: dict[str, Any]) -> Submitted:
    return Submitted(
        id=one["AssignmentId"],
        worker=one["WorkerId"],
        state=STATES.get(one["AssignmentStatus"], SubmissionState.UNKNOWN),
        code=_code(one.get("Answer") or ""),
        started_at=one["AcceptTime"],
        completed_at=one.get("SubmitTime"),
    )


def _code(answer: str) -> str | None:
    """The completion code in the answer that the page's form sent; None where there is none."""
    found = CODE_ANSWER.search(answer)
    return unescape(found[1]).strip() or None if found else None


def _cents(amount: str) -> int:
    return int((Decimal(amount) * 100).quantize(Decimal(1), ROUND_HALF_UP))
