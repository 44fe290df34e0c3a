"""Turn and frame a face by its landmarks, as the photographs of FFHQ were.

Karras, Laine & Aila (2019), A Style-Based Generator Architecture for Generative Adversarial Networks,
appendix C: the crop is a square turned along the eyes, as wide as 4 times the distance of the eyes or 3.6
times that from eyes to mouth, whichever is more, centred a tenth of the latter below the eyes. Faces of
networks that were trained on FFHQ are framed so; photographs that are framed otherwise give themselves away.
The landmarks are CenterFace's here, not dlib's: see `LANDMARK_SCALE`.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.images.resizing import resize

LANDMARK_SCALE: Final = 0.94
"""Width of the frame by dlib's landmarks over that by CenterFace's, whose mouth lies lower. Measured on 75
photographs of FFHQ: framed again, the median frame was 1.064 times as wide as the photograph."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """A turned square around a face, in pixels of the picture."""

    centre: tuple[float, float]
    half: tuple[float, float]
    """From the centre to the middle of the right edge."""

    @property
    def side(self) -> float:
        """Length of an edge."""
        return 2 * float(np.hypot(*self.half))

    def transform(self, side: int) -> NDArray[np.float64]:
        """Return the matrix (2, 3) that takes points of the picture into a square of `side` pixels."""
        scale = side / self.side
        cosine, sine = scale * np.array(self.half) / (self.side / 2)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return np.column_stack([turn, side / 2 - turn @ self.centre])

    def outside(self, width: int, height: int) -> float:
        """Return the share of the square that lies outside of a picture of that size, from 0 to 1."""
        half = np.array(self.half)
        down = np.array([-half[1], half[0]])
        corners = np.array([-half - down, half - down, half + down, down - half]) + self.centre
        whole = np.array([[0, 0], [width, 0], [width, height], [0, height]])
        inside, _ = cv2.intersectConvexConvex(corners.astype(np.float32), whole.astype(np.float32))
        return float(np.clip(1 - inside / self.side**2, 0, 1))


def ffhq_frame(landmarks: NDArray[np.float64]) -> FaceFrame:
    """Return the frame of a face.

    Parameters
    ----------
    landmarks : (5, 2), x and y in pixels of the eyes, the nose's tip and the mouth's corners

    Raises
    ------
    ValueError
        Eyes and mouth are one point.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks
    eyes = (left_eye + right_eye) / 2
    across, down = right_eye - left_eye, (left_mouth + right_mouth) / 2 - eyes
    direction = across - np.array([-down[1], down[0]])  # both say which way is right; noise cancels in part
    length = float(np.hypot(*direction))
    if length == 0:
        raise ValueError("eyes and mouth are one point")
    half = LANDMARK_SCALE * max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) * direction / length
    return FaceFrame(tuple(eyes + 0.1 * down), tuple(half))


def align(picture: NDArray[np.uint8], frame: FaceFrame, *, size: int) -> NDArray[np.uint8]:
    """Cut the frame out of a picture, upright, as a square of `size` pixels.

    Parameters
    ----------
    picture : (height, width, 3), at least one pixel

    Returns
    -------
    aligned : (size, size, 3); where the frame leaves the picture, its edge is mirrored
    """
    side = max(round(frame.side), size)  # turned at full size first: `resize` averages what it shrinks
    matrix = frame.transform(side)
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5  # OpenCV counts from the middle of the first pixel
    turned = cv2.warpAffine(
        picture,
        matrix,
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return resize(np.asarray(turned), width=size, height=size)
