"""`cyborg recruit …` on another server, over its API. What is asked for, a worker there carries out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from app.errors import BadInput
from app.models import REFERENCE_LENGTH
from app.recruitment.marketplaces.seam import Money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.cli.remote import Remote
    from app.recruitment.listings import Terms

WAITING: Final = "awaiting_review"


@dataclass(frozen=True, slots=True)
class RemoteListing:
    """A study's listing on a marketplace, as another server has it."""

    server: Remote
    slug: str

    def publish(self, terms: Terms, marketplace: str, *, yes: bool) -> None:
        asked = {"json": terms.model_dump(mode="json", exclude_none=True)}
        found = self._post(f"/quote?marketplace={marketplace}", **asked)
        amounts = {
            name: Money(found[name], found["currency"]) for name in ("rewards", "fees", "tax", "total")
        }
        said = ", ".join(f"{name} {amounts[name]}" for name in ("rewards", "fees", "tax"))
        print(f"{terms.places} places: {said}; {amounts['total']} in all, at most.")
        if not yes:
            print("Nothing was published; --yes publishes it.")
            return
        self._say(self._post(f"?marketplace={marketplace}", **asked))

    def raise_places(self, count: int) -> None:
        self._say(self._post("/places", json={"total": count}))

    def ask(self, action: str) -> None:
        self._say(self._post("/state", json={"action": action}))

    def sync(self) -> None:
        self._say(self._post("/sync"))

    def list_submissions(self) -> None:
        table = Table("participant", "state", "verdict", "remark", box=None)
        for one in self._submissions():
            table.add_row(reference_of(one), one["state"], one["verdict"] or "", one["remark"])
        Console(markup=False).print(table)

    def approve(self, references: Sequence[str], *, yes: bool) -> None:
        chosen = self._open(references) if references else self._clean()
        listing = self._get()
        total = Money(listing["reward"] * len(chosen), listing["currency"])
        print(f"{len(chosen)} submissions, {total} and fees: {names_of(chosen)}")
        if yes and chosen:
            self._judge("approve", chosen)

    def request_return(self, references: Sequence[str], reason: str, *, yes: bool) -> None:
        chosen = self._open(references)
        print(f"{len(chosen)} are asked to return their submission: {names_of(chosen)}")
        if yes and chosen:
            self._judge("return", chosen, reason=reason)

    def message(self, references: Sequence[str], text: str, *, yes: bool) -> None:
        chosen = self._find(references)
        print(f"{len(chosen)} get the message: {names_of(chosen)}")
        if yes:
            self._judge("message", chosen, message=text)

    def reject(self, references: Sequence[str], category: str, message: str, *, yes: bool) -> None:
        chosen = self._open(references)
        why = {"category": category, "message": message}
        shown = self._judge("reject", chosen, **why, confirmed=False)
        for one in shown["submissions"]:
            print(f"{reference_of(one)}: {one['remark'] or 'nothing is wrong with this one'}")
        print(f"{len(chosen)} are rejected for {category}: {message}")
        if yes:
            self._judge("reject", chosen, **why, confirmed=True)

    def screen_out(self, references: Sequence[str], pay: int, *, yes: bool) -> None:
        chosen = self._open(references)
        found = self._judge("screen-out", chosen, pay=pay, confirmed=False)["cost"]
        cost = Money(found["total"], found["currency"])
        print(f"{len(chosen)} are screened out, {cost} with fees: {names_of(chosen)}")
        if yes:
            self._judge("screen-out", chosen, pay=pay, confirmed=True)

    def pay_bonuses(self, amounts: Mapping[str, int], order: str, reason: str, *, yes: bool) -> None:
        total = Money(sum(amounts.values()), self._get()["currency"])
        print(f"{len(amounts)} bonuses, {total} and fees.")
        if not yes:
            return
        lines = [{"participant": name, "amount": amount} for name, amount in amounts.items()]
        asked = {"order": order, "reason": reason, "bonuses": lines}
        print(f"{self._post('/bonuses', json=asked)['count']} are new; order {order}.")

    def list_open_bonuses(self) -> None:
        currency = self._get()["currency"]
        table = Table("number", "participant", "amount", "state", "remark", box=None)
        for one in self._get("/bonuses"):
            remark = "sent, and not shown" if one["unshown"] else one["refusal"] or ""
            amount = str(Money(one["amount"], currency))
            table.add_row(str(one["number"]), reference_of(one), amount, one["state"], remark)
        Console(markup=False).print(table)

    def settle(self, number: int, answer: str) -> None:
        word = {"not-paid": "again"}.get(answer, answer)
        left = {one["number"]: one["state"] for one in self._post(f"/bonuses/{number}/{word}")}
        ended = {"paid": "confirmed", "cancel": "cancelled"}
        print(f"Bonus {number} is {left.get(number) or ended[answer]}.")

    def show_ledger(self) -> None:
        found = self._get("/ledger")

        def money(minor: int) -> str:
            return str(Money(minor, found["currency"]))

        table = Table("kind", box=None)
        for column in ("payments", "paid", "on its way"):
            table.add_column(column, justify="right")
        for total in found["totals"]:
            table.add_row(total["kind"], str(total["count"]), money(total["paid"]), money(total["open"]))
        Console(markup=False).print(table)
        charged = "not known yet" if found["charged"] is None else money(found["charged"])
        print(f"Ledger {money(found['paid'])}; charged {charged}.")

    # ---- the API ----

    def _get(self, path: str = "") -> Any:
        return self.server.get(f"/api/studies/{self.slug}/listing{path}").json()

    def _post(self, path: str, **content: Any) -> Any:
        return self.server.post(f"/api/studies/{self.slug}/listing{path}", **content).json()

    def _judge(self, verdict: str, chosen: Sequence[Mapping[str, Any]], **more: Any) -> Any:
        asked = {"submissions": [one["id"] for one in chosen], **more}
        return self._post(f"/submissions/{verdict}", json=asked)

    def _submissions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("/submissions")["submissions"]
        return found

    def _find(self, references: Sequence[str]) -> list[dict[str, Any]]:
        """`BadInput` for a reference that nobody has."""
        known = {reference_of(one): one for one in self._submissions() if one["participant"]}
        wanted = [reference.strip().lower()[:REFERENCE_LENGTH] for reference in references]
        if missing := [one for one in wanted if one not in known]:
            raise BadInput(f"No submission belongs to {missing[0]}.")
        return [known[one] for one in wanted]

    def _open(self, references: Sequence[str]) -> list[dict[str, Any]]:
        return [one for one in self._find(references) if is_open(one)]

    def _clean(self) -> list[dict[str, Any]]:
        return [one for one in self._submissions() if is_open(one) and not one["remark"]]

    def _say(self, listing: Mapping[str, Any]) -> None:
        asked = f"; a worker is asked to {listing['asked']}" if listing["asked"] else ""
        state = listing["state"] or "not there yet"
        print(f"It is {state}: {listing['places_taken']} of {listing['places_wanted']} places taken{asked}.")


def is_open(submission: Mapping[str, Any]) -> bool:
    """Whether a verdict can still be given."""
    return submission["state"] == WAITING and not submission["verdict"]


def reference_of(line: Mapping[str, Any]) -> str:
    """Of a participant, as local commands print it; – of somebody without a visit."""
    participant: str | None = line["participant"]
    return participant.replace("-", "")[:REFERENCE_LENGTH] if participant else "–"


def names_of(chosen: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(map(reference_of, chosen)) or "nobody"


def print_payments(server: Remote, slug: str) -> None:
    """`payments.csv` of a study, or of all."""
    path = f"/api/studies/{slug}/payments.csv" if slug else "/api/payments.csv"
    sys.stdout.write(server.get(path).text.replace("\r\n", "\n"))
