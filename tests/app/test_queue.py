"""The queue: jobs and rows commit together, locks hold, and no death of a worker loses a job."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from app import models
from app.db import connect, factory
from app.experiments.service import abort_run, runs_of
from app.jobs import cancel, enqueue
from app.maps.service import abort_map_set, request_map_set
from app.models import JobState, Run, TrialState
from app.settings import Settings
from app.tasks import card_shares, cards_of, devices_of_lock
from saliency.parameters import MapParameters
from tests.support import factories
from tests.support.grids import make_experiment
from tests.support.toy_training import EPOCHS, IN_ONE_LIFE
from tests.support.worlds import make_study

JOBS = text("SELECT status::text FROM procrastinate_jobs WHERE task_name NOT LIKE 'queue.%' ORDER BY id")


class TestEnqueue:
    def test_a_rollback_takes_the_job_back(self, db):
        enqueue(db, "experiments.train", run_id="x")
        db.rollback()
        assert db.scalars(JOBS).all() == []

    def test_a_commit_keeps_it(self, db):
        enqueue(db, "experiments.train", run_id="x")
        db.commit()
        assert db.scalars(JOBS).all() == ["todo"]

    def test_cancelling_commits_with_the_caller_too(self, db):
        job = enqueue(db, "experiments.train", run_id="x")
        db.commit()
        assert cancel(db, job)
        db.rollback()
        assert db.scalars(JOBS).all() == ["todo"]
        assert cancel(db, job)
        db.commit()
        assert db.scalars(JOBS).all() == ["cancelled"]

    def test_what_has_ended_cannot_be_cancelled(self, db):
        assert not cancel(db, 123456)


class TestWorker:
    def test_two_runs_on_one_device_never_overlap(self, busy, tmp_path):
        experiment = make_experiment(busy, tmp_path, "naps", grid={"seeds": 3}, devices=1)
        until(lambda: states_of(busy, experiment) == {JobState.SUCCEEDED})
        naps = sorted(naps_of(tmp_path).values())
        assert len(naps) == 3
        assert all(before[1] <= after[0] for before, after in pairwise(naps))

    def test_two_workers_never_use_one_device_at_once(self, busy, tmp_path):
        """Four runs on two devices: those of one device follow each other."""
        experiment = make_experiment(busy, tmp_path, "naps", grid={"seeds": 4}, devices=2)
        query = text("SELECT lock FROM procrastinate_jobs WHERE id = :id")
        lock = {run.seed: busy.scalar(query, {"id": run.job_id}) for run in runs_of(busy, experiment)}
        until(lambda: states_of(busy, experiment) == {JobState.SUCCEEDED})
        naps = naps_of(tmp_path)
        assert sorted(lock.values()) == ["device:0", "device:0", "device:1", "device:1"]
        for device in ("device:0", "device:1"):
            before, after = sorted(nap for seed, nap in naps.items() if lock[seed] == device)
            assert before[1] <= after[0]

    def test_a_run_on_two_devices_waits_for_both(self, busy, tmp_path):
        single = make_experiment(busy, tmp_path / "a", "naps", grid={"seeds": 2}, devices=2)
        wide_grid = {"run": {"devices": 2}}
        experiment = make_experiment(busy, tmp_path / "b", "naps", grid=wide_grid, devices=2)
        done = {JobState.SUCCEEDED}
        until(lambda: states_of(busy, single) | states_of(busy, experiment) == done)
        (wide,) = naps_of(tmp_path / "b").values()
        for narrow in naps_of(tmp_path / "a").values():
            assert narrow[1] <= wide[0] or wide[1] <= narrow[0]

    def test_an_abort_reaches_a_run_that_says_nothing(self, busy, tmp_path):
        run = only_run(busy, make_experiment(busy, tmp_path, "is_silent"))
        until(lambda: events(busy, run, "started") == 1)
        abort_run(busy, run)
        busy.commit()
        until(lambda: fresh(busy, run).state is JobState.ABORTED, timeout_s=30)  # it is silent for 60
        assert events(busy, run, "finished") == 0

    def test_an_abort_ends_a_build_of_maps(self, busy):
        map_set = long_build(busy)
        until(lambda: fresh(busy, map_set).done > 0)
        abort_map_set(busy, map_set)
        busy.commit()
        until(lambda: fresh(busy, map_set).state is JobState.ABORTED)
        assert busy.query(models.SaliencyMap).filter_by(map_set_id=map_set.id).count() == 0

    def test_lapsed_places_are_given_back(self, busy):
        trial = lapsed_trial(busy)
        until(lambda: fresh(busy, trial).state is TrialState.RELEASED)
        assert trial.state is TrialState.RELEASED

    def test_a_job_that_kills_every_worker_is_given_up(self, busy, tmp_path):
        run = abandoned_run(busy, tmp_path, attempts=5)
        until(lambda: fresh(busy, run).state is JobState.FAILED)
        assert run.error == "It was given up: 6 workers died while they worked on it."

    def test_an_abort_counts_even_if_the_worker_is_dead(self, busy, tmp_path):
        run = abandoned_run(busy, tmp_path, attempts=0, abort=True)
        until(lambda: fresh(busy, run).state is JobState.ABORTED)
        assert run.state is JobState.ABORTED

    def test_a_run_outlives_its_workers(self, own_database, start_worker, tmp_path):
        """One is asked to stop, one is killed, and the third ends what the first began."""
        with own_database[1]() as session:
            factories.SESSION_HOLDER["session"] = session
            run = only_run(session, make_experiment(session, tmp_path, "counts"))
            polite = start_worker(own_database[0])
            until(lambda: events(session, run, "epoch") == IN_ONE_LIFE)
            polite.send_signal(signal.SIGTERM)
            assert polite.wait(20) == 0
            assert fresh(session, run).state is JobState.QUEUED

            doomed = start_worker(own_database[0])
            until(lambda: events(session, run, "epoch") == 2 * IN_ONE_LIFE + 1)
            os.kill(doomed.pid, signal.SIGKILL)
            doomed.wait()
            assert fresh(session, run).state is JobState.RUNNING

            start_worker(own_database[0])
            until(lambda: fresh(session, run).state is JobState.SUCCEEDED)
            record = (Path(run.folder) / "events.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in record] == list(range(1, EPOCHS + 1))
            assert epochs_of(session, run) == list(range(1, EPOCHS + 1))


class TestDevices:
    def test_a_lock_shows_its_run_one_card(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        locks = ("device:0", "device:1", "device:2")
        assert [cards_of(devices_of_lock(lock)) for lock in locks] == [["2"], ["5"], ["2"]]

    def test_a_run_on_several_devices_sees_as_many_cards(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
        assert cards_of(devices_of_lock("device:0", wanted=2)) == ["2", "5"]

    def test_a_card_is_used_by_one_run_unless_it_is_shared(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        assert [card_shares([number], 1) for number in range(4)] == [["2"], ["5"], ["2"], ["5"]]
        shared = [card_shares([number], 2) for number in range(5)]
        assert shared == [["2"], ["5"], ["2, share 2"], ["5, share 2"], ["2"]]

    def test_a_run_on_several_devices_wants_its_cards_whole(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
        assert card_shares(range(2), 2) == ["2", "2, share 2", "5", "5, share 2"]

    def test_a_machine_without_cards_changes_nothing(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert cards_of(devices_of_lock("device:0")) == card_shares([0], 2) == []


SLOW = ("matplotlib", "pandas", "scipy.stats", "statsmodels", "timm", "torch", "torchvision")
"""What takes a second or more to load, and serves few requests or jobs."""


class TestWebProcess:
    def test_it_loads_nothing_that_is_slow_and_no_bodies_of_jobs(self):
        program = (
            "import sys, app.main, app.cli.commands, app.exports.routes, app.maps.routes\n"
            "import app.experiments.service, app.experiments.datasets\n"
            f"print(*[name for name in {(*SLOW, 'app.tasks')} if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""

    def test_nor_does_the_worker_that_watches_over_training(self):
        program = f"import sys, app.tasks; print(*[name for name in {SLOW} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""


def naps_of(folder: Path) -> dict[int, tuple[float, float]]:
    """When each run began and ended, by its seed."""
    lines = (path.read_text().split() for path in folder.glob("nap-*.txt"))
    return {int(seed): (float(began), float(ended)) for seed, began, ended in lines}


def only_run(session, experiment) -> Run:
    (run,) = runs_of(session, experiment)
    return run


def fresh(session, row):
    session.rollback()
    session.refresh(row)
    return row


def states_of(session, experiment) -> set[JobState]:
    session.rollback()
    return {fresh(session, run).state for run in runs_of(session, experiment)}


def events(session, run: Run, kind: str) -> int:
    session.rollback()
    return session.query(models.RunEvent).filter_by(run_id=run.id, kind=kind).count()


def epochs_of(session, run: Run) -> list[int]:
    session.rollback()
    rows = session.query(models.RunEvent).filter_by(run_id=run.id, kind="epoch")
    return [row.payload["epoch"] for row in rows.order_by(models.RunEvent.id)]


def until(claim, timeout_s: float = 200) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def abandoned_run(session, folder: Path, *, attempts: int, abort: bool = False) -> Run:
    """A run whose worker died: the queue believes that it is being done, by nobody."""
    run = only_run(session, make_experiment(session, folder, "finishes", queued=False))
    run.state, run.job_id = JobState.RUNNING, enqueue(session, "experiments.train", run_id=str(run.id))
    doing = "UPDATE procrastinate_jobs SET status = 'doing', attempts = :attempts WHERE id = :id"
    session.execute(text(doing), {"attempts": attempts, "id": run.job_id})
    if abort:
        abort_run(session, run)
        assert run.state is JobState.RUNNING
    session.commit()
    return run


def long_build(session) -> models.MapSet:
    """A map set of images so large that it takes a while."""
    study = factories.StudyFactory()
    participant = factories.ParticipantFactory(arm=factories.ArmFactory(study_id=study.id))
    for _ in range(60):
        image = factories.ImageFactory(width=1024, height=1024)
        pair = factories.PairFactory(study_id=study.id, real_image_id=image.id)
        trial = factories.TrialFactory(participant=participant, pair=pair)
        decision = factories.DecisionFactory(trial=trial)
        factories.StrokeFactory(annotation_id=factories.AnnotationFactory(decision=decision).id)
    map_set = request_map_set(session, study, MapParameters())
    session.commit()
    return map_set


def lapsed_trial(session) -> models.Trial:
    study = make_study(session)
    arm = session.query(models.Arm).filter_by(study_id=study.id).first()
    gone = datetime.now(UTC) - timedelta(minutes=1)
    participant = factories.ParticipantFactory(arm=arm, lease_expires_at=gone)
    quota = session.query(models.Quota).filter_by(arm_id=arm.id, question="real").first()
    quota.taken = 1
    pair = session.get(models.Pair, quota.pair_id)
    trial = factories.TrialFactory(participant=participant, pair=pair)
    session.commit()
    return trial


@pytest.fixture(scope="module")
def workplace(new_database, tmp_path_factory):
    """A database with two workers at it, shared: starting a process takes longer than most of these tests."""
    data_dir = tmp_path_factory.mktemp("workplace")
    settings = Settings(data_dir=data_dir, database_url=new_database(), devices=1, _env_file=None)
    engine = connect(settings)
    processes = [worker_process(settings) for _ in range(2)]
    yield factory(engine)
    for process in processes:
        process.kill()
        process.wait()
    engine.dispose()


@pytest.fixture
def busy(workplace):
    """A session in the database at which two workers work."""
    with workplace() as session:
        factories.SESSION_HOLDER["session"] = session
        yield session


@pytest.fixture
def start_worker():
    """Start real worker processes; whatever is left of them is killed at the end."""
    started: list[subprocess.Popen] = []

    def start(settings: Settings) -> subprocess.Popen:
        started.append(worker_process(settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def worker_process(settings: Settings) -> subprocess.Popen:
    database = {"CYBORG_DATABASE_URL": settings.database_url, "CYBORG_DATA_DIR": str(settings.data_dir)}
    return subprocess.Popen([sys.executable, "-m", "tests.support.toy_worker"], env=os.environ | database)
