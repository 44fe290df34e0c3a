"""Calls of a marketplace: patience where it helps, no second call where that would pay twice."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import MarketplaceAccount, Source
from app.recruitment.accounts import AccountKey, check_token, keep_token, key_of
from app.recruitment.marketplaces.http import Api
from app.recruitment.marketplaces.prolific import Prolific, read_event
from app.recruitment.marketplaces.seam import Money
from app.security import TokenBox
from tests.support.local_prolific import TOKEN, Fault

HOUR = timedelta(hours=1)


class TestApi:
    def test_it_waits_as_long_as_it_is_asked_to(self):
        api, pauses = answering(429, 200, headers={"Retry-After": "7"})
        assert api.get("/x") == {}
        assert pauses == [7.0]

    def test_it_waits_longer_each_time(self, monkeypatch):
        monkeypatch.setattr("app.recruitment.marketplaces.http.WAITS_S", (0.5, 2.0, 8.0))
        api, pauses = answering(500, 502, 503, 200)
        api.get("/x")
        assert pauses == [0.5, 2.0, 8.0]

    def test_it_gives_up_in_words(self):
        api, _ = answering(*[500] * 4)
        with pytest.raises(MarketplaceUnavailable, match=r"Prolific cannot answer now \(500\)\."):
            api.get("/x")

    def test_who_asks_for_more_patience_than_that_is_left_for_later(self):
        api, pauses = answering(429, headers={"Retry-After": "3600"})
        with pytest.raises(MarketplaceUnavailable):
            api.get("/x")
        assert pauses == []

    @pytest.mark.parametrize("status", [500, 503])
    def test_what_may_not_be_repeated_is_not(self, status):
        api, pauses = answering(status, 200)
        with pytest.raises(MarketplaceUnavailable):
            api.call("POST", "/pay", repeatable=False)
        assert pauses == []

    def test_but_it_is_when_it_was_turned_away_at_the_door(self):
        api, pauses = answering(429, 200)
        api.call("POST", "/pay", repeatable=False)
        assert len(pauses) == 1

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ({"error": {"detail": "No funds."}}, "No funds."),
            ({"error": {"detail": {"reward": ["is too low", "is odd"]}}}, "reward: is too low, is odd"),
            ({"error": {"title": "Bad", "detail": ""}}, "Bad"),
            ("nonsense", "nonsense"),
        ],
    )
    def test_a_refusal_says_why(self, said, told):
        api, _ = answering(400, answer=said)
        with pytest.raises(MarketplaceRefused, match=rf"refuses \(400\): {told}"):
            api.get("/x")


class TestToken:
    def test_it_opens_the_account(self, settings):
        owner = check_token(Source.PROLIFIC, f" {TOKEN}\n", settings)
        assert (owner.name, owner.currency) == ("Ada Lab", "GBP")

    @pytest.mark.parametrize("token", ["wrong", "", "a\nb", "ü", "x" * 501])
    def test_one_that_opens_nothing_is_refused(self, settings, token):
        with pytest.raises(BadInput):
            check_token(Source.PROLIFIC, token, settings)

    def test_it_is_stored_sealed_and_shown_by_nothing(self, db, settings):
        keep_token(db, Source.PROLIFIC, TOKEN, check_token(Source.PROLIFIC, TOKEN, settings), settings)
        stored = db.get(MarketplaceAccount, Source.PROLIFIC).sealed_token
        assert TOKEN.encode() not in stored
        key = key_of(db, Source.PROLIFIC, settings)
        assert key.token == TOKEN
        assert TOKEN not in repr(key)

    def test_with_a_key_of_the_environment_the_database_alone_opens_nothing(self):
        sealed = TokenBox(b"secret", extra="of the environment").seal(TOKEN, of="prolific")
        with pytest.raises(WrongState, match="CYBORG_TOKEN_KEY"):
            TokenBox(b"secret").open(sealed, of="prolific")

    def test_what_is_sealed_for_one_thing_opens_as_no_other(self):
        box = TokenBox(b"secret")
        with pytest.raises(WrongState):
            box.open(box.seal(TOKEN, of="prolific"), of="prolific events")

    def test_it_is_in_no_log(self, settings, prolific, caplog):
        prolific.faults.append(Fault("GET", "users/me", 500))
        check_token(Source.PROLIFIC, TOKEN, settings)
        assert caplog.records
        assert TOKEN not in caplog.text


class TestQuote:
    def test_it_is_rewards_fees_and_tax(self, db, market):
        cost = market.quote(Money(150, "GBP"), 10)
        assert (cost.rewards, cost.fees, cost.tax) == (1500, 495, 99)
        assert str(cost.total) == "20.94 GBP"


class TestListening:
    def test_it_subscribes_once_and_keeps_a_secret_that_is_there(self, market, prolific):
        secret = market.listen("https://lab.example/events")
        assert market.listen("https://lab.example/events") == secret
        assert sorted(one["event_type"] for one in prolific.subscriptions.values()) == [
            "study.status.change",
            "submission.status.change",
        ]
        assert all(one["is_enabled"] for one in prolific.subscriptions.values())


class TestEvent:
    AT = datetime(2026, 11, 28, 12, tzinfo=UTC)

    def test_a_signed_one_says_what_it_is_about(self, prolific):
        event = self.read(prolific, {"event_type": "submission.status.change", "resource_id": "s"})
        assert (event.submission, event.listing) == ("s", None)

    @pytest.mark.parametrize("late_s", [-301, 301])
    def test_one_of_another_time_is_none(self, prolific, late_s):
        told = {"event_type": "study.status.change", "resource_id": "s"}
        assert self.read(prolific, told, late_s=late_s) is None

    def test_one_that_was_changed_on_its_way_is_none(self, prolific):
        told = {"event_type": "study.status.change", "resource_id": "s"}
        assert self.read(prolific, told, change=lambda body: body.replace(b'"s"', b'"t"')) is None

    @pytest.mark.parametrize("body", ["[]", "{}", "nonsense", "null", '{"event_type": "x"}'])
    def test_nonsense_with_a_signature_is_none(self, prolific, body):
        assert self.read(prolific, body) is None

    def test_one_without_a_signature_is_none(self):
        assert read_event({}, b"{}", "secret", at=self.AT) is None

    def read(self, prolific, told, *, late_s: float = 0, change=lambda body: body):
        prolific.secrets[:] = [{"value": "a secret"}]
        body, headers = prolific.signed(told, at=self.AT.timestamp() + late_s)
        lower = {name.lower(): value for name, value in headers.items()}
        return read_event(lower, change(body), "a secret", at=self.AT)


def test_money_is_never_a_float():
    assert str(Money(5, "GBP")) == "0.05 GBP"
    assert str(Money(-1234, "USD")) == "-12.34 USD"
    with pytest.raises(ValueError, match="cannot be added"):
        Money(1, "GBP") + Money(1, "USD")


def answering(*statuses: int, answer: object = None, headers=None):
    """An API that answers so, one status after the other, and the pauses between the calls."""
    left, pauses = list(statuses), []

    def respond(_request):
        return httpx2.Response(left.pop(0), json={} if answer is None else answer, headers=headers or {})

    transport = httpx2.MockTransport(respond)
    return Api("Prolific", "https://x.example", {}, transport=transport, pause=pauses.append), pauses


@pytest.fixture
def market(settings):
    from app.recruitment.accounts import opened

    with opened(AccountKey(Source.PROLIFIC, TOKEN, "w" * 24, "GBP"), settings) as market:
        assert isinstance(market, Prolific)
        yield market
