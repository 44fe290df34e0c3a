"""Maps that lie in a folder: people's, or those that a trained model drew (its teacher's, for a student)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saliency.images.resizing import resize
from saliency.maps.merging import ImageMap
from saliency.maps.scaling import SaliencyMap, scale_map
from saliency.sources.image import SourceError, SourceImage, map_of, read_picture


@dataclass(frozen=True, slots=True)
class FolderMaps:
    """The map of an image is the file of its name; resized to the image, then lowest to 0 and highest to 1.

    Parameters
    ----------
    folder : a build, a dataset, or a folder of `<image_id>.png`: greyscale of 8 or 16 bits, of any size; a
        file of three equal colour channels is grey too. No file, or one that is all black: no map
    """

    folder: Path

    @property
    def files(self) -> Path:
        """The folder that the files lie in."""
        inner = self.folder / "maps"
        return inner if inner.is_dir() else self.folder

    def path(self, image: SourceImage) -> Path:
        """Return where the map of an image would be."""
        return self.files / f"{image.image_id}.png"

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Read the map of an image."""
        if not self.path(image).is_file():
            return None
        values = resize(read_grey(self.path(image)), width=image.width, height=image.height)
        return map_of(image, scale_map(values, out=values))


def read_grey(path: Path) -> SaliencyMap:
    """Read a grey picture, (height, width) float32 in [0, 1]; colours are refused, for they have no order."""
    picture, white = read_picture(path)
    if picture.ndim == 3:
        if np.ptp(picture[..., :3].astype(np.int32), axis=2).any():
            raise SourceError(f"{path} is in colours; a map is greyscale")
        picture = picture[..., 0]
    return picture.astype(np.float32) / np.float32(white)
