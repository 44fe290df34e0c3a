"""How often one address may guess at one e-mail."""

from typing import Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.errors import TooManyRequests

# In the memory of each web process: N processes allow N times as many guesses, still far too few.
_limiter: Final = MovingWindowRateLimiter(MemoryStorage())
GUESSES: Final = parse("10 per 5 minutes")


def refuse_guessing(*who: str) -> None:
    """TooManyRequests when `who` (an e-mail and an address) failed too often of late."""
    if not _limiter.test(GUESSES, *who):
        raise TooManyRequests("Too many wrong passwords; please wait five minutes.")


def count_failure(*who: str) -> None:
    _limiter.hit(GUESSES, *who)
