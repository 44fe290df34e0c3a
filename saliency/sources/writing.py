"""A folder of maps from a source, in the form of a build."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from saliency.files.writing import new_folder
from saliency.folders.building import BuildSummary
from saliency.folders.writing import MARK, EncodedMap, encode_image_map, write_maps, write_record
from saliency.parameters import MapParameters
from saliency.sources.image import MapSource, SourceError, SourceImage
from saliency.sources.parameters import SourceParameters, make_source


def source_folder(
    images: Sequence[SourceImage],
    target: Path,
    parameters: SourceParameters,
    *,
    folder: Path | None = None,
    maps: MapParameters,
    progress: Callable[[int], object] | None = None,
) -> BuildSummary:
    """Write `maps/<image_id>.png`, `maps.csv` and `build.json`; the same input gives the same bytes.

    Parameters
    ----------
    images : the images to make maps for; their order is that of the table
    target : folder to make; an earlier build there is replaced, anything else is refused
    parameters, folder, maps : as `make_source` takes them
    progress : called with 1 after each image
    """
    source = make_source(parameters, folder=folder, images=images, maps=maps)
    with new_folder(target, mark=MARK) as fresh:
        number = write_maps(fresh, _encoded(source, images, progress))
        if not number:
            raise SourceError(f"none of the {len(images)} images gets a map from this source")
        record = {
            "source": parameters.to_dict(),
            "parameters": maps.to_dict(),
            "input_sha256": _digest(images, folder),
            "images": len(images),
            "maps": number,
        }
        write_record(fresh, record)
    return BuildSummary(images=len(images), maps=number)


def _encoded(
    source: MapSource, images: Iterable[SourceImage], progress: Callable[[int], object] | None
) -> Iterator[EncodedMap]:
    for image in images:
        image_map = source(image)
        if image_map is not None:
            yield encode_image_map(image_map)
        if progress:
            progress(1)


def _digest(images: Iterable[SourceImage], folder: Path | None) -> str:
    """Return the hash of the list of images and of every picture in the folder that is about one of them."""
    digest = sha256()
    for image in images:
        digest.update(f"{image.image_id} {image.width} {image.height} {image.group}\n".encode())
        for path in _pictures_of(image, folder):
            digest.update(f"{path.name} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _pictures_of(image: SourceImage, folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        places = (folder / "maps" / f"{image.image_id}.png", folder / f"{image.image_id}.png")
        yield from (path for path in places if path.is_file())
        yield from sorted((folder / image.image_id).glob("*.png"))
