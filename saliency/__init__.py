"""Human saliency maps: strokes become masks, masks become maps, maps become numbers.

NumPy, SciPy, OpenCV and Pillow only; `python -m saliency` works alone on an annotations file.

Each public name is imported from its module when it is first used, so that a module which needs no OpenCV
(`saliency.files.text`, `saliency.parameters`) does not load it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from saliency.folders.annotations_file import AnnotationFileError, read_annotations
    from saliency.folders.building import build_encoded_maps
    from saliency.folders.writing import EncodedMap
    from saliency.images.crop import CropBox, apply_crop, face_crop
    from saliency.maps.annotations import Annotation, ImageAnnotations
    from saliency.maps.building import build_image_map, build_maps
    from saliency.maps.merging import ImageMap
    from saliency.maps.png import decode_map_png, encode_map_png
    from saliency.maps.scaling import scale_map
    from saliency.masks.rasterizing import rasterize
    from saliency.masks.strokes import Stroke, StrokeError, parse_strokes
    from saliency.parameter_descriptions import ParameterError
    from saliency.parameters import MapParameters

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

_MODULES: Final = {
    "folders.annotations_file": ("AnnotationFileError", "read_annotations"),
    "folders.building": ("build_encoded_maps",),
    "folders.writing": ("EncodedMap",),
    "images.crop": ("CropBox", "apply_crop", "face_crop"),
    "maps.annotations": ("Annotation", "ImageAnnotations"),
    "maps.building": ("build_image_map", "build_maps"),
    "maps.merging": ("ImageMap",),
    "maps.png": ("decode_map_png", "encode_map_png"),
    "maps.scaling": ("scale_map",),
    "masks.rasterizing": ("rasterize",),
    "masks.strokes": ("Stroke", "StrokeError", "parse_strokes"),
    "parameter_descriptions": ("ParameterError",),
    "parameters": ("MapParameters",),
}
_HOMES: Final = {name: f"saliency.{module}" for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module 'saliency' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
