"""The life cycle that map sets, analyses, runs and background tasks share."""

import threading

import pytest
from sqlalchemy import select, text

from app.analysis.queries import Choice
from app.analysis.requests import request_analysis
from app.background import Interrupted, abort, carry_out, end
from app.db import named_locks
from app.errors import WrongState
from app.experiments.background_tasks import TASKS
from app.experiments.service import RUNS
from app.jobs import enqueue
from app.models import BackgroundTask, JobState, TaskKind
from app.tasks import KINDS
from tests.support import factories
from tests.support.factories import StudyFactory

QUEUED, RUNNING, SUCCEEDED, FAILED, ABORTED = JobState
OPEN_TRANSACTIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
)


class TestCarryOut:
    def test_work_runs_while_it_is_done_and_has_succeeded_then(self, elsewhere):
        sessions, task_id = elsewhere
        seen = []

        def do(attempt, _work):
            seen.append(read(sessions, task_id).state)
            succeed(attempt)

        carry_out(sessions, TASKS, task_id, do)
        task = read(sessions, task_id)
        assert seen == [RUNNING]
        assert (task.state, task.result, task.ended_at is None) == (SUCCEEDED, {"n": 1}, False)

    @pytest.mark.parametrize("state", [SUCCEEDED, FAILED, ABORTED])
    def test_work_that_has_ended_is_not_done_again(self, db, session_factory, task, state):
        task.state = state
        db.commit()
        carry_out(session_factory, TASKS, task.id, never)
        assert state_of(db, task) is state

    def test_work_that_is_gone_is_not_done(self, db, session_factory, task):
        begun = []
        carry_out(session_factory, TASKS, task.id + 1, lambda *work: begun.append(work))
        assert begun == []
        assert state_of(db, task) is QUEUED

    def test_work_whose_worker_died_is_done_again(self, db, session_factory, task):
        task.state, task.done, task.total = RUNNING, 5, 9
        db.commit()
        carry_out(session_factory, TASKS, task.id, lambda attempt, _: succeed(attempt))
        assert state_of(db, task) is SUCCEEDED

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OSError("No space left."), "No space left."),
            (ZeroDivisionError("by zero"), "It stopped unexpectedly: ZeroDivisionError: by zero"),
            (KeyboardInterrupt(), "It was interrupted; ask for it again."),
        ],
    )
    def test_an_error_is_written_and_raised(self, db, session_factory, task, error, words):
        def do(_attempt, _work):
            raise error

        with pytest.raises(type(error)):
            carry_out(session_factory, TASKS, task.id, do)
        assert (state_of(db, task), task.error, task.ended_at is None) == (FAILED, words, False)
        assert task.arguments == {"called": "face.png"}

    @pytest.mark.parametrize(("state", "left"), [(QUEUED, {"called", "image"}), (ABORTED, {"called"})])
    def test_a_request_to_stop_leaves_what_its_state_needs(self, db, session_factory, task, state, left):
        with pytest.raises(Interrupted):
            carry_out(session_factory, TASKS, task.id, check, should_stop=lambda: state)
        assert (state_of(db, task), set(task.arguments)) == (state, left)

    def test_an_abort_meanwhile_is_never_overwritten(self, db, session_factory, task):
        def do(attempt, _work):
            with session_factory.begin() as session:
                abort(session, TASKS, session.get_one(BackgroundTask, task.id))
            succeed(attempt)

        with pytest.raises(Interrupted):
            carry_out(session_factory, TASKS, task.id, do)
        assert (state_of(db, task), task.result) == (ABORTED, None)

    def test_one_worker_at_a_time(self, elsewhere):
        sessions, task_id = elsewhere
        taken = named_locks(sessions, {f"background task {task_id}": ""})
        with taken, pytest.raises(WrongState, match="worked on already"):
            carry_out(sessions, TASKS, task_id, never)
        with sessions() as session:
            assert session.get_one(BackgroundTask, task_id).state is QUEUED

    def test_no_transaction_is_open_while_it_is_done(self, elsewhere):
        sessions, task_id = elsewhere
        seen = []

        def do(attempt, _work):
            attempt.report(1, 2)
            with sessions() as session:
                seen.append(session.scalar(OPEN_TRANSACTIONS))
            succeed(attempt)

        carry_out(sessions, TASKS, task_id, do)
        assert seen == [0]


