"""From any file to the upright RGB picture that a person would see, or to a reason why not."""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from app.stimuli.manifest import hidden_reason

FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MIN_SIDE: Final = 32  # pixels; no face can be judged on less
MAX_SIDE: Final = 16_384  # pixels
MAX_PIXELS: Final = 50_000_000  # three bytes each, in every thread of an import
BACKGROUND: Final = (255, 255, 255)  # what shows through transparent pixels

GREY16: Final = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# Whatever Pillow's decoders raise on bytes that are not what their header promised.
DAMAGE: Final = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    EOFError, MemoryError, struct.error,
)  # fmt: skip


class Unusable(Exception):
    """A file that cannot become a stimulus; the message says why."""


def decode(path: Path) -> Image.Image:
    """The picture in `path`: RGB, 8 bits, upright, in sRGB, opaque on white, without metadata.

    Raises Unusable for what is missing, hidden, empty, no image, damaged, animated, too small or
    too large. The size is read from the header, before a decompression bomb could unfold.
    """
    _refuse_by_name(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            _refuse_by_header(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # a copy would double what a thread holds
            picture = _rgb(image, profile=image.info.get("icc_profile"))
    except UnidentifiedImageError:
        raise Unusable("is not an image in a format that can be read.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"is too large: more than {MAX_PIXELS:,} pixels.") from None
    except DAMAGE as error:
        raise Unusable(f"is damaged: {error}.") from None
    picture.info.clear()
    return picture


def _refuse_by_name(path: Path) -> None:
    if path.name.startswith("."):
        raise Unusable(hidden_reason(path.name))
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}.") from None
    if not path.is_file():
        raise Unusable("is not a file.")
    if size_bytes == 0:
        raise Unusable("is empty.")


def _refuse_by_header(image: Image.Image) -> None:
    width, height = image.size
    frames = getattr(image, "n_frames", 1)
    # Phones put a preview or a depth map behind the photograph and call the file MPO.
    if frames > 1 and image.format != "MPO":
        raise Unusable(f"has {frames} frames; save the one to be judged as a still image.")
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"is too small: {width}×{height} pixels, at least {MIN_SIDE} a side are needed.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Unusable(f"is too large: {width}×{height} pixels.")


def _rgb(image: Image.Image, *, profile: bytes | None) -> Image.Image:
    if image.mode in GREY16:
        return _from_grey16(np.asarray(image)).convert("RGB")
    if image.mode == "F":
        raise Unusable("has floating-point pixels, of which nobody knows which one is white.")
    return _in_srgb(_opaque(image), profile=profile)


def _from_grey16(values: np.ndarray) -> Image.Image:
    """16 bits to 8 by rounding, so that 65535 is white; other depths are refused."""
    if values.min() < 0 or values.max() > 65535:
        raise Unusable("has grey values of more than 16 bits.")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    """Without transparency: laid on the background colour."""
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), layers).convert("RGB")
    return image.convert("RGB") if image.mode in {"1", "P"} else image


def _in_srgb(image: Image.Image, *, profile: bytes | None) -> Image.Image:
    """Colours as the file's own profile means them; a profile that cannot be used is ignored."""
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile or b""))
        if "sRGB" not in ImageCms.getProfileDescription(embedded):
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, embedded, target, outputMode="RGB")
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")
