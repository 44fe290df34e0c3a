"""Rectangles of whole pixels, half open like slices."""

from typing import NamedTuple


class Box(NamedTuple):
    """Columns left..right-1 and rows top..bottom-1; empty when either range is."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns, never negative."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Rows, never negative."""
        return max(0, self.bottom - self.top)

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    @property
    def turned(self) -> "Box":
        """With x and y exchanged."""
        return Box(self.top, self.left, self.bottom, self.right)

    @property
    def empty(self) -> bool:
        """Whether no pixel is inside."""
        return not self.area

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array (height, width)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grow(self, by: int) -> "Box":
        """Move each edge outwards by that many pixels."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def meet(self, other: "Box") -> "Box":
        """Return the pixels in both; it may be empty."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def join(self, other: "Box") -> "Box":
        """Return the smallest box around both; an empty box adds nothing."""
        if self.empty or other.empty:
            return other if self.empty else self
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def within(self, origin: "Box") -> "Box":
        """Return the same pixels counted from the corner of another box."""
        return Box(
            self.left - origin.left,
            self.top - origin.top,
            self.right - origin.left,
            self.bottom - origin.top,
        )
