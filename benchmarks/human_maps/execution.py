"""The work of a comparison, shared by processes of one thread each: faces, then worlds, then runs."""

from collections.abc import Iterator, Sequence
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
    """Where everything is kept, which seeds are used, and by how many processes."""

    out: Path
    seeds: tuple[int, ...]
    jobs: int = 2
    photos: Path | None = None
    """A manifest of images that serve as faces instead of drawn ones."""
    console: Console = field(default_factory=lambda: Console(stderr=True))


def carry_out(crew: BenchmarkSettings, columns: Sequence[BenchmarkScenario]) -> list[BenchmarkRun]:
    """Every column with every seed; what an earlier call finished is read, not done again."""
    with _pool(crew.jobs) as pool, _bars(crew.console) as bars:
        faces = _draw_faces(crew, columns, pool, bars)
        worlds = [
            pool.submit(make_world, crew.out, faces, design, seed=seed)
            for seed in crew.seeds
            for design in designs(columns)
        ]
        _wait(worlds, bars, "make worlds")
        runs = [
            pool.submit(make_run, crew.out, column, seed=seed) for seed in crew.seeds for column in columns
        ]
        _wait(runs, bars, "train and test")
        return [run.result() for run in runs]


def _draw_faces(
    crew: BenchmarkSettings, columns: Sequence[BenchmarkScenario], pool: ProcessPoolExecutor, bars: Progress
) -> Path:
    """Enough faces for the largest world; drawn from the first seed, shared out anew by every seed."""
    count = max(design.train + design.val + design.test for design in designs(columns))
    size, seed = columns[0].design.size, crew.seeds[0]
    if crew.photos is not None:
        path = crew.out / f"photos-{size}px.npz"
        there = write_photos(path, crew.photos, size=size)
        if there < count:
            raise ValueError(f"{crew.photos} lists {there} images; this world needs {count}.")
        return path
    path = crew.out / f"faces-{seed}-{count}-{size}px.npz"
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
