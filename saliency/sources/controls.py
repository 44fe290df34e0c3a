"""Control maps: a detector that does better with human maps than with these has gained from people."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_edt

from saliency.images.resizing import resize
from saliency.maps.granularity import coarsen
from saliency.maps.merging import ImageMap
from saliency.maps.metrics import entropy
from saliency.maps.scaling import SaliencyMap, scale_map
from saliency.masks.rasterizing import Mask, rasterize
from saliency.masks.strokes import MIN_RADIUS_PX, Stroke
from saliency.parameters import Granularity
from saliency.sources.image import MapSource, SourceImage, map_of

RADIUS_SHARE: Final = 15 / 512  # of the shorter side: a brush of 15 px on a photograph of 512 px
STEP_SHARE: Final = 0.006  # of the shorter side between two points
POINTS: Final = 60  # of a stroke
TURN: Final = 0.35  # standard deviation of the change of direction at each point, in radians
MOST_STROKES: Final = 400
ELLIPSE: Final = (0.6, 0.8)  # axes in shares of the picture's width and height


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every pixel is as salient as any other."""

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Return a map of ones."""
        return map_of(image, np.ones((image.height, image.width), dtype=np.float32))


@dataclass(frozen=True, slots=True)
class Ellipse:
    """The middle of the picture is salient, where a face is as a rule, and nothing else."""

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Return 1 inside an ellipse in the middle, `ELLIPSE` of the width and of the height; 0 outside."""
        across, down = ((np.arange(n) + 0.5) * 2 / n - 1 for n in (image.width, image.height))
        inside = np.hypot(across / ELLIPSE[0], down[:, None] / ELLIPSE[1]) <= 1
        return map_of(image, inside.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Coarsened:
    """What is left of another source's maps at a coarser level; see `saliency.maps.granularity`."""

    base: MapSource
    granularity: Granularity
    threshold: float

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Reduce the map of an image to an area or to boxes."""
        base_map = self.base(image)
        if base_map is None:
            return None
        values = coarsen(base_map.values, granularity=self.granularity, threshold=self.threshold)
        return replace(base_map, values=values, entropy=entropy(values))


@dataclass(frozen=True, slots=True)
class Inverted:
    """One minus the map: salient is what people left out. None for an image that is salient everywhere."""

    base: MapSource

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Invert the map of an image."""
        base_map = self.base(image)
        return None if base_map is None else map_of(image, 1 - base_map.values)


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Each image gets the map of another image of its group, resized to its own size.

    Parameters
    ----------
    donors : for each image that has a map, the image whose map it gets
    """

    base: MapSource
    donors: Mapping[str, SourceImage]

    @classmethod
    def of(cls, base: MapSource, images: Iterable[SourceImage], *, seed: int) -> "Shuffled":
        """Assign maps anew within each group; `images` are those that have one.

        The images of a group form one random ring and each takes the map of the next, so none keeps its own
        unless it is alone. The order of `images` makes no difference.
        """
        groups: dict[str, list[SourceImage]] = defaultdict(list)
        for image in sorted(images, key=lambda image: image.image_id):
            groups[image.group].append(image)
        donors: dict[str, SourceImage] = {}
        for group, members in sorted(groups.items()):
            order = random_of(seed, group).permutation(len(members)).tolist()
            following = order[1:] + order[:1]
            donors.update((members[i].image_id, members[j]) for i, j in zip(order, following, strict=True))
        return cls(base, donors)

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Return the map of the image's donor; None for an image that had no map."""
        donor = self.donors.get(image.image_id)
        base_map = None if donor is None else self.base(donor)
        if base_map is None:
            return None
        values = resize(base_map.values, width=image.width, height=image.height)
        return map_of(image, scale_map(values))


@dataclass(frozen=True, slots=True)
class RandomStrokes:
    """As much saliency as the image's own map has, but along random strokes.

    Strokes wander about the image until they cover as many pixels as the map has at half its peak or above.
    Then the map's own values are placed from the middle of the strokes outwards. So the area at every
    threshold, the sum and the entropy are those of the map, and only the places are random.
    """

    base: MapSource
    seed: int

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Move the saliency of an image to random strokes; the same seed and image give the same map."""
        base_map = self.base(image)
        if base_map is None:
            return None
        area = int(np.count_nonzero(base_map.values >= 0.5 * base_map.values.max()))
        strokes = random_strokes(image, random_of(self.seed, image.image_id))
        return map_of(image, _rearranged(base_map.values, _painted(strokes, image, area=area)))


def random_of(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a seed and a name: the same wherever and in whatever order it is asked for."""
    return np.random.default_rng(int.from_bytes(sha256(f"{seed} {name}".encode()).digest()[:16], "big"))


def random_strokes(image: SourceImage, rng: np.random.Generator) -> Iterator[Stroke]:
    """Yield brush strokes that start anywhere in the image and turn at random, without end."""
    side = min(image.width, image.height)
    radius = max(MIN_RADIUS_PX, RADIUS_SHARE * side)
    while True:
        start = rng.uniform((0, 0), (image.width, image.height))
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, TURN, POINTS))
        path = start + np.cumsum(STEP_SHARE * side * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
        yield Stroke("brush", radius, np.hstack([path, np.zeros((POINTS, 1))]))


def _painted(strokes: Iterator[Stroke], image: SourceImage, *, area: int) -> Mask:
    mask: Mask = np.zeros((image.height, image.width), dtype=np.uint8)
    for _ in range(MOST_STROKES):
        mask |= rasterize([next(strokes)], width=image.width, height=image.height)
        if np.count_nonzero(mask) >= area:
            break
    return mask


def _rearranged(values: SaliencyMap, mask: Mask) -> SaliencyMap:
    """Return the values rearranged: the highest deepest inside the mask, the lowest farthest outside."""
    inside, outside = distance_transform_edt(mask), distance_transform_edt(1 - mask)
    order = np.argsort((outside - inside).ravel(), kind="stable")
    rearranged = np.empty(values.size, dtype=np.float32)
    rearranged[order] = np.sort(values, axis=None)[::-1]
    return rearranged.reshape(values.shape)
