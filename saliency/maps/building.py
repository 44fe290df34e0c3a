"""Saliency maps: where the people who judged correctly painted.

    map = scale(gaussian(weighted mean of the masks of the counted annotations))

Every annotation weighs the same unless asked otherwise. An annotation without ink (no strokes, all erased,
all outside the image) does not count: it says nothing about where its author looked.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from saliency.maps.annotations import Annotation, ImageAnnotations
from saliency.maps.inclusion import included, weights
from saliency.maps.merging import Contribution, ImageMap, merge
from saliency.masks.rasterizing import Ink, rasterize_inks
from saliency.parameters import MapParameters
from saliency.pool import map_ordered


def build_image_map(item: ImageAnnotations, parameters: MapParameters) -> ImageMap | None:
    """Build the map of one image; None when fewer than `min_annotators` painted on it.

    The order of the annotations makes no difference, and neither does who drew what first.

    Raises
    ------
    MissingField
        An annotation lacks what a parameter needs.
    """
    drawn = counted_inks(item, parameters)
    shares = weights([annotation for annotation, _ in drawn], parameters)
    given = [Contribution(ink, share) for (_, ink), share in zip(drawn, shares, strict=True) if share]
    return merge(item.image_id, given, parameters, width=item.width, height=item.height)


def build_maps(
    items: Iterable[ImageAnnotations], parameters: MapParameters, *, jobs: int = 1
) -> Iterator[tuple[str, ImageMap | None]]:
    """Build the maps of many images, in order, holding only a few in memory.

    Parameters
    ----------
    items : read as needed, so a generator over any number of images is fine
    jobs : processes to share the work; 1 stays in this one

    Yields
    ------
    image_id, map : one per item; None for an image that has no map
    """
    yield from map_ordered(partial(_named_map, parameters=parameters), items, jobs=jobs)


def _named_map(item: ImageAnnotations, parameters: MapParameters) -> tuple[str, ImageMap | None]:
    return item.image_id, build_image_map(item, parameters)


def counted_inks(item: ImageAnnotations, parameters: MapParameters) -> list[tuple[Annotation, Ink]]:
    """Rasterise the annotations that count, in the order of their ids; those without ink are left out."""
    counted = included(item.annotations, parameters)
    inks = rasterize_inks(
        [annotation.strokes for annotation in counted], width=item.width, height=item.height
    )
    painted = ((annotation, ink) for annotation, ink in zip(counted, inks, strict=True) if ink.pixels)
    return sorted(islice(painted, parameters.first_annotators), key=lambda pair: pair[0].annotation_id)
