"""The steps of a demonstration, with their names, times, results and errors."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from app.errors import AppError

TITLE_WIDTH: Final = 34


@dataclass(slots=True)
class Stage:
    """A step under way."""

    title: str
    bar: Progress
    summary: str = ""
    """The result of the step, printed at its end."""

    def progress(self, done: int, total: int) -> None:
        self.bar.update(self.bar.task_ids[0], completed=done, total=total)


@dataclass(frozen=True, slots=True)
class FinishedStage:
    title: str
    summary: str
    seconds: float


class Stages:
    """Prints a line for each finished step, and on a terminal a progress bar before."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.finished: list[FinishedStage] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        """Run a step; an error inside becomes an `AppError` of one sentence that names the step."""
        start = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        hidden = not self.console.is_terminal
        try:
            with Progress(*columns, console=self.console, transient=True, disable=hidden) as bar:
                bar.add_task(title, total=None)
                stage = Stage(title, bar)
                yield stage
        except Exception as error:
            cause = getattr(error, "orig", None) or error  # the driver's own words, without SQLAlchemy's
            reason = " ".join(str(cause).split()) or type(error).__name__
            raise AppError(f"{title}: {reason}") from error
        done = FinishedStage(title, stage.summary, time.monotonic() - start)
        self.finished.append(done)
        line = f"{done.title:<{TITLE_WIDTH}}{done.seconds:>6.1f} s  {done.summary}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """How long each step took, and all together."""
        table = Table(title="How long it took", box=None, title_justify="left", show_footer=True)
        total = sum(done.seconds for done in self.finished)
        table.add_column("step", footer="all")
        table.add_column("seconds", justify="right", footer=f"{total:.1f}")
        for done in self.finished:
            table.add_row(done.title, f"{done.seconds:.1f}")
        return table
