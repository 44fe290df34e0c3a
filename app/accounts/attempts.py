"""How often a password may be tried.

Counted in the database, so that all web processes count together, and before the password is looked at, so
that forty tries at once are forty tries.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import TooManyRequests
from app.models import PasswordTries


@dataclass(frozen=True, slots=True)
class Allowance:
    """`most` tries at once, and one more after every `most`-th part of `within`."""

    name: str
    most: int
    within: timedelta
    complaint: str

    @property
    def step(self) -> timedelta:
        return self.within / self.most

    def key(self, *who: str) -> str:
        """Addresses and e-mails are not kept, only whether one comes again."""
        return hashlib.sha256("\0".join((self.name, *who)).encode()).hexdigest()


GUESSES: Final = Allowance(
    "guesses", 10, timedelta(minutes=5), "Too many wrong passwords; please wait a minute."
)
"""Of one e-mail from one address."""

ATTEMPTS: Final = Allowance(
    "attempts", 60, timedelta(minutes=5), "Too many logins from here; please wait a minute."
)
"""Of any e-mail from one address: each costs the server memory and time, whether it is right or not."""


CODES: Final = Allowance("codes", 5, timedelta(minutes=5), "Too many wrong codes; please wait a minute.")
"""Of the second factor of one person, from wherever: a million codes are too few for more tries."""


def count(session: Session, allowance: Allowance, *who: str) -> None:
    """Count one try; TooManyRequests, and nothing counted, when there are none left.

    One row holds the moment up to which the allowance is used up. Tries at once wait for each other at that
    row, and each sees what the one before it left.
    """
    now = func.clock_timestamp()  # not now(): that stands still while a try waits for the row
    first = insert(PasswordTries).values(key_hash=allowance.key(*who), used_until=now + allowance.step)
    counted = first.on_conflict_do_update(
        index_elements=[PasswordTries.key_hash],
        set_={"used_until": func.greatest(PasswordTries.used_until, now) + allowance.step},
        where=PasswordTries.used_until <= now + (allowance.within - allowance.step),
    ).returning(PasswordTries.key_hash)
    if session.scalar(counted) is None:
        raise TooManyRequests(allowance.complaint)
    _forget_old(session)


def give_back(session: Session, allowance: Allowance, *who: str) -> None:
    """Undo one count: the password was right."""
    session.execute(
        update(PasswordTries)
        .where(PasswordTries.key_hash == allowance.key(*who))
        .values(used_until=PasswordTries.used_until - allowance.step)
    )


def _forget_old(session: Session) -> None:
    """A few rows that say nothing any more; those that another try is at are left to it."""
    old = select(PasswordTries.key_hash).where(PasswordTries.used_until < func.now())
    few = old.limit(10).with_for_update(skip_locked=True)
    session.execute(delete(PasswordTries).where(PasswordTries.key_hash.in_(few)))
