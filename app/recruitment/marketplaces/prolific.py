"""Prolific, by its API v1 (https://docs.prolific.com/api-reference/introduction)."""

import base64
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from app.errors import MarketplaceRefused
from app.models import ListingAction, ListingState, Source, SubmissionState
from app.recruitment.marketplaces.http import Api
from app.recruitment.marketplaces.seam import (
    MINOR_UNITS,
    Bonus,
    BonusBatch,
    Cost,
    Listed,
    MarketEvent,
    Money,
    Offer,
    Owner,
    RejectionRules,
    Submitted,
    VisitEnd,
)

API: Final = "/api/v1"
PAGE_SIZE: Final = 200
APPROVED_AT_ONCE: Final = 1000

STATES: Final = {
    "UNPUBLISHED": ListingState.DRAFT,
    "SCHEDULED": ListingState.PUBLISHED,
    "PUBLISHING": ListingState.PUBLISHED,
    "ACTIVE": ListingState.PUBLISHED,
    "PAUSED": ListingState.PAUSED,
    "AWAITING REVIEW": ListingState.FULL,
    "COMPLETED": ListingState.STOPPED,
}
ACTIONS: Final = {
    ListingAction.PUBLISH: "PUBLISH",
    ListingAction.PAUSE: "PAUSE",
    ListingAction.RESUME: "START",
    ListingAction.STOP: "STOP",
}
SUBMISSION_STATES: Final = {
    "RESERVED": SubmissionState.RESERVED,
    "ACTIVE": SubmissionState.ACTIVE,
    "AWAITING REVIEW": SubmissionState.AWAITING_REVIEW,
    "APPROVED": SubmissionState.APPROVED,
    "REJECTED": SubmissionState.REJECTED,
    "RETURNED": SubmissionState.RETURNED,
    "TIMED-OUT": SubmissionState.TIMED_OUT,
    "SCREENED OUT": SubmissionState.SCREENED_OUT,
}
REJECTIONS: Final = RejectionRules(
    shortest=100,
    categories={
        "FAILED_CHECK": "failed attention checks",
        "LOW_EFFORT": "made little effort",
        "FAILED_INSTRUCTIONS": "did not follow the instructions",
        "TOO_QUICKLY": "was too quick",
        "TOO_SLOWLY": "was too slow",
        "NO_CODE": "brought no completion code",
        "BAD_CODE": "brought a wrong completion code",
        "NO_DATA": "left no data",
        "UNSUPP_DEVICE": "used a device that the study does not support",
        "MALINGERING": "gave answers that cannot be true",
        "INCOMP_LONGITUDINAL": "did not finish every part of the study",
        "OTHER": "another reason",
    },
)
CODE_TYPES: Final[Mapping[VisitEnd, str]] = {
    "finished": "COMPLETED",
    "screened_out": "SCREENED_OUT",
    "failed_checks": "FAILED_ATTENTION_CHECK",
    "declined": "NO_CONSENT",
}
RETURN_REASONS: Final[Mapping[VisitEnd, str]] = {
    "screened_out": "You did not qualify for this study.",
    "declined": "Withdrew consent",
    "quota_full": "All places of this study were taken.",
    "closed": "The study was closed.",
    "already_took_part": "You have taken part in an earlier study of ours.",
    "withdrawn": "Withdrew consent",
}
"""Of the endings after which Prolific asks people to return their submission: those without work to pay."""

TOLERANCE_S: Final = 300.0
"""Between the clock of an event's sender and ours."""

HOOKS: Final = ("submission.status.change", "study.status.change")


