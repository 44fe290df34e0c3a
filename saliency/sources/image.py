"""The interface of every source: an image in, a map out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from saliency.maps.merging import ImageMap
from saliency.maps.metrics import coverage, entropy
from saliency.maps.png import decode_numbers
from saliency.maps.scaling import SaliencyMap


class SourceError(ValueError):
    """A source of maps cannot be used; the message names the file or the parameter."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image to make a map for.

    Parameters
    ----------
    image_id : name of the map's file without its ending
    width, height : size of the map in pixels
    group : maps are shuffled only between images of one group: its class, and its split where it has one
    """

    image_id: str
    width: int
    height: int
    group: str = ""


MapSource = Callable[[SourceImage], ImageMap | None]


def map_of(image: SourceImage, values: SaliencyMap) -> ImageMap | None:
    """Return a map made from no annotation; None when nothing in it is salient.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]
    """
    if not values.any():
        return None
    return ImageMap(
        image_id=image.image_id,
        width=image.width,
        height=image.height,
        values=values,
        annotators=0,
        coverage=coverage(values),
        entropy=entropy(values),
        agreement=None,
    )


def read_picture(path: Path) -> tuple[NDArray[Any], int]:
    """Read the numbers of a picture, and which of them is white, as `decode_numbers` does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return decode_numbers(data)
    except ValueError:
        raise SourceError(f"{path} is not a readable image of 8 or 16 bits") from None
