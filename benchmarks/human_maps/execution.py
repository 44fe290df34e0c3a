"""Do the work of a comparison in processes of one thread each: faces, then worlds, then runs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.human_maps.faces import write_faces, write_photos
from benchmarks.human_maps.scenarios import (
    BenchmarkRun,
    BenchmarkScenario,
    begin_process,
    designs,
    make_run,
    make_world,
)


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """The folder of results, the seeds, and the number of processes."""

    out: Path
    seeds: tuple[int, ...]
    jobs: int = 2
    photos: Path | None = None
    """A manifest of images that serve as faces instead of drawn ones."""
    console: Console = field(default_factory=lambda: Console(stderr=True))


def run_all(settings: BenchmarkSettings, scenarios: Sequence[BenchmarkScenario]) -> list[BenchmarkRun]:
    """Run every scenario with every seed; runs that an earlier call finished are read."""
    with _pool(settings.jobs) as pool, _bars(settings.console) as bars:
        faces = _draw_faces(settings, scenarios, pool, bars)
        worlds = [
            pool.submit(make_world, settings.out, faces, design, seed=seed)
            for seed in settings.seeds
            for design in designs(scenarios)
        ]
        _wait(worlds, bars, "make worlds")
        runs = [
            pool.submit(make_run, settings.out, scenario, seed=seed)
            for seed in settings.seeds
            for scenario in scenarios
        ]
        _wait(runs, bars, "train and test")
        return [run.result() for run in runs]


def do_all(settings: BenchmarkSettings, work: Sequence[Callable[[], Any]], what: str) -> None:
    """Do pieces of work of one kind, each a picklable call."""
    with _pool(settings.jobs) as pool, _bars(settings.console) as bars:
        _wait([pool.submit(one) for one in work], bars, what)


def _draw_faces(
    settings: BenchmarkSettings,
    scenarios: Sequence[BenchmarkScenario],
    pool: ProcessPoolExecutor,
    bars: Progress,
) -> Path:
    """Enough faces for the largest world; drawn from the first seed, shared out anew by every seed."""
    count = max(design.train + design.val + design.test for design in designs(scenarios))
    size, seed = scenarios[0].design.size, settings.seeds[0]
    if settings.photos is not None:
        path = settings.out / f"photos-{size}px.npz"
        there = write_photos(path, settings.photos, size=size)
        if there < count:
            raise ValueError(f"{settings.photos} lists {there} images; this world needs {count}.")
        return path
    path = settings.out / f"faces-{seed}-{count}-{size}px.npz"
    task = bars.add_task("draw faces", total=count, completed=count if path.is_file() else 0)
    if not path.is_file():
        write_faces(path, count, seed=seed, size=size, pool=pool, on_drawn=lambda: bars.advance(task))
    return path


def _wait(futures: Sequence[Future[Any]], bars: Progress, what: str) -> None:
    """Advance a bar as the work is done; the first failure ends the rest."""
    task = bars.add_task(what, total=len(futures))
    try:
        for future in as_completed(futures):
            future.result()
            bars.advance(task)
    except BaseException:
        for future in futures:
            future.cancel()
        raise


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_process) as pool:
        yield pool


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield bars
