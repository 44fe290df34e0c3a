"""Work shared by processes: results in order, few of them in memory."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")

WAITING_PER_JOB: Final = 4  # enough to keep every process busy while one result is being written


def map_ordered(function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int) -> Iterator[Result]:
    """Apply a function to each item and yield the results in the order of the items.

    Parameters
    ----------
    function : defined at the top of a module, so that another process can import it
    items : read only a few ahead of what has been yielded, so memory does not grow with their number
    jobs : processes; 1 works in this one. They are spawned, never forked: a fork of a process that has
        threads may hang on a lock that one of them held
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    if jobs == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        yield from _sliding(pool, function, iter(items), ahead=jobs * WAITING_PER_JOB)


def _sliding(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], items: Iterator[Item], *, ahead: int
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(items, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(items, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()


def _one_thread() -> None:
    """Turn off OpenCV's own threads: the processes use every core already."""
    cv2.setNumThreads(1)
