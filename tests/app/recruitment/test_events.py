"""Events of a marketplace: signed ones ask for a visit, and nothing else happens."""

import random

import pytest
from sqlalchemy import text

from app.models import MarketplaceAccount, PaymentKind, PaymentState, Source
from app.recruitment import sync
from tests.app.recruitment.test_sync import approve_all, rewards

PATH = "/api/marketplaces/prolific/events"
WAITING = text("SELECT args ->> 'listing_id' FROM procrastinate_jobs WHERE task_name = 'recruitment.visit'")


class TestEvent:
    def test_it_asks_for_one_visit_however_many_come(self, lab, send, db):
        submission = lab.prolific.join(lab.listed)
        event = {"event_type": "submission.status.change", "resource_id": submission, "status": "ACTIVE"}
        assert [send(event).status_code for _ in range(3)] == [204] * 3
        assert db.scalars(WAITING).all() == [str(lab.listing_id)]
        assert db.get(MarketplaceAccount, Source.PROLIFIC).event_at is not None

    def test_one_of_another_study_asks_for_nothing(self, lab, send, db):
        send({"event_type": "study.status.change", "resource_id": "another", "status": "ACTIVE"})
        assert db.scalars(WAITING).all() == []

    def test_one_that_is_not_signed_is_refused(self, lab, client, db):
        assert client.post(PATH, json={"event_type": "study.status.change"}).status_code == 403
        assert db.scalars(WAITING).all() == []

    @pytest.mark.parametrize("source", ["mturk", "link", "nowhere"])
    def test_there_is_none_of_what_is_no_marketplace(self, lab, client, source):
        assert client.post(f"/api/marketplaces/{source}/events").status_code in (404, 422)

    def test_late_doubled_and_reordered_events_change_no_outcome(self, lab, send, db):
        done = lab.finished(3)
        lab.prolific.leave(lab.prolific.join(lab.listed))
        told = lab.prolific.events * 2
        random.Random(1).shuffle(told)
        for event in told:
            assert send(event).status_code == 204
        lab.visit()
        approve_all(lab)
        for event in reversed(told):
            send(event)
        lab.visit()
        assert rewards(lab) == [[150]] * 3 + [[]]
        assert lab.states(PaymentKind.REWARD) == [PaymentState.CONFIRMED] * 3
        assert len(done) == 3


class TestListening:
    def test_a_visit_subscribes_once(self, lab):
        assert len(lab.prolific.subscriptions) == 2
        lab.visit()
        assert len(lab.prolific.subscriptions) == 2

    def test_to_a_server_that_nobody_reaches_no_events_are_asked_for(self, settings):
        real = {"prolific_url": "https://api.prolific.com"}
        assert not sync.is_reachable(settings.model_copy(update=real))
        assert sync.is_reachable(settings.model_copy(update=real | {"public_url": "https://lab.example"}))


@pytest.fixture
def send(client, lab):
    """Send an event as Prolific does."""

    def post(event):
        body, headers = lab.prolific.signed(event)
        return client.post(PATH, content=body, headers=headers)

    return post
