"""Train several runs of a grid at once on one device, each in a process of its own.

One run with small batches leaves a graphics card mostly idle; runs beside it use the rest. Processes share
the files of decoded images and features, and nothing else: each run computes what it computes alone.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import Empty
from threading import Event as Flag
from threading import Lock

from training.config import TrainingJob
from training.errors import RecipeError
from training.events import Event, FailedEvent, FinishedEvent, StartedEvent, parse_event
from training.grid import GridOutcome
from training.process import POLL_EVERY_S, TrainingProcess, crash_message, training_process
from training.run import headline
from training.run_folder import RunFolder

THREADS = "OMP_NUM_THREADS"

OnEvent = Callable[[TrainingJob, Event], None]


def fit_side_by_side(
    jobs: Sequence[TrainingJob], *, at_once: int, on_event: OnEvent, stop_at_failure: bool = False
) -> GridOutcome:
    """Do all runs, `at_once` of them at a time; one that fails does not keep the others from being done.

    Each process gets its share of the cores, unless OMP_NUM_THREADS says otherwise: a CPU rounds differently
    with another number of threads, a GPU does not. When this function is interrupted, so are the runs; a
    later call goes on from their last complete epochs.

    on_event : called from several threads
    stop_at_failure : start no other run after one has failed; those that run go on
    `RecipeError`: a run is for several devices
    """
    if any(job.run.devices > 1 for job in jobs):
        raise RecipeError("--at-once is for runs on one device each; this recipe spreads a run over several.")
    outcome = GridOutcome()
    trainer = _Trainer(at_once, on_event, stop_at_failure=stop_at_failure)
    with ThreadPoolExecutor(at_once) as pool:
        futures = {pool.submit(trainer.train, job): job.run.name for job in jobs}
        try:
            for future in as_completed(futures):
                match future.result():
                    case FinishedEvent() as event:
                        outcome.finished[futures[future]] = event
                    case FailedEvent(error=error):
                        outcome.failed[futures[future]] = error
        except BaseException:
            trainer.interrupted.set()
            pool.shutdown(cancel_futures=True)
            raise
    return outcome


class _Trainer:
    """Trains runs in child processes; each of its threads watches one."""

    def __init__(self, at_once: int, on_event: OnEvent, *, stop_at_failure: bool) -> None:
        self.interrupted = Flag()
        self._on_event = on_event
        self._stop_at_failure = stop_at_failure
        self._starts_no_more = Flag()
        # One process loads at a time: what it decodes, the others then find on the disk.
        self._loading = Lock()
        threads = max(1, (os.cpu_count() or 1) // at_once)
        self._environment = {THREADS: os.environ.get(THREADS, str(threads))}

    def train(self, job: TrainingJob) -> FinishedEvent | FailedEvent | None:
        """Do one run, or the rest of it; None if it was not started."""
        folder = RunFolder(job.out)
        if folder.is_finished:
            return FinishedEvent(metrics=headline(folder))
        with _Turn(self._loading) as turn:
            if self._starts_no_more.is_set():
                return None
            event = self._train(job, turn)
            if isinstance(event, FailedEvent) and self._stop_at_failure:
                self._starts_no_more.set()
        return event

    def _train(self, job: TrainingJob, turn: "_Turn") -> FinishedEvent | FailedEvent:
        with training_process(job, environment=self._environment) as process:
            last = self._watch(job, process, turn)
        if isinstance(last, FinishedEvent | FailedEvent):
            return last
        return FailedEvent(error=crash_message(process.exit_code(), process.error_lines))

    def _watch(self, job: TrainingJob, process: TrainingProcess, turn: "_Turn") -> Event | None:
        """The last event of a process, when it has ended or has to stop."""
        last: Event | None = None
        while not self.interrupted.is_set():
            try:
                line = process.next_line(timeout_s=POLL_EVERY_S)
            except Empty:
                continue
            if line is None:
                break
            last = parse_event(line)
            if isinstance(last, StartedEvent):
                turn.end()
            self._on_event(job, last)
        return last


class _Turn:
    """Holds a lock from the start of a block to `end`, or to the end of the block."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._is_held = False

    def __enter__(self) -> "_Turn":
        self._lock.acquire()
        self._is_held = True
        return self

    def end(self) -> None:
        if self._is_held:
            self._is_held = False
            self._lock.release()

    def __exit__(self, *error: object) -> None:
        self.end()