class TestProgress:
    def test_it_is_written_at_first_once_a_second_and_at_the_end(self, elsewhere, monkeypatch):
        sessions, task_id = elsewhere
        now, written = [0.0], []
        monkeypatch.setattr("app.background.time.monotonic", lambda: now[0])

        def do(attempt, _work):
            for done, now[0] in ((1, 0.0), (2, 0.9), (3, 1.0), (4, 1.1), (5, 1.2)):
                attempt.report(done, 5)
                written.append(read(sessions, task_id).done)

        carry_out(sessions, TASKS, task_id, do)
        assert written == [1, 1, 3, 3, 5]


class TestAbort:
    def test_work_that_waits_ends_and_its_job_is_taken_back(self, db, task):
        task.job_id = enqueue(db, "experiments.task", task_id=task.id)
        db.commit()
        abort(db, TASKS, task)
        job = text("SELECT status::text FROM procrastinate_jobs WHERE id = :id")
        assert (task.state, db.scalar(job, {"id": task.job_id})) == (ABORTED, "cancelled")
        assert task.ended_at is not None

    def test_work_that_runs_without_a_job_ends_too(self, db, task):
        task.state = RUNNING
        db.flush()
        abort(db, TASKS, task)
        assert task.state is ABORTED

    @pytest.mark.parametrize("state", [SUCCEEDED, FAILED, ABORTED])
    def test_what_has_ended_cannot_be_aborted(self, db, task, state):
        task.state = state
        db.flush()
        with pytest.raises(WrongState, match=f"This background task has ended already: {state}"):
            abort(db, TASKS, task)


class TestGivenUp:
    def test_what_was_done_before_its_worker_died_stays(self, db, task):
        task.state, task.result = SUCCEEDED, {"n": 1}
        db.flush()
        end(db, TASKS, task.id, FAILED, "given up")
        assert (state_of(db, task), task.error, task.arguments["image"]) == (SUCCEEDED, None, "x")

    def test_every_kind_is_known_to_the_worker_by_its_job(self):
        assert len({kind.job for kind in KINDS}) == len({kind.table for kind in KINDS}) == len(KINDS) == 4

    def test_a_job_names_its_row_in_json(self):
        assert str(RUNS.id_from("0f6b3c1e-9a3e-4b39-8a3e-2f0f0f6b3c1e"))[:8] == "0f6b3c1e"
        assert TASKS.id_from(7) == 7


class TestNumbers:
    def test_analyses_that_are_asked_for_at_once_get_different_numbers(self, own_database):
        _, sessions = own_database
        with sessions() as session:
            factories.SESSION_HOLDER["session"] = session
            study = StudyFactory()
            session.commit()
        versions = []

        def ask(number: int) -> None:
            with sessions.begin() as session:
                choice = Choice(without=(f"flag_{number}",))
                versions.append(request_analysis(session, study, choice, staff_id=None).version)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(versions) == list(range(1, 9))


def asked(session) -> BackgroundTask:
    task = BackgroundTask(kind=TaskKind.SCORE, arguments={"called": "face.png", "image": "x"})
    session.add(task)
    session.commit()
    return task


def succeed(attempt) -> None:
    with attempt.sessions.begin() as session:
        attempt.succeed(session, result={"n": 1})


def check(attempt, _work) -> None:
    attempt.check()


def never(_attempt, _work) -> None:
    raise AssertionError("it was done")


def read(sessions, task_id) -> BackgroundTask:
    with sessions() as session:
        return session.get_one(BackgroundTask, task_id)


def state_of(db, task) -> JobState:
    db.expire_all()
    return db.scalars(select(BackgroundTask.state).where(BackgroundTask.id == task.id)).one()


@pytest.fixture
def task(db):
    return asked(db)


@pytest.fixture
def elsewhere(own_database):
    """A task in a database of its own, for what a shared connection cannot show."""
    _, sessions = own_database
    with sessions() as session:
        task_id = asked(session).id
    return sessions, task_id
