"""Where a map can come from besides people's strokes, all under one interface.

A source is a function of an image: it gives that image's map, or None when it has none. So a training recipe
swaps human maps for face segmentation, for a control, or for what a model drew, and nothing else changes.

    source = Shuffled.of(FolderMaps(Path("build")), images, seed=1)
    found = source(images[0])      # an ImageMap with values (height, width) in [0, 1], or None

Sources hold no state besides their parameters: they may be called in any order and in any process.
"""

from saliency.sources.controls import Coarsened, Ellipse, Inverted, RandomStrokes, Shuffled, Uniform
from saliency.sources.folder import FolderMaps
from saliency.sources.image import MapSource, SourceError, SourceImage, map_of
from saliency.sources.parameters import Kind, SourceParameters, make_source
from saliency.sources.raster import RasterMasks
from saliency.sources.segmentation import FACE_CLASSES, FACE_PARTS, Segmentation

__all__ = [
    "FACE_CLASSES",
    "FACE_PARTS",
    "Coarsened",
    "Ellipse",
    "FolderMaps",
    "Inverted",
    "Kind",
    "MapSource",
    "RandomStrokes",
    "RasterMasks",
    "Segmentation",
    "Shuffled",
    "SourceError",
    "SourceImage",
    "SourceParameters",
    "Uniform",
    "make_source",
    "map_of",
]