class Prolific:
    """`marketplaces.seam.Marketplace` on Prolific."""

    source: Final = Source.PROLIFIC
    pays_once: Final = False

    def __init__(self, api: Api, *, workspace: str = "", currency: str = "", settle: timedelta) -> None:
        self._api = api
        self._workspace, self._currency = workspace, currency
        self.bonuses_settle = settle

    def owner(self) -> Owner:
        me = self._api.get(f"{API}/users/me/")
        spaces = self._api.get(f"{API}/workspaces/")["results"]
        if not spaces:
            raise MarketplaceRefused("This token opens no workspace on Prolific.")
        workspace = self._workspace or spaces[0]["id"]
        balance = self._api.get(f"{API}/workspaces/{workspace}/balance/")
        name = me.get("name") or me.get("email") or me["id"]
        return Owner(name, workspace, balance["currency_code"])

    def quote(self, reward: Money, places: int) -> Cost:
        asked = {"reward": reward.minor, "total_available_places": places}
        answer = self._api.call("POST", f"{API}/study-cost-calculator/", asked)
        rewards, total = reward.minor * places, _minor(answer["total_cost"])
        tax = _minor(answer.get("vat", 0))
        return Cost(rewards, total - rewards - tax, tax, currency=reward.currency)

    def find(self, reference: str) -> Listed | None:
        for state in ("UNPUBLISHED", "ACTIVE", "PAUSED", "AWAITING REVIEW", "COMPLETED"):
            found = self._api.get(f"{API}/studies/", state=state)["results"]
            for study in found:
                if study.get("internal_name") == reference:
                    return self.look(study["id"])
        return None

    def create(self, offer: Offer) -> Listed:
        return _listed(self._api.call("POST", f"{API}/studies/", _study(offer), repeatable=False))

    def look(self, listing: str) -> Listed:
        return _listed(self._api.get(f"{API}/studies/{listing}/"))

    def act(self, listing: str, action: ListingAction, offer: Offer) -> None:
        self._api.call("POST", f"{API}/studies/{listing}/transition/", {"action": ACTIONS[action]})

    def raise_places(self, listing: str, places: int, offer: Offer) -> None:
        self._api.call("PATCH", f"{API}/studies/{listing}/", {"total_available_places": places})

    def submissions(self, listing: str) -> Sequence[Submitted]:
        found: dict[str, Submitted] = {}
        for page in self._pages(f"{API}/submissions/", study=listing):
            new = {one["id"]: _submitted(one) for one in page if one["id"] not in found}
            if not new:
                break
            found |= new
        return list(found.values())

    def _pages(self, path: str, **query: str | int) -> Iterator[list[dict[str, Any]]]:
        """Pages until an empty one: how many rows a page may have is for Prolific to say."""
        number = 1
        while rows := self._api.get(path, page=number, page_size=PAGE_SIZE, **query)["results"]:
            yield rows
            number += 1

    def approve(self, submissions: Sequence[str]) -> None:
        for start in range(0, len(submissions), APPROVED_AT_ONCE):
            self._approve(list(submissions[start : start + APPROVED_AT_ONCE]))

    def _approve(self, ids: list[str]) -> None:
        """All at once; one by one where one of them makes Prolific refuse them all."""
        try:
            self._api.call("POST", f"{API}/submissions/bulk-approve/", {"submission_ids": ids})
        except MarketplaceRefused:
            if len(ids) == 1:
                raise
            for one in ids:
                with suppress(MarketplaceRefused):  # the next look at the submissions shows which
                    self._api.call("POST", f"{API}/submissions/{one}/transition/", {"action": "APPROVE"})

    def request_return(self, submission: str, reason: str) -> None:
        path = f"{API}/submissions/{submission}"
        if not self._api.get(f"{path}/").get("return_requested"):
            asked = {"request_return_reasons": [reason]}  # a letter to them each time
            self._api.call("POST", f"{path}/request-return/", asked, repeatable=False)

    def reject(self, submission: str, category: str, message: str) -> None:
        told = {"action": "REJECT", "rejection_category": category, "message": message}
        self._api.call("POST", f"{API}/submissions/{submission}/transition/", told)

    def screen_out(self, listing: str, submission: str, pay: Money) -> None:
        asked = {
            "submission_ids": [submission],
            "bonus_per_submission": pay.minor / MINOR_UNITS,
            "increase_places": True,
        }
        path = f"{API}/studies/{listing}/screen-out-submissions/"
        self._api.call("POST", path, asked, repeatable=False)

    def set_up_bonuses(self, listing: str, bonuses: Sequence[Bonus]) -> BonusBatch:
        lines = "\n".join(f"{one.submission},{one.amount.decimal}" for one in bonuses)
        asked = {"study_id": listing, "csv_bonuses": lines}
        made = self._api.call("POST", f"{API}/submissions/bonus-payments/", asked)
        return BonusBatch(made["id"], Money(_minor(made["total_amount"]), bonuses[0].amount.currency))

    def pay_bonuses(self, batch: str, bonuses: Sequence[Bonus]) -> None:
        self._api.call("POST", f"{API}/bulk-bonus-payments/{batch}/pay/", repeatable=False)

    def bonuses_of(self, submission: str) -> Sequence[int]:
        found = self._api.get(f"{API}/submissions/{submission}/").get("bonus_payments") or []
        return [_minor(amount) for amount in found]

    def charged(self, listing: str) -> Cost:
        found = self._api.get(f"{API}/studies/{listing}/cost/")
        rewards, bonuses = found.get("rewards") or {}, found.get("bonuses") or {}
        return Cost(
            rewards=_amount(rewards, "rewards"),
            fees=_amount(rewards, "fees") + _amount(bonuses, "fees"),
            tax=_amount(rewards, "tax") + _amount(bonuses, "tax"),
            bonuses=_amount(bonuses, "rewards"),
            currency=self._currency,
        )

    def message(self, listing: str, worker: str, text: str) -> None:
        letter = {"recipient_id": worker, "study_id": listing, "body": text}
        self._api.call("POST", f"{API}/messages/", letter, repeatable=False)

    def group(self, name: str) -> str:
        query = {"workspace_id": self._workspace, "active": "true"}
        for one in self._api.get(f"{API}/participant-groups/", **query)["results"]:
            if one["name"] == name:
                return str(one["id"])
        asked = {"workspace_id": self._workspace, "name": name}
        return str(self._api.call("POST", f"{API}/participant-groups/", asked, repeatable=False)["id"])

    def enlist(self, group: str, workers: Sequence[str]) -> None:
        """Completion codes do it (`_code`)."""

    def listen(self, url: str) -> str:
        """The workspace's secret is kept where it has one: other systems may check events with it."""
        known = self._api.get(f"{API}/hooks/secrets/", workspace_id=self._workspace)["results"]
        secret = known[0] if known else self._create_secret()
        subscribed = self._api.get(f"{API}/hooks/subscriptions/", workspace_id=self._workspace)["results"]
        has = {one["event_type"] for one in subscribed if one["target_url"] == url and one["is_enabled"]}
        for event in HOOKS:
            if event not in has:
                self._subscribe(event, url)
        return str(secret["value"])

    def _create_secret(self) -> Any:
        return self._api.call("POST", f"{API}/hooks/secrets/", {"workspace_id": self._workspace})

    def _subscribe(self, event: str, url: str) -> None:
        asked = {"workspace_id": self._workspace, "event_type": event, "target_url": url}
        answer = self._api.send("POST", f"{API}/hooks/subscriptions/", asked, repeatable=False)
        path = f"{API}/hooks/subscriptions/{answer.json()['id']}/"
        self._api.call("POST", path, {"secret": answer.headers["x-hook-secret"]})


