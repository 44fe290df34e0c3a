from datetime import UTC, datetime, timedelta

import pytest

from app.models import (
    Listing,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    Role,
    Source,
    StudyState,
    TrialKind,
    TrialState,
)
from app.overview.service import overview
from tests.support.factories import (
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    QuotaFactory,
    StudyFactory,
    TrialFactory,
)

NOW = datetime.now(UTC)
LAPSED = NOW - timedelta(minutes=1)
QUIZ = {"quiz": {"questions": [{"text": "?", "options": ["a", "b"], "answer": 1}]}}


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


class TestArms:
    def test_decided_and_held_stand_against_what_is_wanted(self, db, study, arm, decide):
        pair = PairFactory(study_id=study.id)
        QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=5, taken=2)
        decide(pair)
        TrialFactory(participant=ParticipantFactory(arm=arm), pair=pair)
        (found,) = overview(db, study).arms
        assert (found.wanted, found.decided, found.held, found.participants) == (5, 1, 1, 2)


class TestPairs:
    def test_those_furthest_behind_come_first(self, db, study, arm, decide):
        pairs = [PairFactory(study_id=study.id) for _ in range(3)]
        for pair, taken in zip(pairs, (2, 0, 1), strict=True):
            QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=2, taken=taken)
            for _ in range(taken):
                decide(pair)
        found = overview(db, study).pairs
        assert [(one.id, one.decided) for one in found.furthest_behind] == [
            (pairs[1].id, 0),
            (pairs[2].id, 1),
            (pairs[0].id, 2),
        ]
        assert (found.total, found.complete) == (3, 1)

    def test_what_is_only_held_is_not_decided(self, db, study, arm):
        pair = PairFactory(study_id=study.id)
        QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=2, taken=1)
        TrialFactory(participant=ParticipantFactory(arm=arm), pair=pair)
        (found,) = overview(db, study).pairs.furthest_behind
        assert (found.decided, found.held) == (0, 1)

    def test_each_arm_is_told_apart(self, db, study, arm, decide):
        pair, other = PairFactory(study_id=study.id), ArmFactory(study_id=study.id)
        QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=2, taken=1)
        QuotaFactory(arm_id=other.id, pair_id=pair.id, wanted=3, taken=0)
        decide(pair)
        (found,) = overview(db, study).pairs.furthest_behind
        assert [(one.arm, one.decided, one.wanted) for one in found.arms] == [
            (arm.name, 1, 2),
            (other.name, 0, 3),
        ]

    def test_a_study_without_pairs_has_none(self, db, study):
        assert overview(db, study).pairs.total == 0


class TestArrivals:
    def test_they_are_counted_by_round_steps(self, db, study, arm):
        at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        for minutes in (0, 1, 12):
            ParticipantFactory(arm=arm, consented_at=at + timedelta(minutes=minutes))
        found = overview(db, study)
        assert found.arrivals_step_s == 300
        assert [(one.at - at, one.number) for one in found.arrivals] == [
            (timedelta(0), 2),
            (timedelta(minutes=10), 1),
        ]


class TestStages:
    def test_who_left_stands_at_the_trial_before_them(self, db, study, arm, decide):
        person = decide(at=1, lease_expires_at=LAPSED)
        for position in (2, 3, 4):
            TrialFactory(participant=person, state=TrialState.RELEASED, position=position)
        assert stops(db, study) == {"Trial 2": {"left": 1}}

    def test_somebody_at_work_has_not_left(self, db, study, arm):
        TrialFactory(participant=ParticipantFactory(arm=arm), position=1)
        assert stops(db, study) == {"Trial 1": {"at_work": 1}}

    def test_a_quiz_comes_before_the_trials(self, db, study, arm):
        study.visit = QUIZ
        TrialFactory(participant=ParticipantFactory(arm=arm, lease_expires_at=LAPSED), position=1)
        assert stops(db, study) == {"Quiz": {"left": 1}}

    def test_so_does_practice(self, db, study, arm):
        study.visit = {"has_practice": True}
        person = ParticipantFactory(arm=arm, lease_expires_at=LAPSED)
        TrialFactory(participant=person, kind=TrialKind.PRACTICE, state=TrialState.RELEASED, position=1)
        TrialFactory(participant=person, state=TrialState.RELEASED, position=2)
        assert stops(db, study) == {"Practice": {"left": 1}}

    def test_who_has_decided_everything_stands_at_the_closing_questions(self, db, study, arm, decide):
        study.visit = {"questions": [{"id": "age", "text": "?", "kind": "text"}]}
        decide(lease_expires_at=LAPSED)
        assert stops(db, study) == {"Closing questions": {"left": 1}}

    def test_who_was_screened_out_is_counted_apart(self, db, study, arm):
        person = ParticipantFactory(arm=arm, state=ParticipantState.SCREENED_OUT)
        TrialFactory(participant=person, state=TrialState.RELEASED, position=1)
        assert stops(db, study) == {"Trial 1": {"screened_out": 1}}

    def test_nobody_who_finished_is_in_them(self, db, study, arm):
        ParticipantFactory(arm=arm, state=ParticipantState.FINISHED)
        assert stops(db, study) == {}

    def test_many_trials_are_four_ranges(self, db, study):
        study.trials_per_participant = 30
        assert [one.name for one in overview(db, study).stages] == [
            "Trials 1 to 7",
            "Trials 8 to 15",
            "Trials 16 to 22",
            "Trials 23 to 30",
        ]


