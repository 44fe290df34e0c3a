"""How far background work is, as a page shows it and then asks every two seconds."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.models import WorkWithProgress


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """The state of background work, and how many of its steps are done; 0 of 0 until they are counted."""

    state: str
    done: int = 0
    total: int = 0


def progress_by_number(rows: Iterable[tuple[int, WorkWithProgress]]) -> dict[int, WorkProgress]:
    """By the number that tells the rows of a page apart."""
    return {number: WorkProgress(work.state, work.done, work.total) for number, work in rows}
