"""How far work in the background is, as a page shows it and then asks every two seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from app.models import JobState


@dataclass(frozen=True, slots=True)
class Waiting:
    """A piece of work: its state, and how much of it is done, of how much; 0 of 0 while that is not known."""

    state: str
    done: int = 0
    total: int = 0


class HasProgress(Protocol):
    """A row of the database that says how far it is."""

    state: JobState
    done: int
    total: int


def waiting(rows: Iterable[tuple[int, HasProgress]]) -> dict[int, Waiting]:
    """By the number that tells them apart."""
    return {number: Waiting(row.state, row.done, row.total) for number, row in rows}
