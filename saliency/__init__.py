"""Human saliency maps: strokes become masks, masks become maps, maps become numbers.

NumPy, SciPy and OpenCV only; `python -m saliency` works alone on an annotations file.
"""

from saliency.annotations import Annotation, ImageAnnotations
from saliency.build import build_encoded_maps
from saliency.crop import CropBox, apply_crop, face_crop
from saliency.files import decode_map_png, encode_map_png
from saliency.maps import build_image_map, build_maps
from saliency.masks import rasterize
from saliency.merging import ImageMap
from saliency.parameters import MapParameters, ParameterError
from saliency.reading import AnnotationFileError, read_annotations
from saliency.scaling import scale_map
from saliency.strokes import Stroke, StrokeError, parse_strokes
from saliency.writing import EncodedMap

__all__ = [
    "Annotation",
    "AnnotationFileError",
    "CropBox",
    "EncodedMap",
    "ImageAnnotations",
    "ImageMap",
    "MapParameters",
    "ParameterError",
    "Stroke",
    "StrokeError",
    "apply_crop",
    "build_encoded_maps",
    "build_image_map",
    "build_maps",
    "decode_map_png",
    "encode_map_png",
    "face_crop",
    "parse_strokes",
    "rasterize",
    "read_annotations",
    "scale_map",
]
