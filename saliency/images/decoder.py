"""From an image file to the picture that a person would see, or to a reason why not.

The one decoder of the project: import, training, scoring and datasets read images through it, so a network
sees the pixels that people were shown. `docs/images.md` says what becomes of every kind of file. Maps, masks
and segmentations are data, not pictures: `saliency.maps.png` reads their numbers as they are stored.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from saliency.images.colour_tags import declared_conversion
from saliency.images.colours import Samples, narrowed
from saliency.images.layers import layers, refuse_tiff
from saliency.images.unusable import Unusable

FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MIN_SIDE: Final = 32  # pixels; no face can be judged on less
MAX_SIDE: Final = 16_384  # pixels
MAX_PIXELS: Final = 50_000_000  # three bytes each, in every thread of an import
BACKGROUND: Final = 255  # white shows through transparent pixels

ORIENTATION: Final = 0x0112
UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the value of its EXIF orientation."""

# Whatever Pillow's decoders raise on bytes that are not what their header promised.
DAMAGE: Final = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    EOFError, MemoryError, struct.error, cv2.error,
)  # fmt: skip


def decode(path: Path) -> Image.Image:
    """Return the picture in a file: RGB, 8 bits, upright, in sRGB, opaque on white, without metadata.

    Raises `Unusable` for what is missing, hidden, empty, no image, damaged, animated, too small or too large,
    and for pixels and colours of which nobody knows how they look. The size is read from the header, before
    a decompression bomb could unfold.
    """
    if path.name.startswith("."):
        raise Unusable(hidden_reason(path.name))
    with _opened(path) as stream:
        return _decoded(stream)


def decode_bytes(content: bytes) -> Image.Image:
    """Return the picture in the content of a file, as `decode` does."""
    if not content:
        raise Unusable("is empty.")
    return _decoded(BytesIO(content))


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Return the picture in a file as (height, width, 3) uint8, as `decode` does."""
    return np.asarray(decode(path))


def hidden_reason(name: str) -> str:
    """Return why a file whose name begins with a dot is left out."""
    return "is a macOS metadata file, not an image." if name.startswith("._") else "is a hidden file."


def _opened(path: Path) -> BinaryIO:
    try:
        size_bytes = path.stat().st_size
        if not path.is_file():
            raise Unusable("is not a file.")
        if size_bytes == 0:
            raise Unusable("is empty.")
        return path.open("rb")
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}.") from None


def _decoded(stream: BinaryIO) -> Image.Image:
    with _reasons(stream), Image.open(stream, formats=FORMATS) as image:
        _refuse_by_header(image)
        image.load()
        turn = UPRIGHT.get(_orientation(image))
        picture = _opaque(*_in_srgb(image, stream))
        picture.info.clear()
    return picture if turn is None else picture.transpose(turn)


@contextmanager
def _reasons(stream: BinaryIO) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise Unusable(_unidentified(stream)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"is too large: more than {MAX_PIXELS:,} pixels.") from None
    except DAMAGE as error:
        raise Unusable(f"is damaged: {str(error).rstrip('.')}.") from None


def _unidentified(stream: BinaryIO) -> str:
    """What can be said of a file that no decoder takes: its signature may be a known one all the same."""
    stream.seek(0)
    head = stream.read(16)
    for name in FORMATS:
        accepts = Image.OPEN[name][1]
        if accepts and accepts(head) is True:
            return f"is damaged, or {name} of a kind that cannot be read; save it as PNG."
    return "is not an image in a format that can be read."


def _refuse_by_header(image: ImageFile.ImageFile) -> None:
    width, height = image.size
    frames = getattr(image, "n_frames", 1)
    # Phones put a preview or a depth map behind the photograph and call the file MPO.
    if frames > 1 and image.format != "MPO":
        raise Unusable(f"has {frames} frames; save the one to be judged as a still image.")
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"is too small: {width}×{height} pixels, at least {MIN_SIDE} a side are needed.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Unusable(f"is too large: {width}×{height} pixels.")
    if image.mode == "F":
        raise Unusable("has floating-point pixels, of which nobody knows which one is white.")
    if image.format == "TIFF":
        refuse_tiff(image)
    if image.format == "GIF" and image.tile[0].extents != (0, 0, width, height):
        raise Unusable("has a frame smaller than its screen; save it as PNG.")


def _in_srgb(image: Image.Image, stream: BinaryIO) -> tuple[Image.Image, Image.Image | None]:
    """The colours of an image, converted, and its opacity if it has one."""
    colours, alpha = layers(image, stream)
    if isinstance(colours, Image.Image):
        convert = declared_conversion(image, stream, colours.mode)
        if convert is None:
            return colours if colours.mode == "RGB" else colours.convert("RGB"), alpha
        samples = np.asarray(colours).reshape(*colours.size[::-1], -1)
    else:
        samples = colours
        convert = declared_conversion(image, stream, "L" if samples.shape[2] == 1 else "RGB") or _spread
    return Image.fromarray(convert(samples)), alpha


def _spread(samples: Samples) -> NDArray[np.uint8]:
    """16 bits that are sRGB already."""
    return np.repeat(narrowed(samples), 3 // samples.shape[2], axis=2)


def _opaque(colours: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """Laid on the background colour."""
    if alpha is not None and alpha.getextrema() != (255, 255):
        colours = Image.composite(colours, Image.new("RGB", colours.size, (BACKGROUND,) * 3), alpha)
    return colours


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 where it is not said, or was carried out (Pillow does so for a TIFF).

    Exif alone counts, not what XMP says beside it: browsers do the same.
    """
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif.load(image.info.get("exif", b""))
        return int(exif.get(ORIENTATION, 1)) if image.format != "TIFF" else 1
    return 1
