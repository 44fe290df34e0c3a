"""The length at which pictures are served, so that it tells nothing of them."""

from typing import Final

PADDING: Final = 4096  # bytes


def served_bytes(*display_bytes: int) -> int:
    """The padded size of every image of a pair: the larger one in whole paddings, and one more."""
    return -(-max(display_bytes) // PADDING) * PADDING + PADDING
