"""A small painter: smooth shapes in unit coordinates, with soft edges and partial opacity."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2), x right and y down; the unit square is the picture."""
Pixels = NDArray[np.float32]
"""(3, height, width), blue, green, red."""
Mask = NDArray[np.float32]
Colour = tuple[float, float, float]
"""Blue, green, red in 0 … 255, the order of OpenCV."""

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the finished picture."""

SUBPIXEL_BITS: Final = 4


def curve(points: list[tuple[float, float]], *, closed: bool = True, steps: int = 10) -> Points:
    """A Catmull-Rom curve through `points`: smooth, and it passes through every one of them."""
    knots = np.asarray(points, float)
    padded = (
        np.concatenate([knots[-1:], knots, knots[:2]])
        if closed
        else np.concatenate([knots[:1], knots, knots[-1:]])
    )
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    before, start, end, after = (padded[i : len(padded) - 3 + i, None, :] for i in range(4))
    smooth = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return smooth.reshape(-1, 2) if closed else np.concatenate([smooth.reshape(-1, 2), knots[-1:]])


def ellipse(x: float, y: float, rx: float, ry: float, *, steps: int = 40) -> Points:
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.column_stack([x + rx * np.cos(angle), y + ry * np.sin(angle)])


def ribbon(points: list[tuple[float, float]], width: float, *, tail: float = 0.15) -> Points:
    """A line that is `width` thick in the middle and `tail · width` at its ends, as an outline."""
    line = curve(points, closed=False)
    direction = np.gradient(line, axis=0)
    normal = np.column_stack([-direction[:, 1], direction[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    swell = tail + (1 - tail) * np.sin(np.linspace(0, np.pi, len(line)))
    offset = normal * (swell * width / 2)[:, None]
    return np.concatenate([line + offset, (line - offset)[::-1]])


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` of `b` in it."""
    first, second = np.asarray(a), np.asarray(b)
    return tuple((first + (second - first) * share).tolist())


def shade(colour: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    return mix(colour, (0, 0, 0), 1 - factor) if factor < 1 else mix(colour, (255, 255, 255), factor - 1)


class Canvas:
    """Square, half as large again as the picture that leaves it: shrinking makes every edge smooth."""

    def __init__(
        self, size: int, *, turn_deg: float = 0, zoom: float = 1, shift: tuple[float, float]
    ) -> None:
        self.size = size
        self.scale = size * 3 // 2
        # One plane per channel: blending contiguous planes is several times as fast as interleaved ones.
        self.planes: Pixels = np.zeros((3, self.scale, self.scale), np.float32)
        matrix = cv2.getRotationMatrix2D((0.5, 0.55), turn_deg, zoom)
        matrix[:, 2] += np.asarray(shift)
        self.pose = np.asarray(matrix, np.float64)

    def place(self, points: Points) -> Points:
        """Unit coordinates -> pixels of the canvas, head turned and shifted."""
        placed: Points = (points @ self.pose[:, :2].T + self.pose[:, 2]) * self.scale
        return placed

    def mask(self, *outlines: Points, soft: float = 0) -> Mask:
        """(canvas, canvas) in [0, 1]: inside any of the outlines, blurred over `soft` of the width."""
        flat = np.zeros((self.scale, self.scale), np.uint8)
        for outline in outlines:
            cv2.fillPoly(flat, [self._fixed_point(self.place(outline))], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return self._blurred(flat, soft)

    def paint(
        self,
        outline: Points,
        colour: Colour,
        *,
        opacity: float = 1,
        soft: float = 0,
        within: Mask | None = None,
    ) -> None:
        """Lay `colour` over the outline; `within` keeps it inside another shape."""
        rows, columns = self.around(outline, 3 * soft + 2 / self.scale)
        y0, y1, x0, x1 = rows.start, rows.stop, columns.start, columns.stop
        if x1 <= x0 or y1 <= y0:
            return
        placed = self.place(outline)
        flat = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(flat, [self._fixed_point(placed - (x0, y0))], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        cover = self._blurred(flat, soft) * opacity
        if within is not None:
            cover = cover * within[y0:y1, x0:x1]
        blend(self.planes[:, y0:y1, x0:x1], colour, cover)

    def shade_over(self, cover: Mask, colour: Colour) -> None:
        """Lay `colour` over the whole picture as densely as `cover`, (canvas, canvas) in [0, 1], says."""
        blend(self.planes, colour, cover)

    def box(self, outline: Points) -> Box:
        """The rectangle around an outline, inside the picture."""
        placed = self.place(outline) * self.size / self.scale
        x0, y0 = np.clip(np.floor(placed.min(0)), 0, self.size - 1).astype(int)
        x1, y1 = np.clip(np.ceil(placed.max(0)), 1, self.size).astype(int)
        return int(x0), int(y0), int(x1 - x0), int(y1 - y0)

    def around(self, outline: Points, margin: float) -> tuple[slice, slice]:
        """Rows and columns of the canvas around an outline, `margin` of the width wider on every side."""
        placed = self.place(outline)
        low = np.maximum(np.floor(placed.min(0) - margin * self.scale), 0).astype(int)
        high = np.minimum(np.ceil(placed.max(0) + margin * self.scale), self.scale).astype(int)
        return slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0]))

    def finished(self) -> NDArray[np.uint8]:
        """(size, size, 3) BGR."""
        size = (self.size, self.size)
        small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in self.planes]
        return np.asarray(np.clip(np.stack(small, axis=-1), 0, 255), np.uint8)

    def _blurred(self, flat: NDArray[np.uint8], soft: float) -> Mask:
        sigma = soft * self.scale
        if sigma < 0.5:
            return np.asarray(flat, np.float32) / np.float32(255)
        # A third of the resolution blurs alike and costs a ninth.
        shrink = max(1, int(sigma / 3))
        small = cv2.resize(flat, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), sigma / shrink)
        height, width = flat.shape
        return np.asarray(cv2.resize(small, (width, height)), np.float32)

    @staticmethod
    def _fixed_point(placed: Points) -> NDArray[np.int32]:
        return np.round(placed * (1 << SUBPIXEL_BITS)).astype(np.int32)


def blend(planes: Pixels, colour: Colour, cover: Mask) -> None:
    """Move (3, h, w) towards `colour` in place, by `cover` (h, w) in [0, 1]."""
    for plane, value in zip(planes, colour, strict=True):
        np.add(plane, (np.float32(value) - plane) * cover, out=plane)
