"""What an image file holds: colours of 8 or 16 bits as it declares them, and opacity."""

from typing import Any, BinaryIO, Final

import cv2
import numpy as np
from PIL import Image

from saliency.images.colours import Samples, narrowed
from saliency.images.unusable import Unusable

Alpha = Image.Image | None
"""Opacity, a picture of mode L; None where all is opaque."""

PLAIN: Final = {"1": "L", "P": "RGB", "YCbCr": "RGB"}
"""Modes of Pillow's that are read as another one."""
UNREADABLE: Final = "has 16-bit colours in a form that cannot be read; save it as PNG."

PNG_DEPTH, PNG_COLOUR = 24, 25
"""Where a PNG says them."""
PNG_GREY_AND_ALPHA: Final = 4
BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, FORMAT, SUBSAMPLING = 258, 259, 262, 277, 284, 339, 530
"""Tags of TIFF 6.0."""
WHITE_IS_ZERO: Final = 0
YCBCR: Final = 6
UNCOMPRESSED: Final = 1
SIGNED: Final = 2


def layers(image: Image.Image, stream: BinaryIO) -> tuple[Image.Image | Samples, Alpha]:
    """Return colours and opacity of a loaded image: 8 bits (L, RGB, CMYK, LAB) as a picture, 16 as samples.

    stream : the file of the image, for what Pillow does not keep
    """
    bits = _bits(image, stream)
    if image.mode.startswith("I"):
        return _deep_grey(image, bits)
    if bits == 16 and image.mode in {"RGB", "RGBA"}:
        return _deep_colours(image, stream)
    if image.mode in {"1", "L"} and isinstance(clear := image.info.get("transparency"), int):
        grey = image.convert("L")
        return grey, grey.point(_opacity(clear * 255 // (2**bits - 1)))
    if image.has_transparency_data:
        with_alpha = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return with_alpha.convert("L" if image.mode in {"LA", "La"} else "RGB"), with_alpha.getchannel("A")
    return image.convert(PLAIN[image.mode]) if image.mode in PLAIN else image, None


def _bits(image: Image.Image, stream: BinaryIO) -> int:
    """The bits of a sample that the file declares, for the formats that leave a choice."""
    if image.format == "TIFF":
        return _tiff_bits(image)
    if image.format == "PNG":
        stream.seek(PNG_DEPTH)
        return stream.read(1)[0]
    return 8


def _opacity(clear: int) -> list[int]:
    """Of each grey level, where one of them is transparent."""
    return [0 if level == clear else 255 for level in range(256)]


def _deep_grey(image: Image.Image, bits: int) -> tuple[Samples, Alpha]:
    """Grey of 9 to 16 bits; all 16 of them are used then, and 65535 is white."""
    white = 2**bits - 1 if bits > 8 else 65_535  # a PPM comes scaled
    values = np.asarray(image).astype(np.uint32)
    clear = image.info.get("transparency")  # of a PNG: one value
    alpha = None if clear is None else Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    if _white_is_zero(image):
        values = white - values
    return ((values * 65_535 + white // 2) // white).astype(np.uint16)[..., None], alpha


def _deep_colours(image: Image.Image, stream: BinaryIO) -> tuple[Samples, Alpha]:
    """Colours of 16 bits. Pillow keeps the upper 8, OpenCV reads all; both must agree."""
    stream.seek(0)
    content = stream.read()
    stored: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3:
        raise Unusable(UNREADABLE)
    colours = stored[..., 2::-1]
    if not np.array_equal(colours >> 8, np.asarray(image.convert("RGB"))):
        raise Unusable(UNREADABLE)
    alpha = Image.fromarray(narrowed(stored[..., 3])) if image.has_transparency_data else None
    grey = image.format == "PNG" and content[PNG_COLOUR] == PNG_GREY_AND_ALPHA
    return colours[..., :1] if grey else colours, alpha


def refuse_tiff(image: Any) -> None:
    """Refuse, by the tags of a TIFF, what Pillow would silently read as something else."""
    tags, bits = image.tag_v2, _tiff_bits(image)
    if SIGNED in tags.get(FORMAT, ()):
        raise Unusable("has signed pixels, of which nobody knows which one is black.")
    if bits > 16:
        raise Unusable("has grey values of more than 16 bits.")
    if bits == 16 and tags.get(SAMPLES, 1) > 1 and tags.get(PLANES) == 2:
        raise Unusable("has 16-bit colours in separate planes; save it as PNG.")
    halved = tags.get(PHOTOMETRIC) == YCBCR and tuple(tags.get(SUBSAMPLING, (2, 2))) != (1, 1)
    if halved and tags.get(COMPRESSION) == UNCOMPRESSED:
        raise Unusable("has colours at half resolution without compression; save it as PNG.")


def _tiff_bits(image: Any) -> int:
    return int(max(image.tag_v2.get(BITS, (1,))))


def _white_is_zero(image: Any) -> bool:
    return bool(image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO)
