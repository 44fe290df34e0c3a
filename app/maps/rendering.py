"""Render all that a map set stores of one image, in a process of the pool.

It imports neither the database nor the web, so that a process starts quickly.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import BadInput
from saliency.comparison.reliability import ImageReliability, image_reliability
from saliency.folders.writing import EncodedMap, encode_image_map
from saliency.images.crop import FaceBox, apply_crop, face_crop
from saliency.maps.annotations import Annotation, ImageAnnotations
from saliency.maps.building import build_image_map
from saliency.maps.png import decode_map_png
from saliency.maps.scaling import SaliencyMap
from saliency.masks.strokes import StrokeError, parse_strokes
from saliency.parameters import MapParameters

THUMB_PX: Final = 320
"""Longest side of a map in a list."""

SKETCH_SIDE: Final = 32
ALIGNED_PX: Final = 224
SPLITS: Final = 50
"""Random splits per image and group size; the mean over some hundred images hardly notices the difference
to more of them."""

MOST_ANNOTATORS: Final = 50
"""At most so many annotators, the earliest, are compared: their masks are in memory together."""

Aligned = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageToRender:
    """An image whose map is to be built."""

    image_id: int
    width: int
    height: int
    face: FaceBox | None
    annotations: tuple[Annotation, ...]
    """Their `strokes` are empty; see `strokes`."""
    strokes: tuple[str, ...]
    """The strokes of each annotation as JSON; only the pool parses them."""


@dataclass(frozen=True, slots=True)
class ImageWithMap:
    """An image whose map an earlier map set has."""

    image_id: int
    face: FaceBox | None
    png: bytes


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """What a map set stores of a new map."""

    map: EncodedMap
    thumb: bytes
    sketch: bytes
    reliability: ImageReliability | None


@dataclass(frozen=True, slots=True)
class RenderResult:
    """The result for one image.

    rendered : None for a reused map, and for an image that too few people painted on
    aligned : (224, 224) float32, the map after the face was brought into the common frame; None without a map
    """

    image_id: int
    rendered: RenderedMap | None
    aligned: Aligned | None


def render(task: ImageToRender | ImageWithMap, parameters: MapParameters) -> RenderResult:
    """Build the map of an image, or only align one that is reused."""
    if isinstance(task, ImageWithMap):
        return RenderResult(task.image_id, None, aligned(decode_map_png(task.png), task.face))
    item = _parsed(task)
    built = build_image_map(item, parameters)
    if built is None:
        return RenderResult(task.image_id, None, None)
    rendered = RenderedMap(
        map=encode_image_map(built),
        thumb=thumb_png(built.values),
        sketch=sketch(built.values),
        reliability=image_reliability(item, _bounded(parameters), splits=SPLITS),
    )
    return RenderResult(task.image_id, rendered, aligned(built.values, task.face))


def _bounded(parameters: MapParameters) -> MapParameters:
    wanted = parameters.first_annotators or MOST_ANNOTATORS
    return replace(parameters, first_annotators=min(wanted, MOST_ANNOTATORS))


def _parsed(task: ImageToRender) -> ImageAnnotations:
    return ImageAnnotations(
        image_id=str(task.image_id),
        width=task.width,
        height=task.height,
        annotations=tuple(
            _with_strokes(annotation, strokes, task)
            for annotation, strokes in zip(task.annotations, task.strokes, strict=True)
        ),
    )


def _with_strokes(annotation: Annotation, strokes: str, task: ImageToRender) -> Annotation:
    try:
        parsed = parse_strokes(json.loads(strokes), width=task.width, height=task.height)
    except StrokeError as error:
        raise BadInput(f"Annotation {annotation.annotation_id}: {error}.") from error
    return replace(annotation, strokes=parsed)


def aligned(values: SaliencyMap, face: FaceBox | None) -> Aligned:
    """Bring a map into the frame of the face crop, (224, 224) float32.

    Without a face box, or with one outside the image, the whole image is the frame.
    """
    height, width = values.shape
    try:
        crop = face_crop(face, width=width, height=height)
    except ValueError:
        crop = face_crop(None, width=width, height=height)
    return np.asarray(apply_crop(values, crop, size=ALIGNED_PX), dtype=np.float32)


def thumb_png(values: SaliencyMap) -> bytes:
    """The map as 8-bit greyscale PNG, at most `THUMB_PX` on its longer side."""
    height, width = values.shape
    shrink = min(1.0, THUMB_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = values if shrink == 1 else cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".png", _grey(np.asarray(small, dtype=np.float32)))[1])


def sketch(values: SaliencyMap) -> bytes:
    """The map averaged onto 32 x 32 cells, a byte each."""
    small = cv2.resize(values, (SKETCH_SIDE, SKETCH_SIDE), interpolation=cv2.INTER_AREA)
    return _grey(np.asarray(small, dtype=np.float32)).tobytes()


def _grey(values: SaliencyMap) -> NDArray[np.uint8]:
    return np.rint(values * 255).astype(np.uint8)