class TestForecast:
    def test_it_goes_by_the_pace_of_the_last_day(self, db, study, arm, decide):
        QuotaFactory(arm_id=arm.id, pair_id=PairFactory(study_id=study.id).id, wanted=12)
        study.opened_at = NOW - timedelta(days=9)
        decide(decided_at=NOW - timedelta(days=3))
        for hours in (1, 2, 3):
            decide(decided_at=NOW - timedelta(hours=hours))
        found = overview(db, study)
        assert found.forecast.per_hour == pytest.approx(3 / 24)
        assert found.forecast.done_at - found.at == timedelta(hours=8 * 8)

    def test_without_a_judgement_nobody_knows(self, db, study, arm):
        QuotaFactory(arm_id=arm.id, pair_id=PairFactory(study_id=study.id).id)
        study.opened_at = NOW - timedelta(days=9)
        found = overview(db, study).forecast
        assert (found.per_hour, found.done_at) == (0, None)

    @pytest.mark.parametrize(
        ("state", "open_for"),
        [(StudyState.OPEN, timedelta(minutes=5)), (StudyState.PAUSED, timedelta(days=9))],
    )
    def test_a_study_that_is_new_or_not_open_has_none(self, db, study, decide, state, open_for):
        study.state, study.opened_at = state, datetime.now(UTC) - open_for
        decide()
        assert overview(db, study).forecast.per_hour is None


class TestLease:
    def test_the_first_that_ends_is_told(self, db, study, arm):
        for hours in (30, 20):  # a test run may be long
            ParticipantFactory(arm=arm, lease_expires_at=NOW + timedelta(hours=hours))
        ParticipantFactory(arm=arm, lease_expires_at=LAPSED)
        found = overview(db, study).lease
        assert (found.participants, found.next_ends_at) == (2, NOW + timedelta(hours=20))


class TestSpend:
    def test_it_is_what_the_ledger_says(self, db, study, paid, decide):
        paid(150, PaymentState.CONFIRMED)
        paid(150, PaymentState.SENT)
        paid(150, PaymentState.CANCELLED)
        decide()
        (found,) = overview(db, study).spend
        assert (found.currency, found.paid, found.open, found.per_judgement) == ("GBP", 150, 150, 150)

    @pytest.mark.parametrize(
        ("role", "seen"), [(Role.VIEWER, False), (Role.FINANCE, True), (Role.EDITOR, True)]
    )
    def test_viewers_do_not_see_it(self, log_in, study, paid, role, seen):
        paid(4321, PaymentState.CONFIRMED)
        client = log_in(role)
        assert (client.get(f"/api/studies/{study.slug}/overview").json()["spend"] is not None) == seen
        for page in ("", "/live"):
            assert ("43.21" in client.get(f"/staff/studies/{study.slug}{page}").text) == seen


class TestSharing:
    def test_many_who_ask_are_told_what_was_counted_once(self, editor, study, decide):
        address = f"/api/studies/{study.slug}/overview"
        first = editor.get(address).json()
        decide()
        assert editor.get(address).json() == first


@pytest.fixture
def study(db):
    return StudyFactory(opened_at=NOW - timedelta(days=1))


@pytest.fixture
def arm(study):
    return ArmFactory(study_id=study.id)


@pytest.fixture
def decide(study, arm):
    """A participant of their own with one judgement."""

    def make(pair=None, *, at=1, decided_at=NOW, **person):
        pair = pair or PairFactory(study_id=study.id)
        participant = ParticipantFactory(arm=arm, **person)
        trial = TrialFactory(participant=participant, pair=pair, state=TrialState.DECIDED, position=at)
        DecisionFactory(trial=trial, decided_at=decided_at)
        return participant

    return make


@pytest.fixture
def paid(db, study):
    """A payment of so many pence."""
    listing = Listing(
        study_id=study.id,
        marketplace=Source.PROLIFIC,
        title="",
        description="",
        minutes=1,
        reward=1,
        currency="GBP",
        codes={},
        places_wanted=1,
    )
    db.add(listing)
    db.flush()

    def pay(amount, state):
        key = f"{listing.id} {amount} {state}"
        db.add(
            Payment(
                listing_id=listing.id,
                key=key,
                kind=PaymentKind.REWARD,
                amount=amount,
                currency="GBP",
                state=state,
            )
        )
        db.commit()

    return pay


def stops(db, study):
    """What is not zero, by step."""
    db.flush()
    return {
        one.name: counts
        for one in overview(db, study).stages
        if (counts := {who: n for who in ("left", "screened_out", "at_work") if (n := getattr(one, who))})
    }
