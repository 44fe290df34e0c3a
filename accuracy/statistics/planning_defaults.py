"""What planning assumes where nothing is known. Nobody measured these: a pilot tells better ones."""

from typing import Final

MEAN: Final = 0.6
"""Share correct."""

PARTICIPANT_SD: Final = 0.08
"""Standard deviation of the share correct over participants."""

PAIR_SD: Final = 0.15
"""Standard deviation of the share correct over pairs."""