ARRIVAL: Final = "&".join(f"{name}={{{{%{name}%}}}}" for name in ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"))
"""What is added to a study's address: Prolific fills it in."""


def code_address(code: str) -> str:
    """Where a participant goes to hand in a completion code."""
    return f"https://app.prolific.com/submissions/complete?cc={quote(code)}"


def read_event(headers: Mapping[str, str], body: bytes, secret: str, *, at: datetime) -> MarketEvent | None:
    """An event by Prolific's signature: base64 of HMAC-SHA256 over timestamp and body.

    https://docs.prolific.com/api-reference/webhooks/verifying
    """
    sent = headers.get("x-prolific-request-timestamp", "")
    made = base64.b64encode(hmac.digest(secret.encode(), sent.encode() + body, "sha256"))
    given = headers.get("x-prolific-request-signature", "").encode()
    if not hmac.compare_digest(made, given) or not _is_recent(sent, at):
        return None
    try:
        told = json.loads(body)
        kind, resource = str(told["event_type"]), str(told["resource_id"])
    except (ValueError, KeyError, TypeError):
        return None
    return (
        MarketEvent(submission=resource) if kind.startswith("submission.") else MarketEvent(listing=resource)
    )


def _is_recent(timestamp: str, at: datetime) -> bool:
    try:
        return abs(at.timestamp() - float(timestamp)) <= TOLERANCE_S
    except ValueError:
        return False


def _study(offer: Offer) -> dict[str, Any]:
    shut_out = list(offer.shut_out)
    block = {"filter_id": "participant_group_blocklist", "selected_values": shut_out}
    return {
        "name": offer.title,
        "internal_name": offer.reference,
        "description": offer.description,
        "external_study_url": offer.url,
        "prolific_id_option": "url_parameters",
        "completion_codes": [_code(offer, ending, code) for ending, code in offer.codes.items()],
        "total_available_places": offer.places,
        "estimated_completion_time": offer.minutes,
        "reward": offer.reward.minor,
        "device_compatibility": list(offer.device),
        "peripheral_requirements": [],
        "filters": [block] if shut_out else [],
        **({"is_custom_screening": True} if offer.staff_screen_out else {}),
    }


def _code(offer: Offer, ending: VisitEnd, code: str) -> dict[str, Any]:
    actions = [_action(offer, ending)]
    if offer.group and ending in ("finished", "failed_checks"):
        actions.append({"action": "ADD_TO_PARTICIPANT_GROUP", "participant_group": offer.group})
    kind = CODE_TYPES.get(ending, "OTHER")
    if ending == "screened_out" and offer.screen_out:
        kind = "FIXED_SCREENOUT"
    return {"code": code, "code_type": kind, "actor": "participant", "actions": actions}


def _action(offer: Offer, ending: VisitEnd) -> dict[str, Any]:
    """What Prolific does by itself with a submission that ends so."""
    if ending == "screened_out" and offer.screen_out:
        return {
            "action": "FIXED_SCREEN_OUT_PAYMENT",
            "fixed_screen_out_reward": offer.screen_out.minor,
            "slots": offer.screen_out_places,
        }
    if reason := RETURN_REASONS.get(ending):
        return {"action": "REQUEST_RETURN", "return_reason": reason}
    return {"action": "MANUALLY_REVIEW"}


def _listed(study: Mapping[str, Any]) -> Listed:
    places, taken = (_minor(study.get(name) or 0) for name in ("total_available_places", "places_taken"))
    return Listed(study["id"], STATES.get(study["status"], ListingState.DRAFT), places, taken)


def _submitted(one: Mapping[str, Any]) -> Submitted:
    return Submitted(
        id=one["id"],
        worker=one["participant_id"],
        state=SUBMISSION_STATES.get(one["status"], SubmissionState.UNKNOWN),
        code=one.get("study_code") or None,
        started_at=datetime.fromisoformat(one["started_at"]),
        completed_at=_moment(one.get("completed_at")),
        return_requested_at=_moment(one.get("return_requested")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _amount(part: Mapping[str, Any], name: str) -> int:
    return _minor((part.get(name) or {}).get("amount") or 0)


def _minor(number: float) -> int:
    """Prolific writes whole pence and cents as numbers with a point."""
    return round(number)
