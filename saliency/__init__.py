"""Human saliency maps: strokes become masks, masks become maps, maps become numbers.

NumPy, SciPy and OpenCV only; `python -m saliency` works alone on an annotations file.
"""

from saliency.crop import CropBox, apply_crop, face_crop
from saliency.files import decode_map_png, encode_map_png
from saliency.maps import (
    Annotation,
    ImageAnnotations,
    ImageMap,
    MapParameters,
    build_image_map,
    build_maps,
    scale_map,
)
from saliency.masks import rasterize
from saliency.strokes import Stroke, StrokeError, parse_strokes

__all__ = [
    "Annotation",
    "CropBox",
    "ImageAnnotations",
    "ImageMap",
    "MapParameters",
    "Stroke",
    "StrokeError",
    "apply_crop",
    "build_image_map",
    "build_maps",
    "decode_map_png",
    "encode_map_png",
    "face_crop",
    "parse_strokes",
    "rasterize",
    "scale_map",
]
