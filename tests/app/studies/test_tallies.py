"""Counts that the database keeps are those that counting would give, whatever happens and however at once."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update
from typer.testing import CliRunner

from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.dashboard.studies.queries import decisions_over_time
from app.db import SessionFactory
from app.models import (
    Arm,
    Decision,
    Image,
    Pair,
    Participant,
    ParticipantState,
    Question,
    Quota,
    Screening,
    Source,
    Study,
    Trial,
    TrialKind,
    TrialState,
    is_judgement,
    tally,
)
from app.models.tallies import TallyMeasure
from app.recruitment.assignment import lock_study
from app.recruitment.service import screen_out, withdraw
from app.studies.places import release_lapsed
from app.studies.progress import progress
from app.studies.service import close_study
from app.studies.tallies import (
    FOLD_FROM,
    Miscount,
    arrivals,
    cells,
    changes,
    differences,
    fold,
    medians,
    pace,
    recount,
    unfolded,
)
from app.trials.service import finish
from tests.support import factories
from tests.support.factories import (
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.worlds import Visitor, make_study

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)


class TestWhatCounts:
    def test_a_decision_adds_to_its_cell(self, db, study, arm, decide):
        decide(correct=True, source="gan"), decide(correct=False, source="gan")
        decide(correct=True, question=Question.FAKE)
        counted = [(one.source, one.question, one.decided, one.correct) for one in cells(db, study.id)]
        assert counted == [("gan", "fake", 1, 1), ("gan", "real", 2, 1)]

    @pytest.mark.parametrize("kind", [TrialKind.PRACTICE, TrialKind.CHECK])
    def test_practice_and_checks_add_nothing(self, db, study, decide, kind):
        decide(kind=kind)
        assert cells(db, study.id) == []

    @pytest.mark.parametrize("state", [ParticipantState.WITHDRAWN, ParticipantState.SCREENED_OUT])
    def test_whoever_no_longer_counts_is_taken_out(self, db, study, decide, state):
        decide()
        gone = db.get_one(Trial, decide().trial_id).participant_id
        db.execute(update(Participant).where(Participant.id == gone).values(state=state))
        assert [one.decided for one in cells(db, study.id)] == [1]

    def test_a_deletion_takes_out_what_it_deletes_and_only_once(self, db, study, decide):
        decide()
        gone = decide()
        db.execute(delete(Decision).where(Decision.id == gone.id))
        db.execute(delete(Trial).where(Trial.id == gone.trial_id))
        assert [one.decided for one in cells(db, study.id)] == [1]

    def test_changes_only_grow(self, db, study, decide):
        seen = [changes(db, study.id)]
        gone = decide()
        seen.append(changes(db, study.id))
        db.execute(delete(Decision).where(Decision.id == gone.id))
        seen.append(changes(db, study.id))
        decide()
        assert [*seen, changes(db, study.id)] == [0, 1, 2, 3]


class TestMedians:
    @pytest.mark.parametrize("times", [[4321.0], [1000.0, 3000.0], [0.0, 5.0, 90_000.0], None])
    def test_they_are_right_to_one_percent(self, db, study, arm, decide, times):
        rng = random.Random(5)
        times = times or [rng.lognormvariate(8, 0.7) for _ in range(41)]
        for ms in times:
            decide(decision_ms=ms)
        found = medians(db, study.id, simulated=False)[arm.id]
        assert found.decision_ms == pytest.approx(max(1, median(times)), rel=0.01)
        assert found.annotation_ms is None

    def test_programs_are_apart(self, db, study, arm, decide):
        decide(decision_ms=100.0, source_of_participant=Source.SIMULATED)
        decide(decision_ms=9000.0)
        assert medians(db, study.id, simulated=True)[arm.id].decision_ms == pytest.approx(100, rel=0.01)


class TestPace:
    def test_judgements_are_counted_where_they_were_made(self, db, study, decide):
        for minutes in (0, 4, 5, 61):
            decide(decided_at=T0 + timedelta(minutes=minutes))
        counted = [((at - T0).total_seconds() / 60, number) for at, number in paced(db, study)]
        assert counted == [(0, 2), (5, 1), (60, 1)]

    def test_a_long_study_is_kept_by_the_hour_but_for_its_last_days(self, db, study, decide):
        for hours in (0.25, 0.5, 24, 96.25, 96.5):
            decide(decided_at=T0 + timedelta(hours=hours))
        fold(db, study.id)
        counted = [((at - T0).total_seconds() / 3600, number) for at, number in paced(db, study)]
        assert counted == [(0, 2), (24, 1), (96.25, 1), (96.5, 1)]

    def test_what_goes_leaves_the_bars_it_was_in(self, db, study, decide):
        gone = decide(decided_at=T0 + timedelta(minutes=20))
        for hours in (0.25, 96):
            decide(decided_at=T0 + timedelta(hours=hours))
        fold(db, study.id)
        db.execute(delete(Decision).where(Decision.id == gone.id))
        drawn = decisions_over_time(db, study, "people")
        assert [bar.count for bar in drawn.bars if bar.count] == [1, 1]


class TestArrivals:
    def test_they_are_what_counting_gives_whatever_comes_goes_and_is_folded(self, db, study, arm):
        rng, people = random.Random(3), []
        for number in range(60):
            source = rng.choice([Source.LINK, Source.SIMULATED])
            at = T0 + timedelta(minutes=rng.uniform(0, 10 * 24 * 60))
            people.append(ParticipantFactory(arm=arm, source=source, consented_at=at))
            if number % 7 == 0:
                fold(db, study.id)
            if number % 5 == 0:
                db.delete(people.pop(rng.randrange(len(people))))
                db.flush()
        kept = Counter({at // 3600: 0 for at, _ in arrivals(db, study.id)})
        for at, number in arrivals(db, study.id):
            kept[at // 3600] += number
        assert kept == Counter(int(one.consented_at.timestamp()) // 3600 for one in people)
        assert differences(db) == []

    def test_who_withdraws_came_all_the_same(self, db, study, arm):
        person = ParticipantFactory(arm=arm, consented_at=T0)
        person.state = ParticipantState.WITHDRAWN
        db.flush()
        assert arrivals(db, study.id) == [(int(T0.timestamp()), 1)]


class TestFolding:
    def test_it_changes_nothing_that_is_read(self, db, study, decide):
        gone = decide(decision_ms=10.0)
        for ms in (1000.0, 2000.0, 2000.0):
            decide(decision_ms=ms)
        db.execute(delete(Decision).where(Decision.id == gone.id))
        before = everything(db, study)
        fold(db, study.id)
        assert everything(db, study) == before
        keys = select(tally).where(tally.c.study_id == study.id)
        kept = [row[:7] for row in db.execute(keys)]
        assert len(kept) == len(set(kept))

    def test_only_studies_at_work_are_folded(self, db, study, decide):
        decide()
        assert study.id not in unfolded(db)
        row = {
            "study_id": study.id,
            "simulated": False,
            "measure": "change",
            "bin": 0,
            "number": 1,
            "correct": 0,
        }
        db.execute(tally.insert(), [row] * FOLD_FROM)
        assert study.id in unfolded(db)
        fold(db, study.id)
        assert study.id not in unfolded(db)


class TestChecking:
    def test_right_counts_have_no_differences(self, db, study, decide):
        for hours in (0.25, 0.5, 96):
            decide(decided_at=T0 + timedelta(hours=hours), annotation_ms=80.0)
        fold(db, study.id)
        assert differences(db) == []

    @pytest.mark.parametrize(
        "measure", sorted(set(TallyMeasure) - {TallyMeasure.CHANGE, TallyMeasure.WANTED})
    )
    def test_a_wrong_count_of_each_kind_is_told_and_mended(self, db, study, decide, measure):
        decide(annotation_ms=80.0)
        mine = (tally.c.study_id == study.id, tally.c.measure == measure)
        db.execute(update(tally).where(*mine).values(number=3))
        seen = changes(db, study.id)
        assert differences(db) == [Miscount(study.id, measure, 2)]
        recount(db)
        assert differences(db) == []
        assert changes(db, study.id) == seen + 1

    def test_counts_of_what_is_right_and_of_what_is_wanted_are_told_too(self, db):
        study = make_study(db)
        mine = (tally.c.study_id == study.id, tally.c.measure == TallyMeasure.WANTED)
        db.execute(update(tally).where(*mine).values(number=tally.c.number - 1, correct=1))
        assert {(one.study_id, one.measure) for one in differences(db)} == {(study.id, TallyMeasure.WANTED)}

    def test_the_command_tells_them_and_writes_them_anew(self, own_database, crowd, monkeypatch):
        monkeypatch.setenv("CYBORG_DATABASE_URL", own_database[0].database_url)
        monkeypatch.setenv("CYBORG_DATA_DIR", str(own_database[0].data_dir))
        with crowd.sessions.begin() as session:
            session.execute(delete(tally).where(tally.c.measure == TallyMeasure.PEOPLE))
        said = [CliRunner().invoke(app, ["db", "counts", *more]) for more in ([], ["--mend"], [])]
        assert [one.exit_code for one in said] == [1, 0, 0]
        assert said[0].output == f"Study {crowd.study_id}: people is off by 18.\n"
        assert said[2].output == "Every count is right.\n"


class TestProgress:
    def test_decided_and_held_are_all_the_places_taken(self, db, client):
        study = make_study(db, judgements=2, trials=4, consent_version="v1")
        done, away = Visitor(client, study.slug), Visitor(client, study.slug)
        done.consent(), done.finish()
        away.consent()
        away.decide(away.next().json()["trial"]["id"])
        found = progress(db, study)
        assert (found.decided, found.held, found.wanted) == (5, 3, 48)
        assert taken(db, study) == 8

    def test_a_closed_study_holds_no_places(self, db, client):
        study = make_study(db, consent_version="v1")
        visitor = Visitor(client, study.slug)
        visitor.consent()
        close_study(db, study)
        db.commit()
        assert (progress(db, study).held, taken(db, study)) == (0, 0)
        assert visitor.next().json()["completion"]["ending"] == "closed"
        assert progress(db, study).held == 0


class TestAtOnce:
    """On connections of their own, where transactions really meet."""

    def test_a_storm_of_all_that_can_happen_leaves_the_right_counts(self, crowd):
        crowd.storm()
        with crowd.sessions() as session:
            assert counted(session, crowd.study_id) == told(session, crowd.study_id)
            assert counted(session, crowd.study_id)
            assert differences(session) == []
            study = session.get_one(Study, crowd.study_id)
            found = progress(session, study)
            assert 0 < found.decided + found.held == taken(session, study)

    def test_counts_can_be_written_anew_while_people_decide(self, crowd):
        with crowd.sessions.begin() as session:
            session.execute(delete(tally).where(tally.c.measure != "change"))
        crowd.storm(crowd.recount)
        with crowd.sessions() as session:
            assert differences(session) == []

    def test_a_decision_that_meets_a_change_of_state_counts_nowhere(self, crowd):
        participant, trial = crowd.undecided()
        with crowd.sessions() as changing:
            mine = update(Participant).where(Participant.id == participant)
            changing.execute(mine.values(state=ParticipantState.SCREENED_OUT))
            deciding = threading.Thread(target=crowd.decide, args=(participant, trial))
            deciding.start()
            crowd.wait_for_a_lock()
            changing.commit()
        deciding.join()
        with crowd.sessions() as session:
            assert session.scalar(select(func.count()).select_from(Decision)) == 1
            assert told(session, crowd.study_id) == counted(session, crowd.study_id) == {}

    def test_a_decision_does_not_wait_for_a_check_that_may_end_the_visit(self, crowd):
        participant, trial = crowd.undecided()
        with crowd.sessions() as failing:
            lock_study(failing, crowd.study_id)
            crowd.write(failing, participant, crowd.check_of(participant))
            deciding = threading.Thread(target=crowd.decide, args=(participant, trial), daemon=True)
            deciding.start()
            deciding.join(20)
            assert not deciding.is_alive()

    def test_a_decision_waits_for_no_other(self, crowd):
        one, two = crowd.undecided(), crowd.undecided()
        with crowd.sessions() as open_for_long:
            crowd.write(open_for_long, *one)
            crowd.decide(*two)
            open_for_long.rollback()
        with crowd.sessions() as session:
            assert [one.decided for one in cells(session, crowd.study_id)] == [1]


def paced(db, study):
    counts = pace(db, study.id, simulated=False)
    return [(datetime.fromtimestamp(at, UTC), number) for at, number in counts]


def everything(db, study):
    times = medians(db, study.id, simulated=False)
    return progress(db, study), times, paced(db, study), changes(db, study.id)


def taken(db, study):
    mine = select(Arm.id).where(Arm.study_id == study.id)
    return db.scalar(select(func.sum(Quota.taken)).where(Quota.arm_id.in_(mine)))


def told(session, study_id):
    """Judgements and correct ones of each cell, as the database keeps them."""
    return {(one.source, one.question): (one.decided, one.correct) for one in cells(session, study_id)}


def counted(session, study_id):
    """The same, counted."""
    key = (Image.source, Trial.question)
    rows = session.execute(
        select(*key, func.count(), func.count().filter(Decision.correct))
        .select_from(Decision)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Pair, Pair.id == Trial.pair_id)
        .join(Image, Image.id == Pair.fake_image_id)
        .where(Participant.study_id == study_id, is_judgement())
        .group_by(*key)
    )
    return {(source, question): (decided, correct) for source, question, decided, correct in rows}


@dataclass
class Crowd:
    """Participants of one study, each with trials in hand."""

    sessions: SessionFactory
    study_id: int
    in_hand: dict
    """Trials by participant."""

    def undecided(self):
        participant = next(iter(self.in_hand))
        return participant, self.in_hand.pop(participant)[0]

    def check_of(self, participant):
        """An undecided check that was one of their main trials."""
        with self.sessions.begin() as session:
            mine = (Trial.participant_id == participant, Trial.state == TrialState.ASSIGNED)
            last = select(Trial.id).where(*mine).order_by(Trial.position.desc()).limit(1).scalar_subquery()
            check = update(Trial).where(Trial.id == last).values(kind=TrialKind.CHECK).returning(Trial.id)
            return session.scalars(check).one()

    def decide(self, participant, trial):
        with self.sessions() as session:
            self.write(session, participant, trial)
            session.commit()

    def write(self, session, participant, trial):
        """As a decision is recorded: the trial is claimed, then the decision is written."""
        mine = (Trial.id == trial, Trial.state == TrialState.ASSIGNED)
        claimed = session.execute(update(Trial).where(*mine).values(state=TrialState.DECIDED))
        if claimed.rowcount:
            image = session.get_one(Trial, trial).left_image_id
            values = {"choice": "left", "chosen_image_id": image, "correct": trial.int % 3 > 0}
            values |= {"decision_ms": 900.0, "events": [], "body_hash": trial.hex}
            session.add(Decision(trial_id=trial, **values))
            session.flush()

    def withdraw(self, participant):
        with self.sessions.begin() as session:
            withdraw(session, session.get_one(Participant, participant))

    def screen_out(self, participant):
        with self.sessions.begin() as session:
            lock_study(session, self.study_id)
            person = session.get_one(Participant, participant, populate_existing=True)
            if person.state is ParticipantState.ACTIVE:
                screen_out(session, person, Screening.CHECKS)

    def lapse(self, participant):
        """They are away for long; what they hold is given back."""
        with self.sessions.begin() as session:
            long_ago = datetime(2020, 1, 1, tzinfo=UTC)
            mine = update(Participant).where(Participant.id == participant)
            session.execute(mine.values(lease_expires_at=long_ago))
        with self.sessions.begin() as session:
            lock_study(session, self.study_id)
            release_lapsed(session, self.study_id)

    def finish(self, participant):
        with self.sessions.begin() as session:
            finish(session, session.get_one(Participant, participant))

    def recount(self):
        with self.sessions.begin() as session:
            recount(session)

    def fold(self):
        with self.sessions.begin() as session:
            fold(session, self.study_id)

    def storm(self, *others):
        """Everybody decides; many withdraw, are screened out, stay away or finish in the middle of it."""
        deeds: list[tuple[Any, ...]] = [
            (self.decide, participant, trial)
            for participant, trials in self.in_hand.items()
            for trial in trials
        ]
        in_the_middle = {1: self.withdraw, 2: self.screen_out, 3: self.lapse, 4: self.finish}
        for number, participant in enumerate(self.in_hand):
            if deed := in_the_middle.get(number % 6):
                deeds.append((deed, participant))
            deeds += [(other,) for other in (self.fold, *others)]
        random.Random(11).shuffle(deeds)
        with ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(*deed) for deed in deeds]:
                done.result()

    def wait_for_a_lock(self):
        """Until somebody waits for somebody else."""
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        until = time.monotonic() + 20
        with self.sessions() as session:
            while not session.scalar(waiting) and time.monotonic() < until:
                session.rollback()


@pytest.fixture
def crowd(own_database):
    _, sessions = own_database
    with sessions() as session:
        factories.SESSION_HOLDER["session"] = session
        study = make_study(session, pairs=8, judgements=60)
        arm = session.scalars(select(Arm).where(Arm.study_id == study.id)).first()
        pairs = session.scalars(select(Pair).where(Pair.study_id == study.id)).all()
        in_hand = {}
        for _ in range(18):
            person = ParticipantFactory(arm=arm)
            in_hand[person.id] = [
                TrialFactory(participant=person, pair=pair, position=position).id
                for position, pair in enumerate(pairs)
            ]
        places = {"taken": len(in_hand)}
        session.execute(
            update(Quota).where(Quota.arm_id == arm.id, Quota.question == "real").values(**places)
        )
        session.commit()
        study_id = study.id
    factories.SESSION_HOLDER.clear()
    return Crowd(sessions, study_id, in_hand)


@pytest.fixture(autouse=True)
def unrelated(noise): ...


@pytest.fixture
def study(db):
    return StudyFactory()


@pytest.fixture
def arm(study):
    return ArmFactory(study_id=study.id)


@pytest.fixture
def decide(study, arm):
    """A participant of their own with one decided trial."""

    def make(
        *,
        source="gan",
        question=Question.REAL,
        kind=TrialKind.MAIN,
        source_of_participant=Source.LINK,
        **decision,
    ):
        participant = ParticipantFactory(arm=arm, source=source_of_participant)
        pair = PairFactory(study_id=study.id, fake_image_id=ImageFactory(label="fake", source=source).id)
        trial = TrialFactory(
            participant=participant, pair=pair, question=question, kind=kind, state=TrialState.DECIDED
        )
        return DecisionFactory(trial=trial, **decision)

    return make
