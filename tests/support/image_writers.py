"""Image files of every kind, byte by byte: what no library writes, or only in its own way."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
"""Columns of profiles: red, green and blue as XYZ under D50."""
P3_POINTS = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
"""White, red, green and blue as x and y."""


def ramp(dtype: Any = np.uint8, *, width: int = 256) -> np.ndarray:
    """(64, width, 3): grey, red, green and blue from black to white in bands, and a band from red to blue."""
    white = np.iinfo(dtype).max
    line = np.linspace(0, white, width).round().astype(dtype)
    picture = np.zeros((64, width, 3), dtype)
    picture[:16] = line[:, None]
    for channel in range(3):
        picture[16 * (channel + 1) : 16 * (channel + 2), :, channel] = line
    picture[56:, :, 0] = white - line
    return picture


def with_alpha(colours: np.ndarray) -> np.ndarray:
    """Its opacity grows from right to left."""
    opacity = np.linspace(np.iinfo(colours.dtype).max, 0, colours.shape[1]).round().astype(colours.dtype)
    return np.dstack([colours, np.broadcast_to(opacity, colours.shape[:2])])


def saved(picture: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    """What Pillow writes."""
    out = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, kind, **options)
    return out.getvalue()


def turned(orientation: int) -> Image.Exif:
    """Exif that says how a picture is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# --- PNG


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(samples: np.ndarray, *chunks: bytes, bits: int = 0, colour: int | None = None) -> bytes:
    """A PNG with `chunks` before the pixels.

    samples : (h, w) or (h, w, 1 to 4); uint16 gives 16 bits
    bits : 1, 2 or 4, of grey or of a palette whose values the samples are
    """
    height, width, channels = samples.reshape(*samples.shape[:2], -1).shape
    bits = bits or samples.dtype.itemsize * 8
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    rows = b"".join(b"\0" + _packed(row.ravel(), bits) for row in samples)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _packed(values: np.ndarray, bits: int) -> bytes:
    """Most significant bit first."""
    if bits == 8:
        return values.astype(np.uint8).tobytes()
    spread = (values[:, None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.ravel().astype(np.uint8)).tobytes()


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chrm(*points: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in points)))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"any name\0\0" + zlib.compress(profile))


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


# --- TIFF


def tiff(
    samples: np.ndarray,
    photometric: int,
    *,
    bits: int = 0,
    planes: int = 1,
    tags: dict[int, Sequence[int]] | None = None,
) -> bytes:
    """An uncompressed TIFF of one strip (or one a plane); `tags` holds further SHORT values."""
    height, width, channels = samples.reshape(*samples.shape[:2], -1).shape
    bits = bits or samples.dtype.itemsize * 8
    ordered = np.moveaxis(samples, 2, 0) if planes == 2 else samples
    data = ordered.astype(f"<u{bits // 8}").tobytes() if bits % 8 == 0 else _rows(samples, bits)
    strips = channels if planes == 2 else 1
    entries: dict[int, tuple[str, Sequence[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        273: ("I", [8 + i * len(data) // strips for i in range(strips)]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(data) // strips] * strips),
        284: ("H", [planes]),
        **{tag: ("H", values) for tag, values in (tags or {}).items()},
    }
    return _directory(data + b"\0" * (len(data) % 2), entries)


def _rows(samples: np.ndarray, bits: int) -> bytes:
    return b"".join(_packed(row.ravel(), bits) for row in samples)


def _directory(data: bytes, entries: dict[int, tuple[str, Sequence[int]]]) -> bytes:
    start = 8 + len(data)
    behind, table, after = start + 2 + 12 * len(entries) + 4, b"", b""
    for tag, (code, values) in sorted(entries.items()):
        content = struct.pack(f"<{len(values)}{code}", *values)
        if len(content) > 4:
            content, after = (
                struct.pack("<I", behind + len(after)),
                after + content + b"\0" * (len(content) % 2),
            )
        table += struct.pack("<HHI", tag, {"H": 3, "I": 4}[code], len(values)) + content.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", start)
    return head + data + struct.pack("<H", len(entries)) + table + bytes(4) + after


# --- BMP


def bmp(picture: np.ndarray, *, colours: bytes, profile: bytes = b"", endpoints: bytes = bytes(48)) -> bytes:
    """A BMP of version 5. colours : the four letters of its colour space; endpoints : of calibrated ones"""
    pixels = saved(picture, "BMP")[54:]
    height, width = picture.shape[:2]
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    head += bytes(16) + colours + endpoints + struct.pack("<4I", 4, 124 + len(pixels), len(profile), 0)
    whole = 14 + len(head) + len(pixels) + len(profile)
    return b"BM" + struct.pack("<IHHI", whole, 0, 0, 14 + len(head)) + head + pixels + profile


# --- Colour profiles


def profile(
    space: bytes, tags: dict[bytes, bytes], *, name: str = "made by a test", pcs: bytes = b"XYZ "
) -> bytes:
    """An ICC profile of version 2.4 for a display."""
    named = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(named)) + named + bytes(78)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0\0", b"wtpt": xyz(*D50), **tags}
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for key, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += key + struct.pack(">II", offset + len(body), len(content))
        body += padded
    head = bytes(4) + bytes(4) + struct.pack(">I", 0x02400000) + b"mntr" + space + pcs
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(_fixed, D50))
    whole = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def rgb_profile(curve: bytes, columns: Sequence[Sequence[float]] = SRGB, **options: Any) -> bytes:
    named = {key + b"XYZ": xyz(*column) for key, column in zip((b"r", b"g", b"b"), columns, strict=True)}
    return profile(b"RGB ", {**named, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}, **options)


def grey_profile(curve: bytes) -> bytes:
    return profile(b"GRAY", {b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Made of a table, as all profiles for print are: every ink darkens and colours in its own way."""
    corners = b""
    for cyan, magenta, yellow, black in np.ndindex(2, 2, 2, 2):
        light = (1 - 0.3 * cyan) * (1 - 0.4 * magenta) * (1 - 0.1 * yellow) * (1 - 0.9 * black)
        a = (-30 * cyan + 60 * magenta) * (1 - black)
        b = (-40 * cyan + 70 * yellow) * (1 - black)
        corners += bytes([round(255 * light), 128 + a, 128 + b])
    identity = bytes(range(256))
    matrix = b"".join(map(_fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + corners + identity * 3
    return profile(b"CMYK", {b"A2B0": table}, pcs=b"Lab ")


def gamma_curve(exponent: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256))


def sampled_curve(values: Sequence[float]) -> bytes:
    """Of light from 0 to 1 at equal distances."""
    levels = [round(65_535 * value) for value in values]
    return b"curv" + bytes(4) + struct.pack(f">I{len(levels)}H", len(levels), *levels)


def parametric_curve(kind: int, *values: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, values))


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65_536))
